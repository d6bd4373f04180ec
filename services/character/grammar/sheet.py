"""Makes up the sheet of a character: what is stated holds, and the rest is chosen to go with it. Pure."""

from __future__ import annotations

import re
from functools import cache
from random import Random

from services.character.domain import Details, Wish
from services.character.grammar.english import Pronouns, bare, listed, third, tidy
from services.character.grammar.lists import listed_in
from services.character.grammar.looks import drawn, physical
from services.character.grammar.phrases import singular
from services.character.grammar.setting import Person, decide, in_water, is_big, is_pet
from services.character.grammar.species import kinds
from services.character.grammar.table import Table, read_table
from services.character.grammar.template import fitting, render
from services.character.grammar.words import people, traits

ANIMALS_HAD = re.compile(
    r"\b(?:cat|dog|crow|raven|owl|parrot|horse|donkey|mouse|rat|fox|wolf|dragon|snake|toad|frog|bird|"
    r"hawk|falcon|pony|goat|monkey|ferret|lizard|companion|sidekick|apprentice|servant)s?\b"
)
_HABITS = re.compile(
    r"^(?:(?:always|never|often|secretly|constantly) )?(?:collects|talks|sings|hums|plays|tells|counts|"
    r"smells|whistles|argues|apologises|writes|bakes|winces|forgets|judges|steals|knits|drinks|smokes|"
    r"sleeps|dances|laughs|asks|keeps)\b"
)
_MANNERS = {"machine": "machine_manner", "animal": "animal_manner"}
_ON = re.compile(
    r"\b(?:isles?|islands?|coast|moon|planet|farm|station|mountain|hill|plains?|steppes?|mars|venus|"
    r"ship|shore|cliffs?|border|outskirts|tundra|prairie)\b",
    re.IGNORECASE,
)


@cache
def _tables() -> tuple[Table, Table]:
    return read_table("sheet"), read_table("names")


def make(wish: Wish) -> Details:
    """Return the sheet for a wish: the same wish, the same sheet."""
    person = decide(wish)
    facts = person.facts
    first, last = name_of(person)
    row = _Rows(person)
    words = _traits(person)
    treasures = [thing for thing in facts.belongings if not is_alive(thing)]
    habit = next((told for told in facts.told if _HABITS.match(told) and len(told) < 90), "")
    return Details(
        first_name=first,
        last_name=last,
        age=person.age,
        gender=person.gender,
        species=person.species.name,
        profession=facts.profession or _profession(person),
        home=spoken(person, facts.home, first) or _home(person),
        physical_description=physical(
            person, wish, "\n".join(spoken(person, feature, first) for feature in facts.features)
        ),
        visual_style=drawn(person, wish),
        personality=_personality(person, words),
        traits=words,
        strength=row("strength"),
        flaw=row("flaw"),
        goal=spoken(person, facts.goal, first) or row("goal"),
        fear=spoken(person, " and ".join(facts.fears), first) or row("fear"),
        habit=spoken(person, habit, first) or row("habit"),
        treasure=spoken(person, treasures[0], first) if treasures else row("treasure"),
    )


def is_alive(thing: str) -> bool:
    """Tell whether something had is somebody: "three corgis", "a pet crow"."""
    found = (kinds().words.get(singular(word)) for word in re.findall(r"[a-z'-]+", thing.lower()))
    return bool(ANIMALS_HAD.search(thing)) or any(
        named and kinds().of(named.species).kind in {"animal", "creature"} for named in found
    )


class _Rows:
    """Chooses rows of the sheet's lists for one person."""

    def __init__(self, person: Person) -> None:
        self._person = person

    def __call__(self, key: str) -> str:
        random = self._person.chance(key)
        rows = fitting(_tables()[0].table("character").texts(key), self._person.flags)
        return render(random.choice(rows), random, self._person.pronouns, {}, whole=False)


def spoken(person: Person, text: str, name: str) -> str:
    """Say what was stated with the name and the pronouns of whom it is about."""
    text = re.sub(r"@('s)?", lambda match: name + (match[1] or ""), text).strip()
    if person.facts.spoken and not person.pronouns.plural:
        text = re.sub(
            r"\b([Tt]hey) ((?:\w+ly |always |never |still |only |also )?)(\w+(?:'\w+)?)",
            lambda match: _one(match, person.pronouns),
            text,
        )
        for plural, one in (
            ("them", person.pronouns.them),
            ("their", person.pronouns.their),
            ("theirs", person.pronouns.theirs),
            ("themself", person.pronouns.themself),
            ("they", person.pronouns.they),
        ):
            text = re.sub(rf"\b{plural}\b", one, text)
            text = re.sub(rf"\b{plural.capitalize()}\b", one.capitalize(), text)
    return re.sub(r"\s+", " ", text).strip(" ,;")


def _one(match: re.Match[str], pronouns: Pronouns) -> str:
    they = pronouns.they.capitalize() if match[1][0] == "T" else pronouns.they
    return f"{they} {match[2]}{third(bare(match[3]))}"


def name_of(person: Person) -> tuple[str, str]:
    """Return first and last name: as stated, or of its kind and people."""
    name = person.facts.name
    if name is not None:
        return name.first, name.last
    table, random = _tables()[1], person.chance("name")
    human = person.species.names in {"human", "old", "folk"} and person.species.person
    of_people = person.facts.people if human and person.facts.people else ""
    names = table.table("peoples").table(of_people) if of_people else table.table("kinds").table(person.species.names)
    either = () if of_people else names.words("either")
    pool = {"f": names.words("woman"), "m": names.words("man")}.get(
        person.sex, either or (*names.words("woman"), *names.words("man"))
    )
    first = random.choice(pool)
    families = names.words("family")
    last = random.choice(families) if families and (person.species.name == "human" or random.random() < 0.75) else ""
    return first, "" if last.lower() == first.lower() else last


def _profession(person: Person) -> str:
    """Choose what somebody does all day."""
    random, lists = person.chance("profession"), people().by_setting
    kind, species = person.species.kind, person.species
    if person.stage == "child" and person.age < max(1, species.adult * 0.26):
        return (
            "newcomer to the world" if person.age == 0 or species.kind != "person" else "explorer of the kitchen floor"
        )
    if kind == "animal":
        key = "animal"
    elif kind in {"creature", "plant"}:
        key = "plant" if kind == "plant" else "wild"
    elif kind in {"machine", "thing"}:
        key = "space" if person.setting == "space" and kind == "machine" else "machine"
    elif person.stage == "child":
        key = "child"
    elif species.cover == "pallor" and person.setting in {"spirit", "town"}:
        key = "spirit"
    elif person.stage == "old" and species.name == "human" and random.random() < 0.6:
        key = "retired"
    elif person.stage == "young" and person.age < species.adult * 1.3 and random.random() < 0.5:
        key = "young"
    else:
        key = person.setting if person.setting in lists else "town"
    barred = people().women if person.sex != "f" else people().men
    return random.choice([work for work in lists[key] if not set(work.split()) & barred] or list(lists[key]))


def _home(person: Person) -> str:
    """Choose where somebody lives; where it comes from counts, where nothing else is said."""
    name, species, comes = person.facts.name, person.species, person.facts.comes
    if comes and len(comes) < 60:
        return f"{'on' if _ON.search(comes) and not re.search(r'mountains|isles', comes) else 'in'} {comes}"
    if name is not None and re.match(r"of (?:the )?[A-Z]", name.last):
        return f"in {name.last.removeprefix('of ')}"
    if species.kind == "animal" or species.cover == "scales":
        key = (
            "water"
            if in_water(species)
            else "pets"
            if is_pet(species)
            else "plains"
            if is_big(species)
            else "wild"
            if species.kind == "animal"
            else "lair"
        )
    elif species.kind == "machine":
        key = "space" if person.setting == "space" else "machine"
    elif species.kind in {"thing", "plant", "creature"}:
        key = {
            "thing": "household" if species.old > 1 and species.name not in listed_in("outdoors") else "ground",
            "plant": "ground",
            "creature": "lair",
        }[species.kind]
    elif species.names == "divine":
        key = "heaven"
    elif species.name in {"mermaid", "merman", "merfolk", "siren", "triton"}:
        key = "water"
    else:
        key = {"spirit": "haunt", "wild": "country"}.get(person.setting, person.setting)
    random = person.chance("home")
    return render(random.choice(_tables()[0].table("homes").texts(key)), random, person.pronouns, {}, whole=False)


def _traits(person: Person) -> tuple[str, ...]:
    """Return what somebody is like in single words: what is stated, then one or two that go with it."""
    stated = person.facts.traits[:6]
    random, known = person.chance("traits"), traits()
    chosen = list(stated)
    good = [word for word in known.good if word not in {"noble", "heroic", "studious"}][:48]
    bad = [word for word in known.bad if word not in listed_in("too_dark")][:44]
    wanted = (
        [good, bad, good]
        if len(stated) < 2
        else [bad]
        if len(stated) == 2 and all(word in known.good for word in stated)
        else [good]
        if len(stated) == 2
        else []
    )
    for pool in wanted:
        if len(chosen) >= 4:
            break
        fit = [word for word in pool if word not in chosen and not any(known.clash(word, other) for other in chosen)]
        chosen.append(random.choice(fit))
    return tuple(chosen[:6])


def _personality(person: Person, words: tuple[str, ...]) -> str:
    random = person.chance("personality")
    they, is_ = person.pronouns.they, "are" if person.pronouns.plural else "is"
    known = traits()
    good = [word for word in words if word not in known.bad]
    bad = [word for word in words if word in known.bad]
    both = f"{listed(good)} but {listed(bad)}" if good and bad and len(words) <= 4 else listed(list(words))
    young = "infant" in person.flags or (person.species.person and person.stage == "child")
    kind = "child_manner" if young else _MANNERS.get(person.species.kind, "manner")
    rows = fitting(_tables()[0].table("character").texts(kind), person.flags)
    manner = render(_agreeing(rows, words, random), random, person.pronouns, {})
    return tidy(f"{they} {is_} {both}. {manner}")


def _agreeing(rows: list[str], words: tuple[str, ...], random: Random) -> str:
    """Choose a manner that does not contradict the traits."""
    against = {
        "quiet": {"loud", "chatty", "talkative", "boastful", "outspoken", "boisterous"},
        "trusts": {"gullible", "paranoid", "suspicious"},
        "laughs": {"gloomy", "serious", "solemn"},
        "forgives": {"vengeful", "bitter", "jealous"},
        "promise": {"dishonest", "deceitful", "lazy"},
        "says what": {"secretive", "deceitful", "shy", "timid", "polite"},
        "help": {"selfish", "cruel", "evil"},
        "never": {"loud", "boisterous", "quarrelsome"},
        "plans": {"careful", "disciplined", "methodical"},
        "listens": {"impatient", "bossy"},
        "secrets": {"gossipy", "chatty"},
        "shares": {"greedy", "selfish"},
        "best when": {"anxious", "nervous"},
        "useful": {"lazy"},
        "soft spot": {"cruel", "evil", "ruthless"},
    }
    fit = [row for row in rows if not any(word in row and set(words) & clashing for word, clashing in against.items())]
    return random.choice(fit or rows)
