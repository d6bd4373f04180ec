"""The native dialect: frames of `fabula.api.gateway.v1`, as proto3 JSON or as protobuf. Pure.

An answer that concerns a generation names it; one that answers a client's frame carries that frame's id.
"""

from __future__ import annotations

import json
from typing import Any, Protocol

from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from fabula.api.gateway.v1 import gateway_pb2
from fabula.api.generation.v1 import generation_pb2
from fabula.errors import InvalidRequest
from fabula.rpc.validation import validate
from gateway.answers import Problem
from gateway.entries import Frame, SharedEntry
from gateway.json_requests import fill, in_json_names

TYPE_PREFIX = "type.googleapis.com/"

CLOSE_WRONG_TYPE = 1003
"""Close code: text where binary is spoken, or the other way round (RFC 6455, section 7.4.1)."""
CLOSE_UNREADABLE = 1007
"""Close code: a message that does not hold what its type promises (RFC 6455, section 7.4.1)."""


class Unreadable(Exception):
    """A message that cannot be read at all, so that nobody knows what it wanted.

    Attributes:
        close: WebSocket close code.
        reason: Why, in a few words.
    """

    def __init__(self, close: int, reason: str) -> None:
        super().__init__(reason)
        self.close = close
        self.reason = reason


class Refused(Exception):
    """A client's frame that can be read, and not obeyed.

    Attributes:
        frame_id: The frame's id, as far as it could be told.
        error: What is wrong with it.
    """

    def __init__(self, frame_id: str, error: InvalidRequest) -> None:
        super().__init__(error.message)
        self.frame_id = frame_id
        self.error = error


class Native(Protocol):
    """One encoding of the native frames."""

    @property
    def name(self) -> str:
        """The WebSocket subprotocol that stands for it."""
        ...

    def decode(self, message: Frame) -> gateway_pb2.ClientFrame:
        """Read a client's frame.

        Raises:
            Unreadable: it is no frame at all.
            Refused: it breaks the rules of frames.
        """
        ...

    def encode(self, frame: gateway_pb2.ServerFrame) -> Frame:
        """Write a frame."""
        ...


class NativeJson:
    """Frames as proto3 JSON in text messages."""

    name = "fabula.v1.json"

    def decode(self, message: Frame) -> gateway_pb2.ClientFrame:
        """Read a client's frame; see `Native`."""
        if isinstance(message, bytes):
            raise Unreadable(CLOSE_WRONG_TYPE, f"{self.name} is spoken in text messages")
        try:
            content = json.loads(message)
        except (ValueError, RecursionError):
            raise Unreadable(CLOSE_UNREADABLE, "the message is not JSON") from None
        frame = gateway_pb2.ClientFrame()
        try:
            fill(frame, content)
            validate(frame)
        except InvalidRequest as error:
            raise Refused(_frame_id(content), in_json_names(error)) from None
        return frame

    def encode(self, frame: gateway_pb2.ServerFrame) -> Frame:
        """Write a frame as one line of JSON; fields with their default values are left out."""
        return json_of(frame)


class NativeProto:
    """Frames as protobuf in binary messages."""

    name = "fabula.v1.proto"

    def decode(self, message: Frame) -> gateway_pb2.ClientFrame:
        """Read a client's frame; see `Native`."""
        if isinstance(message, str):
            raise Unreadable(CLOSE_WRONG_TYPE, f"{self.name} is spoken in binary messages")
        frame = gateway_pb2.ClientFrame()
        try:
            frame.ParseFromString(message)
        except DecodeError:
            raise Unreadable(CLOSE_UNREADABLE, "the message is not a ClientFrame") from None
        try:
            validate(frame)
        except InvalidRequest as error:
            raise Refused(_fitting(frame.frame_id), error) from None
        return frame

    def encode(self, frame: gateway_pb2.ServerFrame) -> Frame:
        """Write a frame; the service's response stands in it byte for byte as it came."""
        return frame.SerializeToString()


DIALECTS: dict[str, Native] = {dialect.name: dialect for dialect in (NativeJson(), NativeProto())}
"""The native encodings, by WebSocket subprotocol."""

DEFAULT = DIALECTS[NativeJson.name]
"""What is spoken to who asks for nothing."""


def entry_frame(entry: SharedEntry) -> gateway_pb2.ServerFrame:
    """Return an event, or a reset, as a frame."""
    frame = gateway_pb2.ServerFrame()
    inner: Any = frame.reset if entry.is_reset else frame.event
    inner.generation_id, inner.sequence = entry.generation_id, entry.sequence
    inner.response.type_url = TYPE_PREFIX + entry.response.DESCRIPTOR.full_name
    inner.response.value = entry.data
    if entry.is_reset:
        frame.reset.reason = entry.response.event.reset.reason
    return frame


def done_frame(frame_id: str, generation_id: str, sequence: int = 0) -> gateway_pb2.ServerFrame:
    """Return the frame that says: carried out. For a subscription `sequence` is the cursor it begins at."""
    done = gateway_pb2.Done(generation_id=generation_id, sequence=sequence)
    return gateway_pb2.ServerFrame(frame_id=frame_id, done=done)


def ended_frame(generation_id: str, sequence: int) -> gateway_pb2.ServerFrame:
    """Return the frame that says: all was sent."""
    return gateway_pb2.ServerFrame(ended=gateway_pb2.Ended(generation_id=generation_id, sequence=sequence))


def error_frame(frame_id: str, generation_id: str, problem: Problem) -> gateway_pb2.ServerFrame:
    """Return the frame that says: it could not be done."""
    error = gateway_pb2.Error(
        generation_id=generation_id,
        code=problem.code,
        message=problem.message,
        retryable=problem.retryable,
        details=problem.details,
        violations=[gateway_pb2.FieldViolation(field=name, description=text) for name, text in problem.violations],
    )
    return gateway_pb2.ServerFrame(frame_id=frame_id, error=error)


def generation_frame(generation: generation_pb2.Generation, *, deleted: bool) -> gateway_pb2.ServerFrame:
    """Return the frame that tells of one of the client's own generations."""
    return gateway_pb2.ServerFrame(generation=gateway_pb2.GenerationFrame(generation=generation, deleted=deleted))


def listed_frame(kind: str) -> gateway_pb2.ServerFrame:
    """Return the frame that says: all there were of this kind have been told of."""
    return gateway_pb2.ServerFrame(listed=gateway_pb2.Listed(kind=kind))


def log_frame(generation_id: str, line: gateway_pb2.LogRecord) -> gateway_pb2.ServerFrame:
    """Return a line of a generation's log as a frame."""
    return gateway_pb2.ServerFrame(log=gateway_pb2.LogFrame(generation_id=generation_id, line=line))


def keep_alive_frame() -> gateway_pb2.ServerFrame:
    """Return the frame that says: still here."""
    return gateway_pb2.ServerFrame(keep_alive=gateway_pb2.KeepAlive())


def event_of(frame: gateway_pb2.ServerFrame) -> tuple[str, str]:
    """Return a frame as a server-sent event: its name and its data."""
    name = frame.WhichOneof("frame") or ""
    # An EventSource tells a lost connection by an event named "error": ours has another name.
    return "problem" if name == "error" else name, json_of(getattr(frame, name))


def json_of(message: Message, *, whole: bool = False) -> str:
    """Return a message as one line of JSON; fields with their default values are left out, unless it is to be whole."""
    content = json_format.MessageToDict(message, always_print_fields_with_no_presence=whole)
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _frame_id(content: object) -> str:
    """Return the id that a frame which cannot be read seems to have; empty if an answer could not carry it."""
    frame_id = content.get("frameId", content.get("frame_id")) if isinstance(content, dict) else None
    return _fitting(frame_id) if isinstance(frame_id, str) else ""


def _fitting(frame_id: str) -> str:
    return frame_id if len(frame_id) <= 64 and frame_id.isprintable() else ""
