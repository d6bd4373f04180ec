"""Dialect C, automated character generation: the steps of a character, and of its avatar. Pure.

The avatar's log is a generation of its own, at the image service, so it has a dialect of its own.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fabula.api.character.v1 import character_pb2
from fabula.api.generation.v1 import generation_pb2 as pb
from gateway.dialects.character_content import AddressOf, character_content, own_picture
from gateway.dialects.dialect import Payload
from gateway.dialects.standing import Standing, standing_of, waiting_message
from gateway.entries import SharedEntry

EVENT = "character_generation_progress"

BEGUN = {
    "upload_image": ("uploading_image", 5, "Reading the picture"),
    "analyse_image": ("analyzing_image", 15, "Looking at the picture"),
    "generate_details": ("generating_details", 40, "Deciding who it is"),
    "create_character": ("creating_character", 80, "Putting the character into the library"),
    "queue_avatar": ("queuing_avatar", 90, "Asking for an avatar"),
}
"""Step, progress and message that are told when a native stage begins."""

FINISHED = {
    "extract_description": ("extracting_description", 30, "The picture is put into words"),
    "generate_details": ("generating_details", 55, "It is decided who it is"),
    "generate_history": ("generating_history", 70, "Its history is told"),
}
"""The same for when a native stage is finished: these carry what it has put out."""

COMPLETED = "The character is complete"

AVATAR = "generating_avatar"
AVATAR_SILENT = frozenset(("", "claimed", "log_line", "stage_finished", "cancel_requested", "pause_requested"))
"""Bodies of an avatar's log that move neither its bar nor its message nor its picture."""


@dataclass(frozen=True, slots=True)
class CharacterSessions:
    """The character's own log. Implements `Dialect`, and `Translator` as well: it remembers nothing.

    Attributes:
        address_of: Tells where pictures can be fetched.
    """

    name = "character_sessions"
    folds = False
    address_of: AddressOf = own_picture

    def translator(self, generation_id: str) -> CharacterSessions:  # noqa: ARG002 - it is the same for all
        """Return a translator."""
        return self

    def payloads(self, entry: SharedEntry) -> Sequence[Payload]:
        """Return the steps that an entry brings."""
        response = entry.response
        event = response.event
        match entry.body:
            case "stage_started":
                return tuple(_begun(event.stage_started.stage, event.progress.message))
            case "stage_finished":
                return tuple(_finished(event.stage_finished.stage, response))
            case "succeeded" | "failed" | "cancelled":
                return (self._end(standing_of(event), response.character),)
            case "snapshot":
                return tuple(self._so_far(event.snapshot, response))
            case "reset":
                return tuple(self._so_far(event.reset.snapshot, response))
        return ()

    def _end(self, standing: Standing, character: character_pb2.Character) -> Payload:
        if standing.state != pb.STATE_SUCCEEDED:
            failure = standing.failure
            return _payload("error", 0, failure.message, _error_data(standing))
        data = {
            "characterId": character.id or standing.generation_id,
            "character": character_content(character, self.address_of),
            "avatarJobId": character.avatar.generation_id or None,
        }
        return _payload("completed", 100, COMPLETED, data)

    def _so_far(self, snapshot: pb.Snapshot, response: Any) -> Iterator[Payload]:
        """Tell a folded log as if it had been watched; what the fold has lost is left out."""
        standing = standing_of(response.event)
        if standing.ended:
            yield self._end(standing, response.character)
            return
        for view in snapshot.stages:
            yield from _begun(view.stage, "")
            if view.finished:
                yield from _finished_before(view.stage, response.character)


CHARACTER_SESSIONS = CharacterSessions()


def is_failure_before(run: int, entry: SharedEntry) -> bool:
    """Say whether an entry tells how a run before this one has failed: for front ends an error is the end."""
    return entry.body in {"failed", "cancelled"} and entry.response.event.run < run


@dataclass(frozen=True, slots=True)
class CharacterAvatar:
    """The log of the image that becomes a character's avatar. Implements `Dialect` and `Translator`.

    Attributes:
        address_of: Tells where pictures can be fetched.
    """

    name = "character_avatar"
    folds = False
    address_of: AddressOf = own_picture

    def translator(self, generation_id: str) -> CharacterAvatar:  # noqa: ARG002 - it is the same for all
        """Return a translator."""
        return self

    def payloads(self, entry: SharedEntry) -> Sequence[Payload]:
        """Return how far an avatar is; a failure stays within its step, for the character is complete without it."""
        event = entry.response.event
        if entry.body in AVATAR_SILENT or (entry.body == "preview" and event.preview.index):
            return ()
        standing = standing_of(event)
        if standing.state == pb.STATE_SUCCEEDED:
            data = {"avatarUrl": self.address_of(standing.generation_id)}
            return (_payload(AVATAR, 100, "The avatar is painted", data),)
        if standing.ended:
            return (_payload(AVATAR, 0, standing.failure.message, _error_data(standing)),)
        data = {"preview": _data_url(event.preview)} if entry.body == "preview" else {}
        return (_payload(AVATAR, _percent(standing.progress), _avatar_message(standing), data),)


CHARACTER_AVATAR = CharacterAvatar()


def _begun(stage: str, message: str) -> Iterator[Payload]:
    if stage in BEGUN:
        step, progress, doing = BEGUN[stage]
        yield _payload(step, progress, message or doing)


def _finished(stage: str, response: Any) -> Iterator[Payload]:
    """Tell a finished stage, with what it has put out."""
    if stage not in FINISHED:
        return
    data: dict[str, Any] = {}
    match response.WhichOneof("output"):
        case "looks":
            looks = response.looks
            data = {"physicalDescription": looks.physical_description, "visualStyle": looks.visual_style}
        case "details":
            data = _details_data(response.details)
        case "history":
            data = {"history": response.history.text}
    yield _payload(*FINISHED[stage], data)


def _finished_before(stage: str, character: character_pb2.Character) -> Iterator[Payload]:
    """Tell a finished stage by what a character has of it; nobody knows any more what the picture told."""
    if stage == "generate_details":
        yield _payload(*FINISHED[stage], _details_data(character.details))
    elif stage == "generate_history":
        yield _payload(*FINISHED[stage], {"history": character.history})


def _details_data(details: character_pb2.Details) -> dict[str, Any]:
    return {
        "firstName": details.first_name,
        "lastName": details.last_name,
        "age": details.age,
        "gender": details.gender,
        "species": details.species,
        "personality": details.personality,
    }


def _error_data(standing: Standing) -> dict[str, Any]:
    """Return what went wrong: a sentence, and in one line what helps who looks for the cause."""
    failure, stage = standing.failure, standing.progress.stage
    place = f"{failure.code} in {stage}" if stage else failure.code
    details = [place, *(f"{key}: {value}" for key, value in sorted(failure.details.items()))]
    return {"error": failure.message, "details": "; ".join(details)}


def _percent(progress: pb.Progress) -> int:
    """Return whole percents: 100 only once the picture is there."""
    return min(99, max(0, int(progress.fraction * 100)))


def _avatar_message(standing: Standing) -> str:
    match standing.state:
        case pb.STATE_QUEUED:
            return waiting_message(standing.progress)
        case pb.STATE_PAUSED:
            return "Paused"
        case _:
            return standing.progress.message or "Painting the avatar"


def _data_url(preview: pb.Preview) -> str:
    return f"data:{preview.media_type};base64,{base64.b64encode(preview.image).decode('ascii')}"


def _payload(step: str, progress: int, message: str, data: dict[str, Any] | None = None) -> Payload:
    content: dict[str, Any] = {"step": step, "progress": progress, "message": message}
    return Payload(EVENT, {**content, "data": data} if data else content)
