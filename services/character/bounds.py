"""How long the parts of a character may be: the same bounds as the contract's. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from services.character.domain import MOST_YEARS, Details

HISTORY_WORDS = 200
"""About how long a history is."""

LONGEST_HISTORY = 20_000
"""In characters."""

LONGEST = {
    "first_name": 80,
    "last_name": 80,
    "gender": 40,
    "species": 80,
    "profession": 120,
    "home": 200,
    "physical_description": 2000,
    "visual_style": 500,
    "personality": 2000,
    "strength": 300,
    "flaw": 300,
    "goal": 300,
    "fear": 300,
    "habit": 300,
    "treasure": 300,
}
"""Most characters of each text."""

NEVER_EMPTY = frozenset({"first_name", "gender", "species", "profession"})

MOST_TRAITS = 12
LONGEST_TRAIT = 60


def problems(details: Details) -> list[tuple[str, str]]:
    """Return what is wrong with the details: pairs of a field and a sentence about it; none where all holds."""
    found: list[tuple[str, str]] = []
    for name, longest in LONGEST.items():
        text: str = getattr(details, name)
        if not text and name in NEVER_EMPTY:
            found.append((name, f"{name} must not be empty"))
        if len(text) > longest:
            found.append((name, f"{name} has {len(text)} characters: at most {longest} are allowed"))
    if not 0 <= details.age <= MOST_YEARS:
        found.append(("age", f"age must be from 0 to {MOST_YEARS}"))
    if len(details.traits) > MOST_TRAITS:
        found.append(("traits", f"there are {len(details.traits)} traits: at most {MOST_TRAITS} are allowed"))
    if any(not 0 < len(trait) <= LONGEST_TRAIT for trait in details.traits):
        found.append(("traits", f"each trait must have from 1 to {LONGEST_TRAIT} characters"))
    return found


def fitted(details: Details) -> Details:
    """Return the details with each text cut where it is too long: makers take up what a wish says."""
    changes: dict[str, Any] = {name: _cut(getattr(details, name), longest) for name, longest in LONGEST.items()}
    traits = [_cut(trait, LONGEST_TRAIT) for trait in details.traits if trait]
    return replace(details, traits=tuple(traits[:MOST_TRAITS]), age=min(details.age, MOST_YEARS), **changes)


def _cut(text: str, longest: int) -> str:
    """Return the beginning of a text, up to the end of a word where there is one."""
    if len(text) <= longest:
        return text
    head, _, _ = text[:longest].rpartition(" ")
    return f"{(head or text)[: longest - 1]}…"
