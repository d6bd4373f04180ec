"""Casts a story: from the brief and what the rules found to everything its sentences speak of. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

from services.story.domain import Brief
from services.story.grammar.choice import choose_genre, choose_plot, choose_tone, is_for_children, solid_thing
from services.story.grammar.discourse import KIN
from services.story.grammar.english import singular, with_article, words
from services.story.grammar.entries import Genre, Lexicon, Plot, Spot, Tone
from services.story.grammar.folk import Folk, Request, list_folk, subject_of
from services.story.grammar.lexicon import lexicon
from services.story.grammar.persons import Cast, cast_persons
from services.story.grammar.premise import Facts, read
from services.story.grammar.retelling import Retold
from services.story.grammar.tokens import Noun
from services.story.grammar.vocabulary import vocabulary
from services.story.grammar.world import Person, Thing, World

_TOWARDS = frozenset({"to", "across", "towards", "toward", "cross", "crosses", "for", "reach"})
_TRAVELLING = words(
    "go come travel ride drive walk run fly sail row cross climb carry bring return deliver take set lead march flee "
    "journey swim leave search look hunt reach row wander chase follow"
)
_MISSING = frozenset({"lost", "stolen", "missing", "vanished", "hidden"})  # what the plot will say in its own time
_AT_HOME = frozenset({"courtship", "undertaking", "visitor", "longing", "rivalry", "transformation", "heist"})
_EVERYTHING_ABOVE = 3500  # words of a story that needs every kind of episode there is
_LASTING = words(
    "was were had wanted could would did lived kept might should haunted ran guarded taught worked collected owned "
    "waited loved shared sold carried hated knew carved wrote served sewed searched"
)
_PUNCTUAL = words(
    "found discovered lost stole inherited arrived received bought woke opened met caught stopped fell built "
    "invented won broke dug heard saw got came left turned decided refused returned began hid cut vanished "
    "disappeared"
)


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
    request = Request(brief, facts, tuple(list_folk(brief, facts)))
    genre = choose_genre(request, data, random)
    tone = choose_tone(brief, genre, data)
    plot = choose_plot(request, genre, data, random)
    solid = solid_thing(facts, plot)
    people = cast_persons(request, genre, random)
    begun = frozenset({"begun"} if facts.deed else ())
    facts = _as_done(request, people.persons)
    request = replace(request, facts=facts)
    thing = _thing(solid, genre, data, random)
    home, far = _places(facts, genre, random)
    return World(
        seed=seed,
        genre=genre,
        tone=tone,
        plot=plot,
        persons=people.persons,
        extras=people.extras,
        stated_roles=_stated_roles(request.folk, people.persons),
        thing=thing,
        home=home,
        far=far,
        deed=facts.deed,
        told=facts.told,
        want=facts.want,
        cameos=_cameos(facts, people.groups, thing, home, far),
        together=_together(facts),
        flags=_flags(request, people, thing) | _told_as(brief, genre, tone, plot) | begun,
        stated=_stated(facts, people.persons, thing if solid else None, home, far),
        quirk=random.choice(data.quirks),
        saying=random.choice(data.sayings),
    )


def _as_done(request: Request, persons: Mapping[str, Person]) -> Facts:
    """Return the facts with what others do and want told of them, and not of the hero."""
    facts, doer = request.facts, subject_of(request.brief, request.facts, request.folk)
    if doer is None:
        return facts
    if not facts.deed:
        return replace(facts, want="")
    named = (one for one in persons.values() if one.name == doer.name or (not doer.name and one.noun == doer.noun))
    person = next(named, None)
    who = person.short if person else with_article(doer.phrase or doer.noun)
    return replace(facts, deed="", want="", told=(Retold("event", f"{who} {facts.deed}", 0), *facts.told))


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
        told=found.told,
        verbs=found.verbs | source.verbs,
        main=found.main | source.main,
        words=found.words | source.words,
    )


def _thing(noun: Noun | None, genre: Genre, data: Lexicon, random: Random) -> Thing:
    known = vocabulary()
    if noun is not None:
        portable = not ({noun.head, noun.core, singular(noun.core)} & known.bulky)
        detail = noun.detail if noun.detail.startswith(("that", "which")) else ""
        mark = random.choice(data.marks)
        if not noun.plural:
            phrase = " ".join(word for word in noun.phrase.split() if word not in _MISSING)
            owned = noun.phrase.partition("'s ")[0] in KIN and "'s " in noun.phrase
            return Thing(phrase, noun.head, noun.plural, portable, mark, detail, owned)
        many = "pair" if noun.core in known.pairs else "basket" if noun.core in known.baskets else "collection"
        portable = portable and many != "collection"
        return Thing(f"{many} of {noun.phrase}", many, plural=False, portable=portable, mark=mark, gathers=True)
    found = random.choice(genre.things)
    head = found.phrase.split(" of ")[0].rsplit(" ", 1)[-1]
    return Thing(found.phrase, head, plural=False, portable=True, mark=found.mark)


def _places(facts: Facts, genre: Genre, random: Random) -> tuple[Spot, Spot]:
    known = vocabulary()
    home = random.choice(genre.homes)
    far = random.choice(genre.far)
    named_first = sorted(facts.places, key=lambda noun: (not noun.name, not noun.prep))
    moving = bool(_TRAVELLING & (facts.main | facts.verbs))
    goals = [noun for noun in named_first if noun.prep in _TOWARDS and (moving or noun.prep == "to")]
    near = [noun for noun in named_first if noun.prep not in _TOWARDS]
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
    """List what else the premise names, and neither a role nor its own sentences take up."""
    told = " ".join((facts.deed, facts.want, *(one.text for one in facts.told))).lower()
    others = [noun for noun in facts.things if noun.core not in thing.phrase.split()]
    things = [f"the {noun.phrase}" for noun in others if noun.core not in told]
    taken = {home.phrase, far.phrase}
    spots = [noun.name or f"the {noun.phrase}" for noun in facts.places if noun.core.lower() not in told]
    places = [spot for spot in spots if spot not in taken]
    bands = [f"the {group}" for group in groups if group not in told]
    return tuple(dict.fromkeys([*bands[:1], *things[:2], *places[:1]]))


def _stated(facts: Facts, persons: Mapping[str, Person], thing: Thing | None, home: Spot, far: Spot) -> tuple[str, ...]:
    """List the words of the request that every chapter should speak of."""
    words = [persons["hero"].short]
    if thing is not None:
        words.append(thing.head if " of " in thing.phrase and not thing.gathers else thing.phrase.split()[-1])
    names = {noun.name or f"the {noun.phrase}" for noun in facts.places}
    words.extend((spot.noun or spot.phrase).removeprefix("the ") for spot in (home, far) if spot.phrase in names)
    return tuple(words)


def _is_stated(person: Person, folk: Sequence[Folk]) -> bool:
    """Tell whether the request says what this named person is."""
    return person.named and bool(person.intro) and any(one.noun and one.noun == person.noun for one in folk)


def _stated_roles(folk: Sequence[Folk], persons: Mapping[str, Person]) -> tuple[str, ...]:
    """List rival and elder if the request names them: they must not be left to chance."""
    names = {one.name for one in folk if one.name} - {"?"}
    nouns = {one.noun for one in folk if one.noun and one.name in ("", "?")}
    return tuple(key for key in ("rival", "elder") if persons[key].name in names or persons[key].noun in nouns)


def _together(facts: Facts) -> str:
    """Return how the first beings are spoken of if they are several of one kind."""
    first = next((noun for noun in facts.beings if noun.kind != "group"), None)
    if first is None or first.name:
        return ""
    if first.company:
        named = " and ".join((", ".join(first.company[:-1]), first.company[-1])).removeprefix(" and ")
        return f"the {first.phrase} {named}"
    if first.head in {"twins", "twin"}:
        return "a pair of twins"
    if first.count < 2:
        return ""
    numbers = {count: word for word, count in vocabulary().numbers.items()}
    return f"{numbers[first.count]} {first.phrase}"


def _company(facts: Facts) -> tuple[str, ...]:
    """Return the names of the first beings if they are several of one kind."""
    first = next((noun for noun in facts.beings if noun.kind != "group"), None)
    return first.company if first else ()


def _told_as(brief: Brief, genre: Genre, tone: Tone, plot: Plot) -> frozenset[str]:
    """List the conditions that genre, tone and plot make: where the thing is out of reach, who leaves home."""
    kinds = {
        f"genre_{genre.key}": True,
        f"tone_{tone.key}": True,
        f"plot_{plot.key}": True,
        "absent": plot.key in {"mystery", "heist", "rivalry", "courtship"},
        "travel": plot.key not in _AT_HOME or brief.words > _EVERYTHING_ABOVE,
    }
    return frozenset(flag for flag, holds in kinds.items() if holds)


def _flags(request: Request, people: Cast, thing: Thing) -> frozenset[str]:
    """List the conditions that passages may ask for."""
    facts, folk, persons = request.facts, request.folk, people.persons
    hero, friend = persons["hero"], persons["friend"]
    deed = facts.deed.split()[:1]
    flags = {
        "children": is_for_children(request.brief),
        "deed": bool(deed),
        "punctual": bool(_PUNCTUAL.intersection(deed)),
        "state": bool(_LASTING.intersection(deed)),
        "want": bool(facts.want),
        "afraid": "afraid of" in f"{facts.deed} {hero.intro}",
        "portable": thing.portable,
        "many": thing.plural,
        "statedplace": any(noun.prep not in _TOWARDS for noun in facts.places),
        "pet": "pet" in persons,
        "extras": bool(people.extras),
        "trade": bool(hero.intro) and hero.named and hero.noun not in hero.name.lower(),
        "unnamed": not hero.named,
        "together": bool(_together(facts)) and bool(folk) and folk[0].name in {"?", *_company(facts)},
        "company": bool(_company(facts)),
        "told": bool(facts.told) and not deed,
        **{
            f"told_{kind}": bool(facts.told) and facts.told[0].kind == kind
            for kind in ("event", "question", "fragment", "quote")
        },
        "friendbeast": not friend.named,
        "frienddeed": bool(facts.told) and facts.told[0].text.startswith((friend.short, "two ", "three ")),
        "friendtrade": _is_stated(friend, folk),
    }
    return frozenset(flag for flag, holds in flags.items() if holds)
