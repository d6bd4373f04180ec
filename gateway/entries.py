"""What the gateway knows of one entry of a log: its bytes, the decoded response, the frames made of it so far.

An entry is decoded once, and encoded once for each dialect, whoever watches; its frames live as long as it does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError

from fabula.api.generation.v1 import generation_pb2
from fabula.engine.ports import Entry, Tag
from fabula.errors import LogCorrupted
from fabula.rpc.kinds import Kind

Frame = str | bytes
"""A finished message of some dialect: text or binary."""

MOST_FRAMES = 32
"""Frames of one entry that are kept; clients have a say in how many kinds there are."""

TERMINAL_STATES = frozenset(
    (generation_pb2.STATE_SUCCEEDED, generation_pb2.STATE_FAILED, generation_pb2.STATE_CANCELLED)
)
_TAGS = {
    "text_delta": Tag.TEXT,
    "advanced": Tag.PROGRESS,
    "succeeded": Tag.TERMINAL,
    "failed": Tag.TERMINAL,
    "cancelled": Tag.TERMINAL,
}


@dataclass(frozen=True, slots=True)
class SharedEntry(Entry):
    """One message of a watch, shared by all who watch the generation.

    Attributes:
        generation_id: Whose it is.
        response: The service's own `WatchProgressResponse`, decoded. Nobody may change it.
        body: Name of the event's body in the proto, e.g. "text_delta".
    """

    generation_id: str
    response: Any
    body: str
    _frames: dict[str, Frame] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_reset(self) -> bool:
        """Whether this tells a watcher to start over, because its cursor cannot be served."""
        return self.body == "reset"

    @property
    def ends_run(self) -> bool:
        """Whether no more can follow: the state after it is terminal."""
        return self.response.event.state in TERMINAL_STATES

    @property
    def time_seconds(self) -> float:
        """When the event was made, in seconds since 1970 by its writer's clock."""
        time = self.response.event.time
        return float(time.seconds) + float(time.nanos) / 1e9

    def frame(self, dialect: str, encode: Callable[[SharedEntry], Frame]) -> Frame:
        """Return this entry in a dialect; `encode` is asked the first time only, unless too many are kept already."""
        frame = self._frames.get(dialect)
        if frame is None:
            frame = encode(self)
            if len(self._frames) < MOST_FRAMES:
                self._frames[dialect] = frame
        return frame


def read_entry(kind: Kind, generation_id: str, data: bytes) -> SharedEntry:
    """Decode one message of a service's watch.

    Raises:
        LogCorrupted: the bytes are not a response of this kind.
    """
    try:
        response: Any = kind.response("WatchProgress").FromString(data)
    except DecodeError as error:
        raise LogCorrupted("the service sent an event that cannot be read", id=generation_id) from error
    event = response.event
    body = event.WhichOneof("body") or ""
    tag = _TAGS.get(body, Tag.STATE) if event.sequence else Tag.EPHEMERAL
    place = event.preview.index if body == "preview" else 0
    return SharedEntry(event.sequence, tag, data, generation_id, response, body, place=place)
