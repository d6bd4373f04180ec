"""Casts a story: from the brief and what the rules found to genre, tone, plot, people, thing and places. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from services.story.domain import Brief
from services.story.grammar.english import singular, with_article
from services.story.grammar.lexicon import Genre, Lexicon, Plot, Role, Spot, Tone, lexicon
from services.story.grammar.premise import Facts, Noun, read
from services.story.grammar.vocabulary import vocabulary
from services.story.grammar.world import Person, Thing, World

_VILLAINS = frozenset(
    "villain rival enemy tyrant usurper murderer killer assassin crook forger conman swindler bandit outlaw gangster demon devil "
    "vampire ogre landowner monster burglar kraken dealer warlock sorceress".split()
)
_AGAINST = frozenset(
    "fight defeat slay hunt outwit chase flee escape stop destroy conquer catch attack compete".split()
)
_ELDERS = frozenset(
    "grandmother grandfather granny grandpa granddad grandma teacher mayor king queen elder abbot abbess".split()
)
_PUNCTUAL = frozenset(
    "found discovered lost stole inherited arrived received bought woke opened met caught stopped fell built invented won broke "
    "dug heard saw got came left turned decided refused returned began hid cut vanished disappeared".split()
)
_TOWARDS = frozenset({"to", "across", "towards", "toward", "cross", "crosses", "for", "reach"})
_BULKY_PLOTS = frozenset({"longing", "transformation", "rivalry", "visitor", "mystery"})
_MOST_EXTRAS = 6
_PRONOUN_WORDS = {"she": "she", "her": "she", "he": "he", "his": "he", "him": "he", "they": "they"}


def digest(brief: Brief) -> str:
    """Return what a story's random choices are seeded with: everything in the brief that the story depends on."""
    asked = (
        brief.premise, brief.source, brief.title, brief.genre, brief.tone, brief.audience, brief.language,
        brief.words, brief.chapters, brief.instructions, brief.seed,
        tuple((person.name, person.description) for person in brief.characters),
    )  # fmt: skip
    return hashlib.sha256(repr(asked).encode("utf-8", "backslashreplace")).hexdigest()


def cast(brief: Brief) -> World:
    """Decide everything that a story's sentences speak of."""
    data = lexicon()
    seed = digest(brief)
    random = Random(seed)
    facts = _facts(brief)
    folk = _folk(brief, facts)
    genre = _genre(brief, facts, folk, data, random)
    tone = _tone(brief, genre, data)
    plot = _plot(brief, facts, folk, genre, data, random)
    persons, extras, groups = _persons(brief, folk, genre, facts, random)
    thing = _thing(facts, genre, data, random)
    home, far = _places(facts, genre, random)
    flags = _flags(brief, facts, genre, tone, plot, persons, extras, thing, folk)
    cameos = _cameos(facts, groups, thing, home, far)
    world = World(
        seed=seed, genre=genre, tone=tone, plot=plot, persons=persons, extras=extras,
        stated_roles=_stated_roles(folk, persons), thing=thing, home=home, far=far,
        deed=facts.deed, want=facts.want, cameos=cameos, together=_together(facts), flags=flags,
        stated=_stated(facts, persons, thing, home, far),
        quirk=random.choice(data.quirks), saying=random.choice(data.sayings),
    )  # fmt: skip
    return world


def _facts(brief: Brief) -> Facts:
    """Read the premise; what it leaves open the source text may fill."""
    found = read(brief.premise)
    if not brief.source or (found.beings and found.things):
        return found
    source = read(brief.source)
    return Facts(
        beings=found.beings or source.beings,
        things=found.things or source.things,
        places=found.places or source.places,
        deed=found.deed or (source.deed if not found.beings else ""),
        want=found.want or source.want,
        verbs=found.verbs | source.verbs,
        words=found.words | source.words,
    )


# Genre, tone, plot ---------------------------------------------------------------------------------------------------


def _words_of(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


def _genre(brief: Brief, facts: Facts, folk: Sequence[_Folk], data: Lexicon, random: Random) -> Genre:
    asked = _words_of(brief.genre)
    named = [(len(asked & genre.aliases), key) for key, genre in data.genres.items() if asked & genre.aliases]
    if named:
        return data.genres[max(named, key=lambda item: (item[0], item[1]))[1]]
    words = facts.words | _words_of(brief.instructions) | _words_of(brief.tone)
    scores = {
        key: len(words & genre.hints) + 2 * len(_words_of(brief.instructions) & genre.aliases)
        for key, genre in data.genres.items()
    }
    best = max(scores.values())
    if best:
        return data.genres[random.choice(sorted(key for key, score in scores.items() if score == best))]
    if (folk and folk[0].kind != "person") or "child" in brief.audience.lower():
        return data.genres["fairytale"]
    return data.genres[random.choice(("adventure", "fairytale", "sliceoflife", "fantasy"))]


def _tone(brief: Brief, genre: Genre, data: Lexicon) -> Tone:
    asked = _words_of(brief.tone) or (
        _words_of(brief.instructions) & {"funny", "dark", "tense", "warm", "wistful", "sad", "quiet"}
    )
    for key in sorted(data.tones):
        if asked & data.tones[key].aliases:
            return data.tones[key]
    if is_for_children(brief) and genre.tone in {"dark", "tense"}:
        return data.tones["warm"]
    return data.tones[genre.tone]


def is_for_children(brief: Brief) -> bool:
    """Tell whether the story is to be gentle."""
    return bool(re.search(r"child|kid|toddler|bedtime|young|famil|\b[3-9]\b|preschool|nursery", brief.audience.lower()))


def _plot(brief: Brief, facts: Facts, folk: Sequence[_Folk], genre: Genre, data: Lexicon, random: Random) -> Plot:
    """Choose the plot that the premise's verbs ask for, or one the genre likes."""
    words = facts.verbs | facts.words
    scores = {key: 3 * len(words & plot.verbs) + (key in genre.plots) for key, plot in data.plots.items()}
    if folk and folk[0].kind != "person":
        scores = {key: score for key, score in scores.items() if key not in {"visitor", "mystery"}}
    solid = _solid(facts)
    if solid is not None and {solid.head, singular(solid.head)} & vocabulary().bulky:
        scores = {key: score for key, score in scores.items() if key in _BULKY_PLOTS}
    if facts.want and max(scores.values()) < 3:
        scores["longing"] += 3
    best = max(scores.values())
    if best >= 3:
        return data.plots[random.choice(sorted(key for key, score in scores.items() if score == best))]
    return data.plots[random.choice([key for key in genre.plots if key in scores] or sorted(scores))]


# People --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Folk:
    """Somebody whom the user or the premise names, before a role is found for them."""

    name: str
    noun: str
    phrase: str
    kind: str
    pronoun: str
    detail: str = ""
    traits: tuple[str, ...] = ()
    villain: bool = False
    asked: bool = False


def _folk(brief: Brief, facts: Facts) -> list[_Folk]:
    """List everybody who must occur: the user's characters, then the premise's beings."""
    asked = [_described(person.name, person.description) for person in brief.characters if person.name.strip()]
    found: list[_Folk] = []
    for noun in facts.beings:
        if noun.kind != "group":
            found.extend(_folk_of(noun))
    merged = list(asked)
    for one in found:
        if not any(_same_person(one, other) for other in merged):
            merged.append(one)
    return merged


def _same_person(one: _Folk, other: _Folk) -> bool:
    if "?" in (one.name, other.name):
        return False
    if one.name and other.name:
        return bool(set(one.name.lower().split()) & set(other.name.lower().split()))
    return (
        bool(one.noun) and one.noun.rsplit(" ", 1)[-1] == other.noun.rsplit(" ", 1)[-1] and one.name == other.name == ""
    )


def _clean_name(name: str) -> str:
    kept = re.sub(r"[^\w\s.'’-]", " ", name)
    return " ".join(kept.replace("_", " ").split())[:60]


def _described(name: str, description: str) -> _Folk:
    """Read a user's character: name and free description."""
    known = vocabulary()
    facts = read(f"x {description.lower()}") if description.islower() is False else read(description)
    facts = read(description[:1].lower() + description[1:])
    being = next((noun for noun in facts.beings if noun.kind != "group" and not noun.plural and not noun.name), None)
    words = re.findall(r"[a-z][a-z-]*", description.lower())
    traits = tuple(
        word for word in words if word in known.adjectives and (being is None or word not in being.phrase.split())
    )
    stated = [_PRONOUN_WORDS[word] for word in words if word in _PRONOUN_WORDS]
    clean = _clean_name(name) or "Nobody"
    guess = next((g for part in clean.split() if (g := known.name_gender(part))), "")
    title = {"mr": "he", "sir": "he", "lord": "he", "mrs": "she", "ms": "she", "miss": "she", "lady": "she"}
    titled = title.get(clean.split()[0].lower().rstrip("."), "")
    own = being if being and not re.match(r"\s*(?:his|her|their)\b", description.lower()) or being is None else being
    gender = (own.pronoun if own else "") or titled or guess or (stated[0] if stated else "")
    if own and re.match(r"\s*(?:his|her|their)\b", description.lower()):
        gender = own.pronoun or titled or guess
    return _Folk(
        name=clean, noun=own.head if own else "", phrase=own.phrase if own else "", kind=own.kind if own else "person",
        pronoun=gender, detail=own.detail if own else "", traits=traits[:2],
        villain=bool(set(words) & _VILLAINS), asked=True,
    )  # fmt: skip


def _folk_of(noun: Noun) -> list[_Folk]:
    """Make one or several persons of a noun: "two robots" are two."""
    known = vocabulary()
    if not noun.name and (noun.plural or noun.count > 1):
        one = known.base(noun.head)
        phrase = " ".join([*noun.phrase.split()[:-1], one])
        count = min(noun.count, 3) if noun.count > 1 else (2 if one == "twin" else 1)
        invented = "?" if noun.count > 1 or one == "twin" else ""
        return [
            _Folk(invented, one, phrase, noun.kind, noun.pronoun, noun.detail, villain=one in _VILLAINS)
            for _ in range(count)
        ]
    phrase = noun.phrase if noun.head != noun.name else ""
    head = noun.head if noun.head != noun.name else ""
    return [
        _Folk(
            noun.name,
            head,
            phrase,
            noun.kind,
            noun.pronoun,
            noun.detail,
            villain=bool(_VILLAINS & set(noun.phrase.split())),
        )
    ]


def _persons(
    brief: Brief, folk: Sequence[_Folk], genre: Genre, facts: Facts, random: Random
) -> tuple[Mapping[str, Person], tuple[str, ...], tuple[str, ...]]:
    """Give everybody a role; fill the roles left open from the genre."""
    names = _Names(genre, {word for one in folk for word in one.name.split()}, random)
    talking = genre.talking_animals or is_for_children(brief) or bool(folk and folk[0].kind == "animal")
    left = list(folk)
    roles: dict[str, Person] = {}
    roles["hero"] = (
        _person("hero", left.pop(0), genre, names, random) if left else _invent("hero", genre.heroes, names, random)
    )
    roles.update(_companions(left, roles["hero"], genre, facts, names, random, talking=talking))
    extras: list[str] = []
    for number, one in enumerate(left[:_MOST_EXTRAS], start=1):
        roles[f"extra{number}"] = _person(f"extra{number}", one, genre, names, random)
        extras.append(f"extra{number}")
    groups = tuple(noun.phrase for noun in facts.beings if noun.kind == "group")
    return roles, tuple(extras), groups


def _companions(
    left: list[_Folk], hero: Person, genre: Genre, facts: Facts, names: _Names, random: Random, *, talking: bool
) -> dict[str, Person]:
    """Fill friend, rival, elder and pet: with those named as far as they suit, else from the genre."""
    roles: dict[str, Person] = {}
    fight = bool(facts.verbs & _AGAINST)
    for one in list(left):
        role = _role_for(one, roles, fight=fight, talking=talking)
        if role:
            roles[role] = _person(role, one, genre, names, random)
            left.remove(one)
    other = {"she": "he", "he": "she"}.get(hero.pronoun, "she")
    if "friend" not in roles:
        roles["friend"] = _invent("friend", genre.friends, names, random, other)
    if "rival" not in roles:
        roles["rival"] = _invent("rival", genre.rivals, names, random)
    if "elder" not in roles:
        roles["elder"] = _invent("elder", genre.elders, names, random)
    return roles


def _role_for(one: _Folk, taken: Mapping[str, Person], *, fight: bool, talking: bool) -> str:
    if one.kind == "animal" and not talking:
        return "" if "pet" in taken else "pet"
    if (one.villain or (fight and one.kind == "being")) and "rival" not in taken:
        return "rival"
    if one.noun.rsplit(" ", 1)[-1] in _ELDERS and "elder" not in taken:
        return "elder"
    if "friend" not in taken:
        return "friend"
    return ""


class _Names:
    """Deals names that no two of the cast share, not even the first letter if it can be helped."""

    def __init__(self, genre: Genre, taken: set[str], random: Random) -> None:
        self._genre = genre
        self._letters = {name[:1].upper() for name in taken}
        self._random = random
        self._family = list(genre.names["family"])

    def first(self, pronoun: str) -> str:
        """Return a first name for "she" or "he"; for anybody else either."""
        names = self._genre.names.get(pronoun) or self._genre.names["she"] + self._genre.names["he"]
        free = [name for name in names if name[0] not in self._letters] or list(names)
        name = self._random.choice(free)
        self._letters.add(name[0])
        return name

    def family(self) -> str:
        """Return a family name."""
        return self._family.pop(self._random.randrange(len(self._family))) if self._family else ""


def _invent(key: str, roles: tuple[Role, ...], names: _Names, random: Random, pronoun: str = "") -> Person:
    """Take somebody from the genre."""
    suited = [role for role in roles if role.pronoun in {pronoun, "any"}] or list(roles)
    role = random.choice(suited if not pronoun or random.random() < 0.85 else roles)
    gender = role.pronoun if role.pronoun != "any" else pronoun or random.choice(("she", "he"))
    if role.name == "-":
        name = f"the {role.noun}"
        return Person(key, name, name, role.noun, gender, with_article(role.noun), role.habit, "friend")
    if role.name and key == "rival":
        return Person(
            key,
            role.name,
            _rival_short(role.name),
            role.noun,
            gender,
            with_article(role.noun),
            role.habit,
            role.name,
        )
    first = role.name or names.first(gender)
    full = first if role.name else f"{first} {names.family()}".strip()
    return Person(key, full, first, role.noun, gender, with_article(role.noun), role.habit, first)


def _rival_short(name: str) -> str:
    """Return what the narrator calls a rival: "Hask", but "Lady Rime" and "Dame Ysabel"."""
    parts = name.split()
    titled = parts[0] in {"Lady", "Lord", "Madame", "Dame", "Mrs", "Ms", "Master", "Black"}
    return " ".join(parts[:2]) if titled else parts[-1]


def _person(key: str, one: _Folk, genre: Genre, names: _Names, random: Random) -> Person:
    """Make a person of somebody named; what they lack is invented."""
    pronoun = one.pronoun or _fallback_pronoun(one, random)
    phrase = " ".join((*(t for t in one.traits[:1] if one.phrase), one.phrase)).strip()
    detail = one.detail.replace("that ", "who ", 1) if one.detail.startswith("that ") else one.detail
    intro = with_article(phrase) if phrase else ""
    if intro and detail and one.name != "?":
        intro += f" {detail}"
    habit = random.choice(lexicon().habits)
    noun = one.noun if len(one.noun) > 2 else ""
    if one.name and one.name != "?":
        short = _short(one.name)
        return Person(key, one.name, short, noun, pronoun, intro, habit, short, one.kind)
    if one.kind != "person" and one.name != "?":
        name = f"the {one.noun}"
        return Person(key, name, name, noun, pronoun, intro, habit, one.noun.capitalize(), one.kind)
    first = names.first(pronoun)
    return Person(key, first, first, noun, pronoun, intro, habit, first, one.kind)


def _fallback_pronoun(one: _Folk, random: Random) -> str:
    """Choose a pronoun for somebody whose gender nothing states; a named person of unknown gender is "they"."""
    if one.name and one.name != "?" and one.kind == "person":
        first = one.name.split()[-1 if one.noun and " " in one.name else 0].lower()
        return "she" if re.search(r"(?:ia|na|la|ra|elle|ette|ine|ita|isa|ida)$", first) else "they"
    return random.choice(("she", "he"))


def _short(name: str) -> str:
    """Return what a person is called after the first mention: "Mrs Abernathy", "Qureshi", "Ada"."""
    known = vocabulary()
    parts = name.split()
    if len(parts) == 1 or parts[0].lower().rstrip(".") in known.titles - {"dr", "doctor"}:
        return name
    first = parts[0].lower().rstrip(".")
    if known.kind(first) == "person" and first not in known.names or first in {"dr", "doctor"}:
        return parts[1]
    return parts[0]


# Thing and places ----------------------------------------------------------------------------------------------------


def _thing(facts: Facts, genre: Genre, data: Lexicon, random: Random) -> Thing:
    known = vocabulary()
    noun = _solid(facts)
    if noun is not None:
        portable = not ({noun.head, singular(noun.head)} & known.bulky)
        detail = noun.detail if noun.detail.startswith(("that", "which")) else ""
        mark = random.choice(data.marks)
        if not noun.plural:
            return Thing(noun.phrase, noun.head, noun.plural, portable, mark, detail)
        many = "pair" if noun.head in known.pairs else "basket" if noun.head in known.baskets else "collection"
        return Thing(f"{many} of {noun.phrase}", many, plural=False, portable=portable and many != "collection", mark=mark)
    found = random.choice(genre.things)
    head = found.phrase.split(" of ")[0].rsplit(" ", 1)[-1]
    return Thing(found.phrase, head, plural=False, portable=True, mark=found.mark)


def _solid(facts: Facts) -> Noun | None:
    """Return the first thing that a plot can turn on: not the rain, not the sun."""
    known = vocabulary()
    return next((noun for noun in facts.things if noun.head not in known.airy), None)


def _places(facts: Facts, genre: Genre, random: Random) -> tuple[Spot, Spot]:
    known = vocabulary()
    home = random.choice(genre.homes)
    far = random.choice(genre.far)
    named_first = sorted(facts.places, key=lambda noun: not noun.name)
    goals = [noun for noun in named_first if noun.prep in _TOWARDS]
    near = [noun for noun in named_first if noun not in goals]
    if near:
        home = _stated_spot(near[0], known.preps)
    if goals:
        far = _stated_spot(goals[0], known.preps)
    return home, far


def _stated_spot(noun: Noun, preps: Mapping[str, str]) -> Spot:
    if noun.name and noun.head == noun.name:
        return Spot(noun.prep if noun.prep in {"in", "at", "on"} else "in", noun.name)
    if noun.name:
        own = noun.name.lower().split()[-1] == noun.head or noun.name == noun.head
        return Spot(preps.get(noun.head, "in"), noun.name, "" if own else noun.head)
    return Spot(preps.get(noun.head, "in"), f"the {noun.phrase}", noun.head)


def _cameos(facts: Facts, groups: tuple[str, ...], thing: Thing, home: Spot, far: Spot) -> tuple[str, ...]:
    """List what else the premise names and no role takes up."""
    others = [noun for noun in facts.things if noun.head not in thing.phrase.split()]
    things = [f"the {noun.phrase}" for noun in others[:2]]
    taken = {home.phrase, far.phrase}
    spots = [noun.name or f"the {noun.phrase}" for noun in facts.places]
    places = [spot for spot in spots if spot not in taken][:1]
    return tuple(dict.fromkeys([*(f"the {group}" for group in groups[:1]), *things, *places]))


def _stated(
    facts: Facts, persons: Mapping[str, Person], thing: Thing, home: Spot, far: Spot
) -> tuple[str, ...]:
    """List the words of the request that every chapter should speak of."""
    words = [persons["hero"].short]
    if _solid(facts) is not None:
        words.append(thing.phrase.split()[-1])
    names = {noun.name or f"the {noun.phrase}" for noun in facts.places}
    words.extend((spot.noun or spot.phrase).removeprefix("the ") for spot in (home, far) if spot.phrase in names)
    return tuple(words)


def _stated_roles(folk: Sequence[_Folk], persons: Mapping[str, Person]) -> tuple[str, ...]:
    """List rival and elder if the request names them: they must not be left to chance."""
    names = {one.name for one in folk if one.name} - {"?"}
    nouns = {one.noun for one in folk if one.noun and one.name in ("", "?")}
    return tuple(key for key in ("rival", "elder") if persons[key].name in names or persons[key].noun in nouns)


def _together(facts: Facts) -> str:
    """Return how the first beings are spoken of if they are several of one kind."""
    first = next((noun for noun in facts.beings if noun.kind != "group"), None)
    if first is None or first.name:
        return ""
    if first.head in {"twins", "twin"}:
        return "a pair of twins"
    if first.count < 2:
        return ""
    numbers = {count: word for word, count in vocabulary().numbers.items()}
    return f"{numbers[first.count]} {first.phrase}"


def _flags(
    brief: Brief, facts: Facts, genre: Genre, tone: Tone, plot: Plot, persons: Mapping[str, Person],
    extras: tuple[str, ...], thing: Thing, folk: Sequence[_Folk],
) -> frozenset[str]:  # fmt: skip
    """List the conditions that passages may ask for."""
    hero = persons["hero"]
    flags = {
        "children": is_for_children(brief),
        "deed": bool(facts.deed),
        "want": bool(facts.want),
        "portable": thing.portable,
        "many": thing.plural,
        "statedthing": _solid(facts) is not None,
        "statedplace": any(noun.prep not in _TOWARDS for noun in facts.places),
        "pet": "pet" in persons,
        "extras": bool(extras),
        "trade": bool(hero.intro) and hero.named and hero.noun not in hero.name.lower(),
        "punctual": bool(_PUNCTUAL & set(facts.deed.split()[:1])),
        "unnamed": not hero.named,
        "animal": hero.kind != "person",
        "rivalnamed": persons["rival"].named,
        "invented": not folk,
        "together": bool(_together(facts)) and bool(folk) and folk[0].name == "?",
        "friendbeast": not persons["friend"].named,
        "state": bool(
            re.match(
                r"(?:was|were|had|wanted|could|would|did|lived|kept|might|should|haunted|ran|guarded|taught|worked|collected|"
                r"owned|waited|loved|shared|sold|carried|hated|knew|carved|wrote|served|sewed|searched)\b",
                facts.deed,
            )
        ),
        f"genre_{genre.key}": True,
        f"tone_{tone.key}": True,
        f"plot_{plot.key}": True,
    }
    return frozenset(flag for flag, holds in flags.items() if holds)
