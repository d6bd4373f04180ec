"""What can be measured of made-up characters: whether what is stated came back, and a text's form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import inflect

from services.character.domain import MOST_YEARS, Details, Wish
from services.character.grammar.english import sentences
from services.character.grammar.sheet import make

FIELDS = ("name", "species", "gender", "age")
_GENDERS = {"woman": "female", "girl": "female", "female": "female", "man": "male", "boy": "male", "male": "male"}
_KNOWN = frozenset({"woman", "man", "girl", "boy", "nonbinary", "female", "male", "none"})
_ARTICLE = re.compile(r"\b(an?) ([\w'’-]+)", re.IGNORECASE)
_TWO_ARTICLES = re.compile(r"\b(?:a|an|the|his|their|my|your|its) (?:a|an|the|his|their|my|your|its)\b", re.IGNORECASE)
_BAD_SPACE = re.compile(r"  | [,.;:!?]|\n\n\n|[,;:][.!?]|[.!?]\"[.,]|\.\.|\b(?!had|that|her)(\w+) \1\b(?!-)")
_AGREEMENT = re.compile(
    r"(?<!as if )(?<!forgot, as )\b(?:she|he|it) (?:are|were|have|want|know|keep|live|say|need|think)\b|"
    r"\bthey (?:is|was|has|wants|knows|keeps|lives|says|likes|thinks)\b",
    re.IGNORECASE,
)


@cache
def _engine() -> inflect.engine:
    return inflect.engine()


def made(entry: Mapping[str, Any], seed: int = 0) -> Details:
    """Make the character of an entry."""
    return make(Wish(description=entry["description"], style=entry.get("style", ""), seed=seed))


def agrees(field: str, wanted: Any, details: Details) -> bool:
    """Tell whether one field came out as stated."""
    if field == "name":
        return bool(f"{details.first_name} {details.last_name}".strip() == wanted)
    if field == "species":
        return details.species.lower() == str(wanted).lower()
    if field == "gender":
        return bool(_GENDERS.get(details.gender, details.gender) == wanted)
    low, high = wanted if isinstance(wanted, list) else (wanted, wanted)
    return bool(low <= details.age <= high)


def agreement(entries: Sequence[Mapping[str, Any]], seed: int = 0) -> dict[str, tuple[int, int]]:
    """Return for each field how often it came out as stated, and how often it was stated."""
    stated = {
        field: [agrees(field, entry[field], made(entry, seed)) for entry in entries if field in entry]
        for field in FIELDS
    }
    return {field: (sum(met), len(met)) for field, met in stated.items()}


def disagreements(entries: Sequence[Mapping[str, Any]], seed: int = 0) -> Iterator[str]:
    """Say what did not come out as stated."""
    for number, entry in enumerate(entries):
        details = made(entry, seed)
        for field in FIELDS:
            if field in entry and not agrees(field, entry[field], details):
                got = (
                    f"{details.first_name} {details.last_name}".strip() if field == "name" else getattr(details, field)
                )
                yield f"{number:3} {field}: {entry[field]!r}, got {got!r}: {entry['description'][:90]!r}"


def invalid(details: Details) -> list[str]:
    """List what breaks the promises of `Details`."""
    texts = {
        name: getattr(details, name) for name in Details.__dataclass_fields__ if isinstance(getattr(details, name), str)
    }
    faults = [name for name, text in texts.items() if not text.strip() and name != "last_name"]
    faults += [name for name, text in texts.items() if re.search(r"[{}\[\]|<>@]|\s\s|\n", text)]
    faults += [] if 0 <= details.age <= MOST_YEARS else ["age"]
    faults += [] if details.gender in _KNOWN else ["gender"]
    faults += [] if 2 <= len(details.traits) <= 6 else ["traits"]
    faults += [] if 1 <= len(sentences(details.personality)) <= 3 else ["personality"]
    return faults


def form_faults(text: str) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a history's form."""
    seen: set[str] = set()
    for sentence in sentences(text):
        key = " ".join(re.findall(r"\w+", sentence.lower()))
        if key in seen:
            yield "repeat", sentence
        seen.add(key)
        if next((char for char in sentence if char.isalpha()), "A").islower():
            yield "capital", sentence
    for match in _ARTICLE.finditer(text):
        if match[1].lower() != str(_engine().a(match[2])).split(" ", 1)[0]:
            yield "article", match[0]
    for kind, pattern in (
        ("article", _TWO_ARTICLES),
        ("space", _BAD_SPACE),
        ("slot", re.compile(r"[{}\[\]|<>@]")),
        ("agreement", _AGREEMENT),
    ):
        for match in pattern.finditer(text):
            yield kind, text[max(0, match.start() - 30) : match.end() + 30]
