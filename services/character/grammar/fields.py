"""Reads lines such as "Species: otter" in a description. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

from services.character.grammar.adjectives import adjectives_only, sort_adjectives
from services.character.grammar.clauses import add_told
from services.character.grammar.facts import Facts
from services.character.grammar.phrases import read_noun, split_phrase
from services.character.grammar.words import people

_FIELD = re.compile(
    r"(?:^|[\n;,.|]\s*)(?P<key>species|race|gender|sex|pronouns?|job|occupation|profession|class|role|"
    r"works as|home|lives|location|from|origin|goal|wants?|motivation|fears?|afraid of|weakness|flaw|"
    r"strength|likes?|loves?|dislikes?|hates?|hobby|hobbies|traits?|personality|appearance|looks?|hair|"
    r"eyes|skin|build|height|weapon|item|carries|wears|clothes|kind|type)"
    r"\s*[:=]\s*(?P<value>[^\n;|]{1,300}?)(?=\s*(?:$|[\n;|]|[.,]\s*[A-Za-z ]{2,15}[:=]))",
    re.IGNORECASE,
)


def read_fields(text: str, facts: Facts) -> str:
    """Take up lines such as "Species: otter"."""
    for match in list(_FIELD.finditer(text)):
        key, value = match["key"].lower(), match["value"].strip(" .")
        _field(key, value, facts)
    return _FIELD.sub("\n", text)


def _field(key: str, value: str, facts: Facts) -> None:
    for keys, take in _KEYS:
        if key in keys:
            take(key, value, facts)
            return
    if key != "height":
        add_told(f"has one {key}: {value}", facts)


def _species(_key: str, value: str, facts: Facts) -> None:
    if not read_noun(split_phrase(value), facts, first=True) or not facts.species:
        facts.species = facts.species or value.lower()[:40]


def _gender(_key: str, value: str, facts: Facts) -> None:
    word = value.lower().split()[0] if value.split() else ""
    known = {"f": "f", "m": "m", "none": "none", "n/a": "none", "no": "none", "": ""}
    told = "f" if word in people().women else "m" if word in people().men else known.get(word, "nb")
    facts.gender = facts.gender or told


def _work(_key: str, value: str, facts: Facts) -> None:
    if not read_noun(split_phrase(value), facts, first=False) or not facts.profession:
        facts.profession = facts.profession or value.lower()[:60]


def _home(_key: str, value: str, facts: Facts) -> None:
    placed = re.match(r"(?:in|on|at|under|near|by|above|aboard|inside)\b", value.lower())
    facts.home = value if placed else f"in {value}"


def _origin(_key: str, value: str, facts: Facts) -> None:
    facts.comes = value


def _goal(_key: str, value: str, facts: Facts) -> None:
    facts.goal = value


def _fear(_key: str, value: str, facts: Facts) -> None:
    facts.fears.append(value)


def _traits(_key: str, value: str, facts: Facts) -> None:
    found = adjectives_only(value)
    sort_adjectives(found, facts)
    if not found:
        facts.told.append(f"is said to be {value}")


def _looks(key: str, value: str, facts: Facts) -> None:
    if key in {"wears", "clothes"}:
        facts.features.append(f"wearing {value}")
    else:
        facts.features.append(
            f"{value} {key}" if key in {"hair", "eyes", "skin"} and key not in value.lower() else value
        )


def _belonging(_key: str, value: str, facts: Facts) -> None:
    facts.belongings.append(value)


def _like(key: str, value: str, facts: Facts) -> None:
    add_told(f"{'dislikes' if key.startswith(('dis', 'hate')) else 'likes'} {value}", facts)


_KEYS: tuple[tuple[frozenset[str], Callable[[str, str, Facts], None]], ...] = (
    (frozenset({"species", "race", "kind", "type"}), _species),
    (frozenset({"gender", "sex"}), _gender),
    (frozenset({"job", "occupation", "profession", "class", "role", "works as"}), _work),
    (frozenset({"home", "lives", "location"}), _home),
    (frozenset({"from", "origin"}), _origin),
    (frozenset({"goal", "want", "wants", "motivation"}), _goal),
    (frozenset({"fear", "fears", "afraid of"}), _fear),
    (frozenset({"trait", "traits", "personality"}), _traits),
    (frozenset({"hair", "eyes", "skin", "build", "appearance", "look", "looks", "wears", "clothes"}), _looks),
    (frozenset({"weapon", "item", "carries"}), _belonging),
    (frozenset({"like", "likes", "love", "loves", "hobby", "hobbies", "dislike", "dislikes", "hate", "hates"}), _like),
)
