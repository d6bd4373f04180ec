"""What the watcher of a character is told: what a picture tells, who it is, where it comes from. Pure."""

from __future__ import annotations

from typing import Any

from fabula.cli.telling import Item, Remark, Teller, took

_LINES = (
    ("Lives", "home"),
    ("Looks", "physical_description"),
    ("Is", "personality"),
    ("Strength", "strength"),
    ("Flaw", "flaw"),
    ("Goal", "goal"),
    ("Fear", "fear"),
    ("Habit", "habit"),
    ("Treasure", "treasure"),
)
"""What a sheet says of a character, line by line, and where that stands in its details."""


class CharacterTeller(Teller):
    """Tells of a character."""

    def heading(self, stage: str) -> str:
        """Return the heading of a stage's text."""
        return "History" if stage == "generate_history" else stage

    def finished(self, response: Any, body: Any) -> Item:
        """Return what is told when a stage is finished."""
        match response.WhichOneof("output"):
            case "looks":
                return Remark(f"The picture shows: {response.looks.physical_description} ({took(body)})")
            case "details":
                return Remark(f"{introduction(response.details)} ({took(body)})")
            case _:
                return super().finished(response, body)

    def succeeded(self, response: Any) -> str:
        """Return the line that says what came out of it."""
        character = response.character
        return f"Finished: {name_of(character.details)}, by {character.maker}, seed {character.seed}"


def name_of(details: Any) -> str:
    """Return a character's whole name."""
    return f"{details.first_name} {details.last_name}".strip()


def introduction(details: Any) -> str:
    """Return who a character is, in a line."""
    return f"{name_of(details)}: {details.profession}, {details.age}, {details.gender}, {details.species}"


def sheet(character: Any) -> str:
    """Return all there is of a character, for people; empty where nothing is decided yet."""
    if not character.HasField("details"):
        return ""
    details = character.details
    lines = [f"{label}: {text}" for label, field in _LINES if (text := getattr(details, field))]
    return "\n\n".join(part for part in (introduction(details), "\n".join(lines), character.history) if part)
