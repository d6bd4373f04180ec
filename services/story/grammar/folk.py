"""Lists everybody a request names: the user's characters and the premise's beings. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from services.story.domain import Brief
from services.story.grammar.english import words
from services.story.grammar.premise import Facts, read
from services.story.grammar.tokens import Noun
from services.story.grammar.vocabulary import vocabulary

_VILLAINS = words(
    "villain rival enemy tyrant usurper murderer killer assassin crook forger conman swindler bandit outlaw "
    "gangster demon devil vampire ogre landowner monster burglar kraken dealer warlock sorceress"
)
_TITLED = {"mr": "he", "sir": "he", "lord": "he", "mrs": "she", "ms": "she", "miss": "she", "lady": "she"}
_ANYBODY = words(
    "friend friends stranger strangers traveller travellers companion companions person people neighbour neighbours "
    "hero heroine heroes adventurer adventurers somebody someone"
)
_CHILDREN = words("girl boy child baby infant toddler kid pupil schoolgirl schoolboy teenager newborn youngster")
GROWN_UP = 18
"""Nobody younger courts, or is courted."""

_AGED = re.compile(
    r"^an? (?P<what>[^.,]+?) of (?P<age>\d[\d,]*|less than a) years?\b(?P<beside>, [^.]+)?", re.IGNORECASE
)
"""How the library says who somebody is: "a knight of 40 years", "a red fox of 3 years, baker"."""

_AGE = re.compile(r"\b(\d{1,6})(?:[- ]year|\b(?= *(?:$|[,.;])))|\b(?:she|he)(?:'s| is) (\d{1,3})\b", re.IGNORECASE)
_STATED = re.compile(r"(?:^|(?<=[.!?] ))(She|He|They|It) (?:is|are|was|were|has|have)\b")
_WISHES = re.compile(r"(?:^|(?<=[.!?] ))(?:Lives|Wants|Fears) [^.!?]*[.!?]?")
"""What the library says of somebody's home, goal and fear: its adjectives and beings are others'."""

_PRONOUN_WORDS = {"she": "she", "her": "she", "he": "he", "his": "he", "him": "he", "they": "they"}


@dataclass(frozen=True, slots=True)
class Folk:
    """Somebody whom the user or the premise names, before a role is found for them."""

    name: str
    noun: str
    phrase: str
    kind: str
    pronoun: str
    detail: str = ""
    traits: tuple[str, ...] = ()
    villain: bool = False
    age: int | None = None

    @property
    def young(self) -> bool:
        """Whether this is a child, as far as anybody says."""
        return (self.age is not None and self.age < GROWN_UP) or self.noun.rsplit(" ", 1)[-1] in _CHILDREN


@dataclass(frozen=True, slots=True)
class Request:
    """What a story is cast from.

    Attributes:
        brief: What was asked for.
        facts: What the rules found in it.
        folk: Everybody it names.
    """

    brief: Brief
    facts: Facts
    folk: tuple[Folk, ...]


def list_folk(brief: Brief, facts: Facts) -> list[Folk]:
    """List everybody who must occur: the user's characters, then the premise's beings."""
    described = (_described(person.name, person.description, person.looks) for person in brief.characters)
    asked = [one for one in described if one.name or one.noun]
    found: list[Folk] = []
    for noun in facts.beings:
        if noun.kind != "group":
            people = _folk_of(noun)
            found.extend(people[_known_of(noun, people[0], asked) :])
    merged = list(asked)
    for one in found:
        if not any(_same_person(one, other) for other in merged) and not any(is_meant(one, other) for other in asked):
            merged.append(one)
    return merged


def _known_of(noun: Noun, one: Folk, asked: Sequence[Folk]) -> int:
    """Tell how many of "two friends" or "a stranger" the user's characters are: anybody may be a stranger."""
    anybody = not noun.name and not noun.company and noun.head in _ANYBODY
    return sum(not one.pronoun or one.pronoun == other.pronoun for other in asked) if anybody else 0


def is_meant(one: Folk, asked: Folk) -> bool:
    """Tell whether somebody whom the premise does not name is one of the user's characters: "a thief", who is Otto."""
    unlike = one.pronoun and asked.pronoun and one.pronoun != asked.pronoun
    return not one.name and bool(one.noun) and one.noun.split()[-1] == (asked.noun or "?").split()[-1] and not unlike


def subject_of(brief: Brief, facts: Facts, folk: Sequence[Folk]) -> Folk | None:
    """Return who does the premise's deed; None where that is the hero, or nobody can say."""
    first = next((noun for noun in facts.beings if noun.kind != "group"), None)
    if first is None or not brief.characters or not folk:
        return None
    one = _folk_of(first)[0]
    asked = folk[: len(brief.characters)]
    same = (
        other for other in folk if other == one or _same_person(one, other) or (other in asked and is_meant(one, other))
    )
    found = next(same, None)
    return None if found == folk[0] else found


def _same_person(one: Folk, other: Folk) -> bool:
    if "?" in (one.name, other.name):
        return False
    if one.name and other.name:
        return bool(set(one.name.lower().split()) & set(other.name.lower().split()))
    return (
        bool(one.noun) and one.noun.rsplit(" ", 1)[-1] == other.noun.rsplit(" ", 1)[-1] and one.name == other.name == ""
    )


def clean_name(name: str) -> str:
    """Return a name without what no name has; empty if nothing is left."""
    kept = re.sub(r"[^\w\s.'’-]", " ", name)
    name = " ".join(kept.replace("_", " ").split())[:60].strip(" .'’-")
    return name if any(char.isalnum() for char in name) else ""


def _described(name: str, description: str, looks: str) -> Folk:
    """Read a user's character: name and free description; the looks may tell how it is spoken of."""
    known = vocabulary()
    aged = _AGED.match(description)
    stated = _STATED.search(description) or _STATED.search(looks)
    description = _WISHES.sub("", description).strip()
    facts = read(description[:1].lower() + description[1:])
    being = next((noun for noun in facts.beings if noun.kind != "group" and not noun.plural and not noun.name), None)
    said = re.findall(r"[a-z][a-z-]*", (_manner(description) if aged else description).lower())
    traits = tuple(
        word for word in said if word in known.adjectives and (not being or word not in being.phrase.split())
    )
    clean = clean_name(name)
    one = Folk(
        name=clean,
        noun=being.head if being else "",
        phrase=being.phrase if being else "",
        kind=being.kind if being else "person",
        pronoun=(stated[1].lower() if stated else "")
        or (known.gender(being.head) if being else "")
        or _gender(clean, said),
        detail=being.detail if being else "",
        traits=traits[:2],
        villain=bool(_VILLAINS.intersection(said)),
        age=_age(description),
    )
    return _of_the_library(one, aged) if aged else one


def _manner(description: str) -> str:
    """Return the sentence in which the library says what somebody is like: "She is brave, stubborn and kind."."""
    found = _STATED.search(description)
    return description[found.start() :].split(".", 1)[0] if found else ""


def _of_the_library(one: Folk, aged: re.Match[str]) -> Folk:
    """Take what somebody is by the place where the library says it, whatever the word is."""
    what = aged["what"].strip()
    head = what.split(" of ")[0]
    kind = vocabulary().guess(head.split()[-1].lower())
    living = kind if kind in {"person", "animal", "being"} else "being"
    age = int(aged["age"].replace(",", "")) if aged["age"][0].isdigit() else 0
    noun = one.noun if one.noun and head.endswith(one.noun) else head
    traits = tuple(trait for trait in one.traits if trait not in what.lower().split())
    return replace(
        one, noun=noun, phrase=what, kind=living if aged["beside"] else "person", detail="", traits=traits, age=age
    )


def _age(description: str) -> int | None:
    found = _AGE.search(description)
    return int(found[1] or found[2]) if found else None


def _gender(name: str, said: list[str]) -> str:
    """Return the pronoun that a title, a first name or the description states, in this order; "" if none does."""
    parts = name.split()
    titled = _TITLED.get(parts[0].lower().rstrip("."), "") if parts else ""
    guess = next((pronoun for part in parts if (pronoun := vocabulary().name_gender(part))), "")
    related = said[:1] in (["his"], ["her"], ["their"])  # "his cousin" tells of another person's gender
    stated = "" if related else next((_PRONOUN_WORDS[word] for word in said if word in _PRONOUN_WORDS), "")
    return titled or (guess if guess != "they" else "") or stated or guess


def _folk_of(noun: Noun) -> list[Folk]:
    """Make one or several persons of a noun: "two robots" are two."""
    known = vocabulary()
    if noun.company:
        one = known.base(noun.head)
        first = Folk(
            noun.company[0], one, " ".join([*noun.phrase.split()[:-1], known.base(noun.core)]), noun.kind, noun.pronoun
        )
        others = (Folk(name, "", "", noun.kind, noun.pronoun or known.name_gender(name)) for name in noun.company[1:])
        return [replace(first, pronoun=noun.pronoun or known.name_gender(first.name)), *others]
    if not noun.name and (noun.plural or noun.count > 1):
        one = known.base(noun.head)
        phrase = " ".join([*noun.phrase.split()[:-1], known.base(noun.core)])
        count = min(noun.count, 3) if noun.count > 1 else (2 if one == "twin" else 1)
        invented = "?" if noun.count > 1 or one == "twin" else ""
        return [
            Folk(invented, one, phrase, noun.kind, noun.pronoun, noun.detail, villain=one in _VILLAINS)
            for _ in range(count)
        ]
    phrase = noun.phrase if noun.head != noun.name else ""
    head = noun.head if noun.head != noun.name else ""
    villain = bool(_VILLAINS.intersection(noun.phrase.split()))
    return [Folk(noun.name, head, phrase, noun.kind, noun.pronoun, noun.detail, villain=villain)]
