"""What the watcher of a character is told: what a picture tells, who it is, where it comes from. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fabula.api.character.v1.character_pb2 import AvatarState
from fabula.cli.telling import Item, Passage, Remark, Teller, took

_LINES = (
    ("Lives", "home"),
    ("Looks", "physical_description"),
    ("Nature", "personality"),
    ("Strength", "strength"),
    ("Flaw", "flaw"),
    ("Goal", "goal"),
    ("Fear", "fear"),
    ("Habit", "habit"),
    ("Treasure", "treasure"),
)
"""What a sheet says of a character, line by line, and where that stands in its details."""


_DONE = {
    "upload_image": "The picture has been read",
    "analyse_image": "The picture has been looked at",
    "generate_history": "Its history is told",
    "create_character": "It is in the library",
    "queue_avatar": "Its avatar is asked for",
}
"""What is said of a stage that is finished and brings nothing to be told."""


class CharacterTeller(Teller):
    """Tells of a character."""

    def heading(self, stage: str) -> str:
        """Return the heading of a stage's text."""
        return "History" if stage == "generate_history" else stage

    def tell(self, response: Any) -> Iterator[Item]:
        """Yield what a WatchProgressResponse brings; who it is, as soon as that is decided."""
        yield from super().tell(response)
        if response.WhichOneof("output") == "details" and response.event.WhichOneof("body") == "stage_finished":
            yield Passage("\n".join(_lines(response.details)))

    def finished(self, response: Any, body: Any) -> Item:
        """Return what is told when a stage is finished."""
        match response.WhichOneof("output"):
            case "looks":
                return Remark(f"The picture shows: {response.looks.physical_description} ({took(body)})")
            case "details":
                return Remark(f"{introduction(response.details)} ({took(body)})")
            case _ if body.stage in _DONE:
                return Remark(f"{_DONE[body.stage]} ({took(body)})", detail=True)
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
    told = (introduction(character.details), "\n".join(_lines(character.details)), character.history)
    return "\n\n".join(part for part in told if part)


def avatar(character: Any) -> str:
    """Return how far the avatar of a character is, and how one comes by it; empty where it has none."""
    state, picture = character.avatar.state, character.avatar.ready_generation_id or character.avatar.generation_id
    match state:
        case AvatarState.AVATAR_STATE_READY:
            return f"Avatar: save it with: fabula show {picture} -o FILE"
        case AvatarState.AVATAR_STATE_PENDING:
            return f"Avatar: not painted yet; see it form with: fabula watch {character.avatar.generation_id} -o FILE"
        case AvatarState.AVATAR_STATE_FAILED:
            return f"Avatar: failed. Once more with: fabula characters repaint {character.id}"
        case _:
            return ""


def _lines(details: Any) -> list[str]:
    return [f"{label}: {text}" for label, field in _LINES if (text := getattr(details, field))]
