"""What a generator's own part of a server works with, and how it reads a generation of a caller's."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from fabula.engine.events import Event
from fabula.engine.history import History, Snapshot
from fabula.engine.ids import is_generation_id
from fabula.engine.ports import Address, Blobs, EventLog, GenerationId, Records
from fabula.errors import NotFound
from fabula.rpc.client import Caller
from fabula.rpc.codec import ProtoCodec
from fabula.rpc.issuer import traceparent

RACES = 20
"""How often a command is tried again because somebody else wrote first."""

CHANGES_TOO_FAST = "the generation is changing too fast: try again"


@dataclass(frozen=True, slots=True)
class Call:
    """Who calls, and as part of what.

    Attributes:
        owner: The caller.
        trace_id: W3C trace id; empty where nobody traces.
        token: The token that says so, to be passed on to other services; empty where authentication is off.
        deadline: When the caller gives up, by the event loop's clock; None: never.
        expires: Unix time from which the token holds no longer; None: it always holds.
    """

    owner: str
    trace_id: str = ""
    token: str = field(default="", repr=False)
    deadline: float | None = None
    expires: float | None = None

    @property
    def caller(self) -> Caller:
        """The same caller, before other services."""
        return Caller(self.token, traceparent(self.trace_id), self.deadline)


UnaryMethod = Callable[[Call, Any], Awaitable[Any]]
"""An rpc with one response: the caller and the request to the response message."""

StreamMethod = Callable[[Call, Any], AsyncGenerator[bytes, None]]
"""An rpc with a stream of responses, each of them serialised."""


@dataclass(frozen=True, slots=True)
class Stores:
    """Where a server keeps things.

    Attributes:
        log: The logs of all generations.
        blobs: Bytes beside them.
        records: Small named values.
    """

    log: EventLog
    blobs: Blobs
    records: Records


@dataclass(frozen=True, slots=True)
class Folded:
    """A log, read: its fold, and its first and last event."""

    snapshot: Snapshot
    first: Event
    last: Event


def address_of_own(kind: str, call: Call, generation_id: str) -> Address:
    """Return the address of the caller's generation of this id.

    Raises:
        NotFound: it is no id of this kind: as unknown as any other.
    """
    if not is_generation_id(generation_id, kind):
        raise not_found(generation_id)
    return Address(kind, call.owner, GenerationId(generation_id))


async def fold(log: EventLog, codec: ProtoCodec, address: Address) -> Folded:
    """Read a log. Raises `NotFound` where there is none."""
    history, first, last = History(), None, None
    async with aclosing(log.read(address)) as records:
        async for record in records:
            for entry in record.entries:
                last = codec.decode(entry)
                first = first or last
                history.apply(last)
    if first is None or last is None:
        raise not_found(address.id)
    return Folded(history.snapshot(), first, last)


def not_found(generation_id: str) -> NotFound:
    """Return the error for an id that is nobody's, or another's: the two are told alike."""
    return NotFound("there is no such generation", id=generation_id)
