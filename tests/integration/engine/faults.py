"""What can go wrong between the engine and its ports: the real parts, with one fault each."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from fabula.engine.events import (
    Body,
    Event,
    LogLine,
)
from fabula.engine.ports import Address, Entry, EventLog, GenerationId, Purpose, Tag
from fabula.engine.states import next_event
from fabula.errors import Superseded, Unavailable
from tests.integration.engine.workplace import Workplace


@dataclass
class Gate:
    """The log, but an append that the test waits for stands still until the test lets it through.

    Attributes:
        log: The real log.
        stops: Says at which append to stop.
        reached: Set when that append is about to be made.
        open: Lets it through.
        deaf: Whether announcements of requests are lost.
    """

    log: EventLog
    stops: Any
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    deaf: bool = False

    async def append(self, address: Address, entries: Sequence[Entry], **rest: Any) -> int:
        """Append, behind the gate."""
        if self.stops(entries):
            self.reached.set()
            await self.open.wait()
        return await self.log.append(address, entries, **rest)

    async def controls(self, kind: str) -> AsyncGenerator[GenerationId | None, None]:
        """Announce requests, unless the gate is deaf: then only appends meet them."""
        async for id_ in self.log.controls(kind):
            if not self.deaf:
                yield id_

    def __getattr__(self, name: str) -> Any:
        return getattr(self.log, name)


def ends_a_run(entries: Sequence[Entry]) -> bool:
    """Tell whether an append ends a run."""
    return entries[-1].tag is Tag.TERMINAL


def is_second(entries: Sequence[Entry]) -> bool:
    """Tell whether an append is the first of the first worker: its claim."""
    return entries[0].sequence == 2


async def note(place: Workplace, address: Address, purpose: Purpose = Purpose.NOTE, body: Body | None = None) -> None:
    """Append an event as somebody else."""
    while True:
        record = await place.journal.events.last(address)
        assert record is not None
        last = place.codec.decode(record.entries[-1])
        event = next_event(last, body or LogLine("by the way"), last.progress, last.time)
        with suppress(Superseded):
            await place.journal.events.append(
                address,
                [place.codec.encode(address.id, event)],
                after=record.revision,
                append_id=secrets.token_hex(8),
                purpose=purpose,
            )
            return


class Faulty:
    """The log, but each append does what the test has laid down for it.

    Args:
        log: The real log.
        faults: For each append in turn "answer lost", "not sent", "wait", or "" for nothing.
    """

    def __init__(self, log: EventLog, *faults: str) -> None:
        self._log = log
        self._faults = list(faults)
        self.appends = 0
        self.reached = asyncio.Event()
        self.open = asyncio.Event()

    async def append(self, address: Address, entries: Sequence[Entry], **rest: Any) -> int:
        """Append, or not."""
        self.appends += 1
        fault = self._faults.pop(0) if self._faults else ""
        if fault == "wait":
            self.reached.set()
            await self.open.wait()
        if fault == "not sent":
            raise Unavailable("the network is down")
        revision = await self._log.append(address, entries, **rest)
        if fault == "answer lost":
            self.reached.set()
            raise Unavailable("the network is down")
        return revision

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


class SlowAcknowledgements:
    """The queue, but the first acknowledgement waits until the test lets it through."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue
        self.reached = asyncio.Event()
        self.open = asyncio.Event()

    async def claim(self, kind: str, timeout_seconds: float) -> Any:
        """Hand out a job."""
        job = await self._queue.claim(kind, timeout_seconds)
        return job and SlowJob(job, self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)


class SlowJob:
    """A job of such a queue."""

    def __init__(self, job: Any, queue: SlowAcknowledgements) -> None:
        self._job = job
        self._queue = queue

    async def done(self) -> None:
        """Acknowledge, behind the gate."""
        if not self._queue.reached.is_set():
            self._queue.reached.set()
            await self._queue.open.wait()
        await self._job.done()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._job, name)


class Forgetful:
    """The queue, but acknowledgements never arrive, and the first questions for jobs neither."""

    def __init__(self, queue: Any, claims_fail: int = 0) -> None:
        self._queue = queue
        self._claims_fail = claims_fail
        self.asked = asyncio.Event()

    async def claim(self, kind: str, timeout_seconds: float) -> Any:
        """Hand out a job."""
        if self._claims_fail:
            self._claims_fail -= 1
            raise Unavailable("the network is down")
        job = await self._queue.claim(kind, timeout_seconds)
        return job and ForgetfulJob(job, self.asked)


class ForgetfulJob:
    """A job of such a queue."""

    def __init__(self, job: Any, asked: asyncio.Event) -> None:
        self._job = job
        self._asked = asked

    async def done(self) -> None:
        """Fail to acknowledge."""
        self._asked.set()
        raise Unavailable("the network is down")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._job, name)


class Blind:
    """The codec, but it stumbles over bugs.

    Attributes:
        stumbles: How often it has.
    """

    def __init__(self, codec: Any) -> None:
        self._codec = codec
        self.stumbles = 0

    def decode(self, entry: Entry) -> Event:
        """Decode, unless it is about a bug."""
        if b"A bug" in entry.data:
            self.stumbles += 1
            raise RuntimeError("a bug")
        event: Event = self._codec.decode(entry)
        return event

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codec, name)
