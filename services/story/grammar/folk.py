"""Lists everybody a request names: the user's characters and the premise's beings. Pure."""

from __future__ import annotations

import re
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
    described = (_described(person.name, person.description) for person in brief.characters)
    asked = [one for one in described if one.name or one.noun]
    found: list[Folk] = []
    for noun in facts.beings:
        if noun.kind != "group":
            found.extend(_folk_of(noun))
    merged = list(asked)
    for one in found:
        if not any(_same_person(one, other) for other in merged):
            merged.append(one)
    return merged


def _same_person(one: Folk, other: Folk) -> bool:
    if "?" in (one.name, other.name):
        return False
    if one.name and other.name:
        return bool(set(one.name.lower().split()) & set(other.name.lower().split()))
    return (
        bool(one.noun) and one.noun.rsplit(" ", 1)[-1] == other.noun.rsplit(" ", 1)[-1] and one.name == other.name == ""
    )


def _clean_name(name: str) -> str:
    kept = re.sub(r"[^\w\s.'’-]", " ", name)
    name = " ".join(kept.replace("_", " ").split())[:60].strip(" .'’-")
    return name if any(char.isalnum() for char in name) else ""


def _described(name: str, description: str) -> Folk:
    """Read a user's character: name and free description."""
    known = vocabulary()
    facts = read(description[:1].lower() + description[1:])
    being = next((noun for noun in facts.beings if noun.kind != "group" and not noun.plural and not noun.name), None)
    said = re.findall(r"[a-z][a-z-]*", description.lower())
    traits = tuple(
        word for word in said if word in known.adjectives and (not being or word not in being.phrase.split())
    )
    clean = _clean_name(name)
    return Folk(
        name=clean,
        noun=being.head if being else "",
        phrase=being.phrase if being else "",
        kind=being.kind if being else "person",
        pronoun=(known.gender(being.head) if being else "") or _gender(clean, said),
        detail=being.detail if being else "",
        traits=traits[:2],
        villain=bool(_VILLAINS.intersection(said)),
    )


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
