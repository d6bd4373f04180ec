"""Tells adjectives from nouns, and takes up what they say of age, looks, origin and character. Pure."""

from __future__ import annotations

import re
from functools import cache

from services.character.grammar.facts import Facts
from services.character.grammar.lists import listed_in
from services.character.grammar.species import kinds
from services.character.grammar.table import read_table
from services.character.grammar.words import people, small, traits

_ADJECTIVE = re.compile(
    r"(?:ful|less|ous|ish|ic|ical|ive|able|ible|ed|ing|al|ary|ant|ent|y|ly|some|esque|est|like|proof|worn|born)$"
)
_NOT_ADJECTIVE = re.compile(r"(?:ity|ment|ary|key|ogy|phy|ony|ery|ory|boy|city|day|way)$")


@cache
def _peoples() -> dict[str, str]:
    table = read_table("names").table("peoples")
    return {word: key for key in table.names() for word in table.table(key).words("words")}


def people_of(word: str) -> str:
    """Return the people that an adjective or a place belongs to; empty if it is of none that is known."""
    return _peoples().get(word.lower(), "")


def is_adjective(word: str) -> bool:
    """Tell whether a word in lower case is an adjective: one that is known, or one that looks like it."""
    known = traits()
    if (
        word in known.all
        or word in known.looks
        or word in small().stages
        or word in people().qualifiers
        or word in listed_in("said")
    ):
        return True
    if word.endswith("ly"):  # those that are no adverbs are all listed
        return False
    if word in kinds().words or word in people().professions or word in people().kin or word in people().agents:
        return bool(people_of(word))
    return bool(people_of(word)) or bool(_ADJECTIVE.search(word) and not _NOT_ADJECTIVE.search(word) and len(word) > 3)


def take_adjective(written: str, word: str, facts: Facts) -> None:
    """Take up an adjective for what it tells of: age, looks, origin or character."""
    known = traits()
    if word in listed_in("states"):
        _add(facts.told, f"is {word}")
    elif word in small().stages:
        if word in {"immortal", "semi-retired", "ageless"}:
            _add(facts.traits, word)
        facts.stage = small().stages[word] if facts.stage in {"", "adult"} else facts.stage
    elif people_of(word):
        facts.people = facts.people or people_of(word)
        facts.origin = facts.origin or (written if written[:1].isupper() else written.capitalize())
    elif word in known.looks:
        _add(facts.looks, word)
    elif word in known.all or (is_adjective(word) and word not in listed_in("said") and len(word) < 25):
        _add(facts.traits, word)


def _add(where: list[str], word: str) -> None:
    if word not in where:
        where.append(word)


def adjectives_only(phrase: str) -> tuple[str, ...]:
    """Return the adjectives of a phrase that consists of nothing else ("brave but lazy"); empty if it does not."""
    words = re.findall(r"[^\W\d_]+(?:['’-][^\W\d_]+)*", phrase.lower())
    plain = [word for word in words if word not in listed_in("adverbs")]
    return tuple(plain) if plain and all(is_adjective(word) for word in plain) else ()


def sort_adjectives(words: tuple[str, ...], facts: Facts) -> None:
    """Take up adjectives of a predicate."""
    for word in words:
        take_adjective(word, word, facts)
