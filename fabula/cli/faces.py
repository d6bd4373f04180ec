"""How each kind of generation is shown to people. One that is not listed shows what all kinds have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fabula.cli.character_telling import CharacterTeller, sheet
from fabula.cli.image_telling import ImageTeller
from fabula.cli.story_telling import StoryTeller
from fabula.cli.telling import Teller
from fabula.rpc.kinds import kind_of


def _nothing(_response: Any) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Face:
    """How a kind is shown.

    Attributes:
        noun: One of them.
        teller: Makes what says what happens.
        text: The text of a finished one, from its last response; empty where it has none.
        counts_steps: Whether the steps of its stages mean something to people.
    """

    noun: str
    teller: Callable[[], Teller] = Teller
    text: Callable[[Any], str] = _nothing
    counts_steps: bool = False


FACES = {
    "story": Face("story", StoryTeller, lambda response: str(response.story.text)),
    "character": Face("character", CharacterTeller, lambda response: f"{sheet(response.character)}\n"),
    "image": Face("picture", ImageTeller, counts_steps=True),
}


def face_of(generation_id: str) -> Face:
    """Return how a generation is shown."""
    kind = kind_of(generation_id)
    return FACES.get(kind.name, Face(kind.name)) if kind is not None else Face("generation")
