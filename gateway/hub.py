"""Shares upstream watches: one for each generation and owner, however many watch it here.

A watcher gets a `Watch`: the entries from its cursor on, snapshot or reset first where that is what it needs.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Self, cast

from fabula.engine.tail import Tail, conflated
from fabula.errors import NotFound, ResourceExhausted
from fabula.rpc.client import Client
from gateway.entries import TERMINAL_STATES, SharedEntry
from gateway.identity import Visitor
from gateway.metrics import Metrics
from gateway.upstream import CursorLost, Upstream, service_of

LINGER_SECONDS = 5.0
"""How long an upstream watch is kept after its last watcher left: a page that is reloaded comes back at once."""

SNAPSHOT_REUSE_ENTRIES = 64
"""A snapshot serves further watchers until the log is so many entries ahead of it."""

Key = tuple[str, str]
"""Owner and generation id: what is watched is shared only among those who may see it."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a watcher asks for.

    Attributes:
        after_sequence: The last entry it has; 0 for all.
        snapshot: Begin with one folded entry instead of the history; ignored with a cursor.
        conflate: Spare superseded progress.
        wait_for_start: Wait for a generation that does not exist yet.
    """

    after_sequence: int = 0
    snapshot: bool = False
    conflate: bool = False
    wait_for_start: bool = False


@dataclass(frozen=True, slots=True)
class Beginning:
    """Where a watch begins.

    Attributes:
        cursor: Entries after this one come from the log.
        first: A snapshot or reset that comes before them.
        over: Whether the run had ended at `cursor`, so that nothing follows.
        last_known: The log's last sequence as the service has just said; 0 if it was not asked.
    """

    cursor: int
    first: SharedEntry | None = None
    over: bool = False
    last_known: int = 0


@dataclass(slots=True)
class Shared:
    """An upstream watch with its tail.

    Attributes:
        upstream: Where the log comes from.
        tail: Its newest part.
        task: Feeds the tail.
        watchers: How many read it now.
        snapshot: The newest snapshot that somebody asked for.
        asking: Held while a snapshot is fetched: many who ask at once are served by one.
    """

    upstream: Upstream
    tail: Tail
    task: asyncio.Task[None]
    watchers: int = 0
    snapshot: SharedEntry | None = None
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def live(self) -> bool:
        """Whether entries may still come."""
        return not (self.tail.closed or self.tail.complete)

    def holds(self, beginning: Beginning) -> bool:
        """Whether a watcher that begins there can be served from here."""
        return self.live or (self.tail.complete and self.tail.last_sequence == beginning.last_known)


class Hub:
    """Opens watches. An async context manager: leaving it ends all of them.

    Args:
        clients: The services, by kind.
        metrics: What is counted.
        most_watchers: Watchers of one generation at a time.
        linger_seconds: How long an upstream watch outlives its last watcher.
    """

    def __init__(
        self,
        clients: Mapping[str, Client],
        metrics: Metrics,
        most_watchers: int,
        linger_seconds: float = LINGER_SECONDS,
    ) -> None:
        self._clients = clients
        self._metrics = metrics
        self._most_watchers = most_watchers
        self._linger_seconds = linger_seconds
        self._shared: dict[Key, Shared] = {}
        self._watchers: Counter[Key] = Counter()
        self._tasks = asyncio.TaskGroup()

    async def __aenter__(self) -> Self:
        """Begin."""
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """End all upstream watches."""
        for shared in self._shared.values():
            shared.task.cancel()
        await self._tasks.__aexit__(None, None, None)

    @asynccontextmanager
    async def watch(self, visitor: Visitor, generation_id: str, wish: Wish) -> AsyncIterator[Watch]:
        """Open a watch; by the time it is open, the generation is known to exist and to be the visitor's.

        Raises:
            NotFound: there is no such generation, or it is another owner's.
            ResourceExhausted: too many watch it already.
            Unavailable: its service does not answer.
        """
        key = (visitor.owner, generation_id)
        with self._counted(key):
            upstream = self._upstream(visitor, generation_id)
            beginning = await self._begin(key, upstream, wish)
            yield Watch(self, upstream, key, wish, beginning)

    @contextmanager
    def _counted(self, key: Key) -> Iterator[None]:
        if self._watchers[key] >= self._most_watchers:
            raise ResourceExhausted("too many watch this generation: close some, or try again later", id=key[1])
        self._watchers[key] += 1
        self._metrics.watches.inc()
        try:
            yield
        finally:
            self._metrics.watches.dec()
            self._watchers[key] -= 1
            if not self._watchers[key]:
                del self._watchers[key]

    def _upstream(self, visitor: Visitor, generation_id: str) -> Upstream:
        client = service_of(self._clients, generation_id)
        return Upstream(client, generation_id, visitor.caller, self._metrics)

    async def _begin(self, key: Key, upstream: Upstream, wish: Wish) -> Beginning:
        shared = self._shared.get(key)
        if wish.snapshot and not wish.after_sequence:
            return await self._begin_with_snapshot(shared, upstream, wish)
        if shared is not None and shared.live and wish.after_sequence <= shared.tail.last_sequence:
            return Beginning(wish.after_sequence)
        if wish.wait_for_start:
            await upstream.first(wait_for_start=True)
        generation = await upstream.generation()
        last, ended = generation.last_sequence, generation.state in TERMINAL_STATES
        if wish.after_sequence > last:
            first = await upstream.first(after_sequence=wish.after_sequence)
            if first is not None and first.is_reset:
                return Beginning(first.sequence, first, first.ends_run)
        return Beginning(wish.after_sequence, None, ended and wish.after_sequence == last, last)

    async def _begin_with_snapshot(self, shared: Shared | None, upstream: Upstream, wish: Wish) -> Beginning:
        if shared is not None and shared.live:
            async with shared.asking:
                snapshot = shared.snapshot
                if snapshot is None or shared.tail.last_sequence - snapshot.sequence >= SNAPSHOT_REUSE_ENTRIES:
                    snapshot = shared.snapshot = await self._snapshot(upstream, wish)
        else:
            snapshot = await self._snapshot(upstream, wish)
        return Beginning(snapshot.sequence, snapshot, snapshot.ends_run)

    async def _snapshot(self, upstream: Upstream, wish: Wish) -> SharedEntry:
        snapshot = await upstream.first(snapshot=True, wait_for_start=wish.wait_for_start)
        if snapshot is None:
            raise NotFound("there is no such generation", id=upstream.generation_id)
        return snapshot

    @contextmanager
    def attached(self, key: Key, upstream: Upstream, beginning: Beginning) -> Iterator[Tail]:
        """Share the generation's tail for a while; the first who needs one begins it."""
        shared = self._shared.get(key)
        if shared is None or not shared.holds(beginning):
            shared = self._open(key, upstream, beginning)
        shared.upstream.caller = upstream.caller
        shared.watchers += 1
        try:
            yield shared.tail
        finally:
            shared.watchers -= 1
            if not shared.watchers:
                asyncio.get_running_loop().call_later(self._linger_seconds, self._close_unused, key, shared)

    def _open(self, key: Key, upstream: Upstream, beginning: Beginning) -> Shared:
        tail = Tail(upstream, beginning.cursor)
        shared = self._shared[key] = Shared(upstream, tail, self._tasks.create_task(self._feed(tail)))
        if beginning.first is not None and not beginning.first.is_reset:
            shared.snapshot = beginning.first
        return shared

    async def _feed(self, tail: Tail) -> None:
        with self._metrics.upstreams.track_inprogress():
            await tail.feed()

    def _close_unused(self, key: Key, shared: Shared) -> None:
        if shared.watchers:
            return
        shared.task.cancel()
        if self._shared.get(key) is shared:
            del self._shared[key]


class Watch:
    """One watcher's way through a log.

    Args:
        hub: Where tails are shared.
        upstream: The generation.
        key: What the tail is shared by.
        wish: What was asked for.
        beginning: Where to begin.
    """

    def __init__(self, hub: Hub, upstream: Upstream, key: Key, wish: Wish, beginning: Beginning) -> None:
        self._hub = hub
        self._upstream = upstream
        self._key = key
        self._conflate = wish.conflate
        self._beginning = beginning
        self._sequence = 0 if beginning.first is not None else beginning.cursor

    @property
    def sequence(self) -> int:
        """The watcher's cursor: everything up to this entry was handed out. 0 at first if a snapshot or reset comes."""
        return self._sequence

    @property
    def over(self) -> bool:
        """Whether it was clear from the start that nothing comes: the run has ended, and the watcher has all of it."""
        return self._beginning.over and self._beginning.first is None

    async def batches(self) -> AsyncGenerator[Sequence[SharedEntry], None]:
        """Yield the entries, in order, each once, to the end of the run. Raises what ended it before."""
        beginning = self._beginning
        while True:
            if beginning.first is not None:
                self._sequence = beginning.first.sequence
                yield (beginning.first,)
            if beginning.over:
                return
            try:
                async with aclosing(self._from_tail(beginning)) as batches:
                    async for batch in batches:
                        yield batch
            except CursorLost as lost:
                beginning = Beginning(lost.entry.sequence, lost.entry, lost.entry.ends_run)
            else:
                return

    async def _from_tail(self, beginning: Beginning) -> AsyncGenerator[Sequence[SharedEntry], None]:
        with self._hub.attached(self._key, self._upstream, beginning) as tail:
            async with aclosing(tail.watch(beginning.cursor, beginning.last_known)) as batches:
                async for batch in batches:
                    entries = cast("Sequence[SharedEntry]", batch)
                    yield conflated(entries) if self._conflate else entries
                    self._sequence = entries[-1].sequence or self._sequence
