"""The live logs that a server's watchers read: one tail for each generation that is watched."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import structlog

from fabula.engine.events import State
from fabula.engine.paces import PaceBook
from fabula.engine.ports import Address, Entry, EventLog, JobQueue, Previews, Record
from fabula.engine.tail import Tail
from fabula.errors import Unavailable
from fabula.rpc.codec import ProtoCodec

QUEUE_LOOK_SECONDS = 1.0
"""How often a waiting generation's place in the queue is looked up while somebody watches it."""

_log = structlog.get_logger(__name__)

Show = Callable[[Address, Tail], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class LogSource:
    """A generation's log as a tail's source."""

    log: EventLog
    address: Address

    async def follow(self, after_sequence: int) -> AsyncGenerator[Sequence[Entry], None]:
        """Yield what is stored and what comes."""
        async with aclosing(self.log.follow(self.address, after_sequence)) as records:
            async for record in records:
                if fresh := _after(record, after_sequence):
                    yield fresh

    async def read(self, after_sequence: int) -> AsyncGenerator[Sequence[Entry], None]:
        """Yield what is stored."""
        async with aclosing(self.log.read(self.address, after_sequence)) as records:
            async for record in records:
                if fresh := _after(record, after_sequence):
                    yield fresh


def _after(record: Record, sequence: int) -> Sequence[Entry]:
    if record.first_sequence > sequence:
        return record.entries
    return [entry for entry in record.entries if entry.sequence > sequence]


async def _contained(show: Show, address: Address, tail: Tail) -> None:
    """Show something beside the log. Where it fails, the log goes on without it, and all other logs with it."""
    try:
        await show(address, tail)
    except Exception:  # noqa: BLE001 - one log's fault must not end the others' watchers
        _log.exception("show_failed", generation_id=address.id)


@dataclass(slots=True)
class _Shared:
    tail: Tail
    task: asyncio.Task[None]
    watchers: int = 0


class Tails:
    """Opens tails and shares them among watchers. An async context manager: leaving it ends all.

    Args:
        log: Where logs are stored.
        previews: Where previews pass; None: this generator has none.
        queue: Tells how many go before a waiting generation.
        paces: Tells how long that takes.
        codec: How to tell of the queue.
    """

    def __init__(
        self, log: EventLog, previews: Previews | None, queue: JobQueue, paces: PaceBook, codec: ProtoCodec
    ) -> None:
        self._log = log
        self._previews = previews
        self._queue = queue
        self._paces = paces
        self._codec = codec
        self._shared: dict[Address, _Shared] = {}
        self._tasks = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        """Begin."""
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """End all tails."""
        for shared in self._shared.values():
            shared.task.cancel()
        await self._tasks.__aexit__(None, None, None)

    @asynccontextmanager
    async def open(self, address: Address, end: int, *, terminal: bool = False) -> AsyncIterator[Tail]:
        """Share the generation's tail; the first watcher begins it, the last one to leave ends it.

        A tail begins at the log's end: what lies before is read by each watcher at its own pace. A tail that began
        at a watcher's cursor would run ahead of it, forget what does not fit, and a long log would be read twice.

        Args:
            address: Which generation.
            end: The newest sequence that its log is known to have.
            terminal: Whether that entry ends a run.
        """
        shared = self._shared.get(address)
        if shared is None or shared.tail.closed:  # a tail that has failed is left to those who read it still
            tail = Tail(LogSource(self._log, address), end, terminal=terminal)
            shared = self._shared[address] = _Shared(tail, self._tasks.create_task(self._feed(address, tail)))
        shared.watchers += 1
        try:
            yield shared.tail
        finally:
            shared.watchers -= 1
            if not shared.watchers:
                shared.task.cancel()
                if self._shared.get(address) is shared:
                    del self._shared[address]

    async def _feed(self, address: Address, tail: Tail) -> None:
        shows: list[Show] = [self._show_queue]
        if self._previews is not None:
            shows.append(partial(self._show_previews, self._previews))
        async with asyncio.TaskGroup() as tasks:
            beside = [tasks.create_task(_contained(show, address, tail)) for show in shows]
            await tail.feed()
            for task in beside:
                task.cancel()

    async def _show_previews(self, previews: Previews, address: Address, tail: Tail) -> None:
        async with aclosing(previews.follow(address)) as entries:
            async for entry in entries:
                tail.show(entry)

    async def _show_queue(self, address: Address, tail: Tail) -> None:
        """Tell watchers of a waiting generation how many go before it, until it is claimed."""
        known: int | None = None
        while True:
            await asyncio.sleep(QUEUE_LOOK_SECONDS)
            try:
                record = await self._log.last(address)
                if record is None:
                    continue
                event = self._codec.decode(record.entries[-1])
                if event.state is not State.QUEUED:
                    return
                position = await self._queue.position(address.kind, record.revision)
                left = None if position is None else await self._paces.remaining_behind(position)
            except Unavailable:
                continue
            if position is not None and position != known:
                known = position
                progress = replace(event.progress, queue_position=position, remaining=left)
                tail.show(self._codec.encode_waiting(address.id, progress))
