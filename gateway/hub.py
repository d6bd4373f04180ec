"""Shares upstream watches: one for each generation and owner, however many watch it here."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from fabula.api.generation.v1 import generation_pb2
from fabula.engine.tail import Tail
from fabula.errors import NotFound
from fabula.rpc.client import Caller, Client
from gateway.entries import TERMINAL_STATES, SharedEntry
from gateway.fan import Fan, Fanned
from gateway.history import History
from gateway.identity import Visitor
from gateway.limits import exceeded
from gateway.metrics import Metrics
from gateway.upstream import Upstream, service_of
from gateway.watch import Beginning, Key, Watch

LINGER_SECONDS = 5.0
"""How long an upstream watch is kept after its last watcher left: a page that is reloaded comes back at once."""

SNAPSHOT_REUSE_ENTRIES = 64
"""A snapshot serves further watchers until the log is so many entries ahead of it."""


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


@dataclass(slots=True)
class Shared:
    """An upstream watch with its tail.

    Attributes:
        hub: Whose it is.
        key: What it is shared by.
        upstream: Where the log comes from.
        tail: Its newest part.
        fan: Carries those who are level with it.
        task: Feeds both.
        watchers: How many read it now.
        left: How often the last of them has left.
        snapshot: The newest snapshot that somebody asked for.
        asking: Held while a snapshot is fetched: many who ask at once are served by one.
    """

    hub: Hub
    key: Key
    upstream: Upstream
    tail: Tail
    fan: Fan
    task: asyncio.Task[None]
    watchers: int = 0
    left: int = 0
    snapshot: SharedEntry | None = None
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def live(self) -> bool:
        """Whether entries may still come."""
        return not (self.tail.closed or self.tail.complete)

    def holds(self, beginning: Beginning) -> bool:
        """Whether a watcher that begins there can be served from here."""
        return self.live or (self.tail.complete and self.tail.last_sequence == beginning.last_known)

    def renew(self, caller: Caller, expires: float | None) -> None:
        """Take note of somebody on whose behalf the log may be watched."""
        self.upstream.renew(caller, expires)

    def leave(self) -> None:
        """Take part no more."""
        self.watchers -= 1
        if not self.watchers:
            self.hub.linger(self)


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

    async def open(self, visitor: Visitor, generation_id: str, wish: Wish) -> Watch:
        """Open a watch, which has to be closed; the generation is known to exist, and to be the visitor's.

        Raises:
            NotFound: there is no such generation, or it is another owner's.
            ResourceExhausted: too many watch it already.
            Unavailable: its service does not answer.
        """
        visitor.check_may_read(generation_id)
        key = (visitor.owner, generation_id)
        self._admit(key)
        try:
            upstream = self._upstream(visitor, generation_id)
            return Watch(self, key, upstream, await self._begin(key, upstream, wish))
        except BaseException:
            self.release(key)
            raise

    def _admit(self, key: Key) -> None:
        if self._watchers[key] >= self._most_watchers:
            self._metrics.limit_met("watchers")
            message = "too many watch this generation: close some, or try again later"
            raise exceeded("watchers", message, id=key[1])
        self._watchers[key] += 1
        self._metrics.watches.inc()

    def release(self, key: Key) -> None:
        """Take note that a watch is over."""
        self._metrics.watches.dec()
        self._watchers[key] -= 1
        if not self._watchers[key]:
            del self._watchers[key]

    def _upstream(self, visitor: Visitor, generation_id: str) -> Upstream:
        client = service_of(self._clients, generation_id)
        return Upstream(client, generation_id, visitor.caller, self._metrics, visitor.expires)

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
        return Beginning(snapshot.sequence, snapshot, snapshot.ends_run, snapshot.sequence)

    async def _snapshot(self, upstream: Upstream, wish: Wish) -> SharedEntry:
        snapshot = await upstream.first(snapshot=True, wait_for_start=wish.wait_for_start)
        if snapshot is None:
            raise NotFound("there is no such generation", id=upstream.generation_id)
        return snapshot

    def attach(self, key: Key, upstream: Upstream, beginning: Beginning) -> Shared:
        """Take part in the generation's stream; the first who needs one begins it."""
        shared = self._shared.get(key)
        if shared is None or not shared.holds(beginning):
            shared = self._open(key, upstream, beginning)
        shared.renew(upstream.caller, upstream.expires)
        shared.watchers += 1
        return shared

    def linger(self, shared: Shared) -> None:
        """Keep a stream that nobody watches for a while."""
        shared.left += 1
        asyncio.get_running_loop().call_later(self._linger_seconds, self._close_unused, shared, shared.left)

    def waiting(self, visitor: Visitor, generation: generation_pb2.Generation) -> SharedEntry | None:
        """Return the newest word on a generation's place in the queue, which is in no log; None if there is none yet.

        Who asks is taken for a watcher that leaves at once: who goes on asking is told what watchers are told.
        """
        key = (visitor.owner, generation.id)
        shared = self.attach(key, self._upstream(visitor, generation.id), Beginning(generation.last_sequence))
        shared.leave()
        return next((entry for entry in shared.fan.shown if entry.body == "waiting"), None)

    def _open(self, key: Key, upstream: Upstream, beginning: Beginning) -> Shared:
        fan = Fan(beginning.cursor, self._metrics)
        tail = Tail(Fanned(History(upstream, beginning.cursor), fan), beginning.cursor)
        task = self._tasks.create_task(self._feed(tail, fan))
        shared = self._shared[key] = Shared(self, key, upstream, tail, fan, task)
        if beginning.first is not None and not beginning.first.is_reset:
            shared.snapshot = beginning.first
        return shared

    async def _feed(self, tail: Tail, fan: Fan) -> None:
        with self._metrics.upstreams.track_inprogress():
            try:
                await tail.feed()
            finally:
                fan.let_all_go()

    def _close_unused(self, shared: Shared, left: int) -> None:
        if shared.watchers or shared.left != left:  # somebody was there meanwhile, and has left later
            return
        shared.task.cancel()
        if self._shared.get(shared.key) is shared:
            del self._shared[shared.key]
