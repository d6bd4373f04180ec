"""Gives everybody a role: those the request names first, then whom the genre supplies. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random

from services.story.grammar.choice import is_for_children
from services.story.grammar.english import with_article, words
from services.story.grammar.entries import Genre, Role
from services.story.grammar.folk import Folk, Request
from services.story.grammar.lexicon import lexicon
from services.story.grammar.names import PARTICLES
from services.story.grammar.vocabulary import vocabulary
from services.story.grammar.world import Person

_AGAINST = words("fight defeat slay hunt outwit chase flee escape stop destroy conquer catch attack compete")
_CONTEST = words("rival rivals compete competes competing")
_ELDERS = words("grandmother grandfather granny grandpa granddad grandma teacher mayor king queen elder abbot abbess")
_FEMININE = re.compile(r"(?:ia|na|la|ra|elle|ette|ine|ita|isa|ida)$")
_MOST_EXTRAS = 6


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody in a story by role, who only comes along, and the groups that are mentioned."""

    persons: Mapping[str, Person]
    extras: tuple[str, ...]
    groups: tuple[str, ...]


def cast_persons(request: Request, genre: Genre, random: Random) -> Cast:
    """Give everybody a role; fill the roles left open from the genre."""
    folk = request.folk
    names = _Names(genre, {word for one in folk for word in one.name.split()}, random)
    left = list(folk)
    named = bool(left) and not (request.facts.orders and not request.brief.characters)
    hero = _person("hero", left.pop(0), names) if named else _invent("hero", genre.heroes, names)
    roles = {
        "hero": hero,
        **_named_roles(request, left, names, talking=_animals_talk(request, genre), romance=genre.key == "romance"),
    }
    other = {"she": "he", "he": "she"}.get(hero.pronoun, "she")
    for key, supply, pronoun in (
        ("friend", genre.friends, other),
        ("rival", genre.rivals, ""),
        ("elder", genre.elders, ""),
    ):
        if key not in roles:
            roles[key] = _invent(key, supply, names, pronoun)
    asked = sum(one in folk[: len(request.brief.characters)] for one in left)  # all of them occur, however many
    extras = {f"extra{number}": one for number, one in enumerate(left[: max(asked, _MOST_EXTRAS)], start=1)}
    roles.update((key, _person(key, one, names)) for key, one in extras.items())
    roles = _told_apart(roles, Counter(one.noun for one in folk))
    groups = tuple(noun.phrase for noun in request.facts.beings if noun.kind == "group")
    return Cast(roles, tuple(extras), groups)


def _told_apart(roles: dict[str, Person], asked: Mapping[str, int]) -> dict[str, Person]:
    """Let nobody go by what several are: of three raccoons none is "the raccoon", of two cooks only the hero is."""
    shared = Counter(person.noun for person in roles.values() if person.named)
    return {
        key: replace(person, noun="")
        if person.named and shared[person.noun] > 1 and (key != "hero" or asked[person.noun] > 1)
        else person
        for key, person in roles.items()
    }


def _animals_talk(request: Request, genre: Genre) -> bool:
    hero_is_animal = bool(request.folk) and request.folk[0].kind == "animal"
    return genre.talking_animals or is_for_children(request.brief) or hero_is_animal


def _named_roles(
    request: Request, left: list[Folk], names: _Names, *, talking: bool, romance: bool
) -> dict[str, Person]:
    """Fill friend, rival, elder and pet with those named, as far as they suit; takes them out of `left`."""
    roles: dict[str, Person] = {}
    fight = bool(request.facts.verbs & _AGAINST)
    contest = bool(request.facts.words & _CONTEST) and not romance
    for one in list(left):
        lover = romance and not roles and one.kind == "person"
        against = contest and "rival" not in roles and one.kind == "person"  # who competes with the hero
        role = "friend" if lover else "rival" if against else _role_for(one, roles, fight=fight, talking=talking)
        if role:
            roles[role] = _person(role, one, names)
            left.remove(one)
    return roles


def _role_for(one: Folk, taken: Mapping[str, Person], *, fight: bool, talking: bool) -> str:
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
        self.random = random
        self._family = list(genre.names["family"])
        self._habits = list(lexicon().habits)

    def first(self, pronoun: str) -> str:
        """Return a first name for "she" or "he"; for anybody else either."""
        names = self._genre.names.get(pronoun) or self._genre.names["she"] + self._genre.names["he"]
        free = [name for name in names if name[0] not in self._letters] or list(names)
        name = self.random.choice(free)
        self._letters.add(name[0])
        return name

    def habit(self) -> str:
        """Return what somebody is seen doing; no two of the cast do the same."""
        return self._habits.pop(self.random.randrange(len(self._habits)))

    def family(self) -> str:
        """Return a family name."""
        return self._family.pop(self.random.randrange(len(self._family))) if self._family else ""


def _invent(key: str, roles: tuple[Role, ...], names: _Names, pronoun: str = "") -> Person:
    """Take somebody from the genre."""
    random = names.random
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


def _person(key: str, one: Folk, names: _Names) -> Person:
    """Make a person of somebody named; what they lack is invented."""
    random = names.random
    pronoun = one.pronoun or _fallback_pronoun(one, random)
    phrase = " ".join((*(t for t in one.traits[:1] if one.phrase), one.phrase)).strip()
    detail = one.detail.replace("that ", "who ", 1) if one.detail.startswith("that ") else one.detail
    intro = with_article(phrase) if phrase else ""
    if intro and detail and one.name != "?":
        intro += f" {detail}"
    habit = names.habit()
    noun = one.noun if len(one.noun) > 2 else ""
    if one.name and one.name != "?":
        short = short_name(one.name)
        return Person(key, one.name, short, noun, pronoun, intro, habit, short, one.kind)
    if one.kind != "person" and one.name != "?":
        name = f"the {one.noun}"
        return Person(key, name, name, noun, pronoun, intro, habit, one.noun.capitalize(), one.kind)
    first = names.first(pronoun)
    return Person(key, first, first, noun, pronoun, intro, habit, first, one.kind)


def _fallback_pronoun(one: Folk, random: Random) -> str:
    """Choose a pronoun for somebody whose gender nothing states; a named person of unknown gender is "they"."""
    if one.name and one.name != "?" and one.kind == "person":
        given = [part for part in one.name.lower().split() if vocabulary().kind(part) != "person"]
        likely = given and len(given) + 1 > len(one.name.split()) - 1 and _FEMININE.search(given[0])
        return "she" if likely else "they"
    return random.choice(("she", "he"))


def short_name(name: str) -> str:
    """Return what a person is called after the first mention: "Mrs Abernathy", "Qureshi", "Ada"."""
    known = vocabulary()
    parts = name.split()
    if (
        len(parts) == 1
        or not parts[1][0].isalpha()  # "Unit 12"
        or parts[0].lower() in PARTICLES
        or parts[0].lower().rstrip(".") in known.titles - {"dr", "doctor"}
    ):
        return name
    first = parts[0].lower().rstrip(".")
    if (known.kind(first) == "person" and first not in known.names) or first in {"dr", "doctor"}:
        return parts[1]
    return parts[0]
