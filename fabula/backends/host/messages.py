"""What host and child say to each other. Pure; it must not know pipes or processes.

    parent → child    Load, then Run or Cancel, as often as wanted
    child → parent    Ready or Failed for the load; Item* and then Ended or Failed for every run

Every run carries a number, so that a later version may have several under way at once.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from fabula.backends.host.frames import Frame, FrameError, JsonObject
from fabula.backends.host.frames import encode as encode_frame


@dataclass(frozen=True, slots=True)
class Load:
    """Make the model: call `factory` ("module:function") with `config`. The first message, and sent once."""

    factory: str
    config: JsonObject


@dataclass(frozen=True, slots=True)
class Run:
    """Do one piece of work."""

    run_id: int
    request: JsonObject
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Stop a run at its next step. One that has ended already is no error."""

    run_id: int


@dataclass(frozen=True, slots=True)
class Ready:
    """The model is loaded; `details` says how (device, dtype, …)."""

    details: JsonObject


@dataclass(frozen=True, slots=True)
class Item:
    """One piece of a run's output."""

    run_id: int
    data: JsonObject
    payload: bytes = b""


@dataclass(frozen=True, slots=True)
class Ended:
    """A run is over: it finished, or it was cancelled."""

    run_id: int
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Failed:
    """The load (`run_id` 0) or a run failed.

    Attributes:
        run_id: Which run; 0 is the load.
        code: Of the error class in `fabula.errors` that the parent raises.
        message: For a person.
        usable: Whether the child can go on with another run; if not, the parent ends it.
    """

    run_id: int
    code: str
    message: str
    usable: bool


Message = Load | Run | Cancel | Ready | Item | Ended | Failed

_KINDS: dict[str, type[Message]] = {
    kind.__name__.lower(): kind for kind in (Load, Run, Cancel, Ready, Item, Ended, Failed)
}


def encode(message: Message) -> bytes:
    """Return the message as the bytes of one frame.

    Raises:
        FrameError: the message is too large to send.
    """
    values = {field.name: getattr(message, field.name) for field in fields(message)}
    payload = values.pop("payload", b"")
    return encode_frame(Frame({"kind": type(message).__name__.lower(), **values}, payload))


def decode(frame: Frame) -> Message:
    """Return the message that a frame holds.

    Raises:
        FrameError: the frame holds no message that is known here.
    """
    values = dict(frame.header)
    kind = _KINDS.get(values.pop("kind", ""))
    if kind is None:
        raise FrameError("A frame holds no known message.")
    if frame.payload:
        values["payload"] = frame.payload
    try:
        return kind(**values)
    except TypeError as error:
        raise FrameError(f"A {kind.__name__} message has the wrong fields.") from error
