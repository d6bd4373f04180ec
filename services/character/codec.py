"""Characters as protobuf: what is special to this service in the common events. Implements `OutputCodec`."""

from __future__ import annotations

from dataclasses import asdict, fields
from datetime import UTC, datetime
from typing import Any

from google.protobuf.message import Message

from fabula.api.character.v1 import character_pb2 as pb
from fabula.engine.events import ZERO_TIME
from fabula.engine.history import Snapshot
from fabula.errors import LogCorrupted
from services.character.domain import Details, Looks
from services.character.orders import order_from_message, order_to_message
from services.character.reader import Analysis
from services.character.results import character_so_far
from services.character.sheet import Avatar, AvatarState, Character, History, Order, Timing

TITLE_CHARACTERS = 80

_AVATAR_STATES = {
    AvatarState.NONE: pb.AVATAR_STATE_UNSPECIFIED,
    AvatarState.PENDING: pb.AVATAR_STATE_PENDING,
    AvatarState.READY: pb.AVATAR_STATE_READY,
    AvatarState.FAILED: pb.AVATAR_STATE_FAILED,
}
_AVATAR_STATES_BACK = {number: state for state, number in _AVATAR_STATES.items()}


class CharacterCodec:
    """Translates orders, what pictures tell, details, histories and characters."""

    def to_message(self, value: object) -> Message | None:
        """Return the message of a value; None of None."""
        match value:
            case None:
                return None
            case Order():
                return order_to_message(value)
            case Analysis():
                return _analysis_to_message(value)
            case Looks():
                return pb.Looks(**asdict(value))
            case Details():
                return details_to_message(value)
            case History():
                return pb.History(text=value.text)
            case Character():
                return character_to_message(value)
            case _:
                raise TypeError(f"a character has no output of type {type(value).__name__}")

    def from_message(self, message: Any) -> object:
        """Return the value of a message."""
        match message:
            case pb.CharacterRequest():
                return order_from_message(message, seed=message.seed)
            case pb.Analysis():
                return _analysis_from_message(message)
            case pb.Looks():
                return Looks(message.physical_description, message.visual_style)
            case pb.Details():
                return details_from_message(message)
            case pb.History():
                return History(message.text)
            case pb.Character():
                return character_from_message(message)
            case _:
                raise LogCorrupted(f"a character's log has an output of type {type(message).__name__}")

    def so_far(self, snapshot: Snapshot) -> Message:
        """Return the character as far as there is one."""
        return character_to_message(character_so_far(snapshot))

    def title(self, request: object) -> str:
        """Return the beginning of the description, or the picture's name."""
        if not isinstance(request, Order):
            return ""
        label = request.picture.label if request.picture else ""
        line = " ".join((request.wish.description or label).split())
        return line if len(line) <= TITLE_CHARACTERS else f"{line[: TITLE_CHARACTERS - 1].rstrip()}…"


def details_to_message(details: Details) -> pb.Details:
    """Return who a character is, as a message: its fields are called alike."""
    return pb.Details(**asdict(details))


def details_from_message(message: pb.Details) -> Details:
    """Return who a character is."""
    values = {field.name: getattr(message, field.name) for field in fields(Details)}
    return Details(**{**values, "traits": tuple(message.traits)})


def character_to_message(character: Character) -> pb.Character:
    """Return a character as a message; what there is not yet stays absent."""
    message = pb.Character(
        id=character.id,
        etag=character.etag,
        details=None if character.details is None else details_to_message(character.details),
        history=character.history,
        avatar=_avatar_to_message(character.avatar),
        saved=character.saved,
        maker=character.maker,
        seed=character.seed,
        timings=[_timing(timing) for timing in character.timings],
    )
    if character.create_time != ZERO_TIME:
        message.create_time.FromDatetime(character.create_time)
    if character.update_time != ZERO_TIME:
        message.update_time.FromDatetime(character.update_time)
    if character.expire_time is not None:
        message.expire_time.FromDatetime(character.expire_time)
    return message


def character_from_message(message: pb.Character) -> Character:
    """Return the character in a message."""
    return Character(
        id=message.id,
        details=details_from_message(message.details) if message.HasField("details") else None,
        history=message.history,
        avatar=_avatar_from_message(message.avatar),
        saved=message.saved,
        create_time=_time(message, "create_time") or ZERO_TIME,
        update_time=_time(message, "update_time") or ZERO_TIME,
        expire_time=_time(message, "expire_time"),
        maker=message.maker,
        seed=message.seed,
        timings=tuple(Timing(one.stage, one.elapsed.ToMicroseconds() / 1e6) for one in message.timings),
        etag=message.etag,
    )


def _time(message: pb.Character, name: str) -> datetime | None:
    return getattr(message, name).ToDatetime(UTC) if message.HasField(name) else None  # type: ignore[arg-type]


def _analysis_to_message(analysis: Analysis) -> pb.Analysis:
    facts = [pb.Fact(name=name, value=value) for name, value in analysis.facts]
    return pb.Analysis(reader=analysis.reader, text=analysis.text, facts=facts, lacks=analysis.lacks)


def _analysis_from_message(message: pb.Analysis) -> Analysis:
    facts = tuple((fact.name, fact.value) for fact in message.facts)
    return Analysis(message.reader, message.text, facts, message.lacks)


def _avatar_to_message(avatar: Avatar) -> pb.Avatar | None:
    """Return an avatar as a message; absent where none was asked for."""
    if avatar == Avatar():
        return None
    return pb.Avatar(
        state=_AVATAR_STATES[avatar.state],
        generation_id=avatar.generation_id,
        ready_generation_id=avatar.ready_generation_id,
        failure=avatar.failure,
    )


def _avatar_from_message(message: pb.Avatar) -> Avatar:
    state = _AVATAR_STATES_BACK[message.state]
    return Avatar(state, message.generation_id, message.ready_generation_id, message.failure)


def _timing(timing: Timing) -> pb.StageTiming:
    message = pb.StageTiming(stage=timing.stage)
    message.elapsed.FromMicroseconds(round(timing.seconds * 1e6))
    return message
