"""Tells of an owner's generations as they are started and change: one feed for each owner, however many listen.

What has changed in a generation is not told: who wants to know watches it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Protocol

import structlog
from google.protobuf.timestamp_pb2 import Timestamp

from fabula.api.generation.v1 import generation_pb2
from fabula.errors import FabulaError
from fabula.rpc.client import Caller, Client, Patience
from gateway.entries import TERMINAL_STATES
from gateway.identity import Visitor

LINGER_SECONDS = 5.0
"""How long a feed is kept after its last listener left: a page that is reloaded comes back at once."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class News:
    """A generation that is going on, or has ended since it was last told of.

    Attributes:
        id: Which one.
        last_sequence: Where its log now ends.
        ended: Whether its run is over.
        before: Where its log ended when it was last told of; 0 if it is new; None if it was there before the feed.
    """

    id: str
    last_sequence: int
    ended: bool
    before: int | None


class Listener(Protocol):
    """Who wants to know."""

    def tell(self, news: News) -> None:
        """Take note of a generation that goes on, or has ended."""
        ...

    def gone(self, generation_id: str) -> None:
        """Take note that a generation was deleted."""
        ...

    def feed_ended(self) -> None:
        """Take note that nothing more will be told."""
        ...


@dataclass(slots=True)
class Feed:
    """One owner's generations of one kind.

    Attributes:
        visitor: On whose behalf: whoever of the owner's listeners has the token that holds longest.
        listeners: Who is told.
        known: The generations there are: where their logs end, and whether their runs are over.
        task: Reads the service.
    """

    visitor: Visitor
    listeners: set[Listener] = field(default_factory=set)
    known: dict[str, tuple[int, bool]] = field(default_factory=dict)
    task: asyncio.Task[None] | None = None


class OwnerFeeds:
    """The feeds of all owners who have listeners.

    Args:
        client: The service.
        spawn: Begins a task.
    """

    def __init__(self, client: Client, spawn: Callable[..., asyncio.Task[None]]) -> None:
        self._client = client
        self._spawn = spawn
        self._feeds: dict[str, Feed] = {}

    def join(self, visitor: Visitor, listener: Listener) -> None:
        """Tell this listener from now on; first, of what is going on already."""
        feed = self._feeds.get(visitor.owner)
        if feed is None:
            feed = self._feeds[visitor.owner] = Feed(visitor)
            feed.task = self._spawn(self._read(visitor.owner, feed))
        if holds_longer(visitor, feed.visitor):
            feed.visitor = visitor
        feed.listeners.add(listener)
        for id_, (last_sequence, ended) in tuple(feed.known.items()):
            if not ended:
                listener.tell(News(id_, last_sequence, ended, None))

    def leave(self, visitor: Visitor, listener: Listener) -> None:
        """Tell this listener no more."""
        feed = self._feeds.get(visitor.owner)
        if feed is None or listener not in feed.listeners:
            return
        feed.listeners.remove(listener)
        if not feed.listeners:
            asyncio.get_running_loop().call_later(LINGER_SECONDS, self._close_unused, visitor.owner, feed)

    def _close_unused(self, owner: str, feed: Feed) -> None:
        if not feed.listeners and feed.task is not None:
            feed.task.cancel()
            if self._feeds.get(owner) is feed:
                del self._feeds[owner]

    async def _read(self, owner: str, feed: Feed) -> None:
        patience = Patience()
        opened: Timestamp | None = None
        try:
            while True:
                visitor = feed.visitor
                try:
                    if opened is None:
                        opened = await self._newest(visitor.caller)
                    request = self._client.kind.request("WatchGenerations")()
                    async with aclosing(self._client.stream("WatchGenerations", request, visitor.caller)) as responses:
                        async for data in responses:
                            patience.reset()
                            self._take(feed, self._client.kind.response("WatchGenerations").FromString(data), opened)
                except FabulaError as error:
                    if not error.retryable and visitor is feed.visitor:  # else it was a token that has expired
                        log.info("owner_feed_ended", code=error.code)
                        return
                    await patience.wait()
                else:
                    await asyncio.sleep(1.0)  # the service ends its streams when it restarts
        finally:
            if self._feeds.get(owner) is feed:
                del self._feeds[owner]
            for listener in tuple(feed.listeners):
                listener.feed_ended()

    async def _newest(self, caller: Caller) -> Timestamp:
        """Return when the newest generation was begun: the feed tells of older ones as well, and does not say so."""
        request = self._client.kind.request("ListGenerations")(page_size=1)
        generations = (await self._client.call("ListGenerations", request, caller)).generations
        return generations[0].create_time if generations else Timestamp()

    def _take(self, feed: Feed, response: object, opened: Timestamp) -> None:
        generation: generation_pb2.Generation = response.generation  # type: ignore[attr-defined]  # of any kind
        if response.deleted:  # type: ignore[attr-defined]  # of any kind
            feed.known.pop(generation.id, None)
            for listener in tuple(feed.listeners):
                listener.gone(generation.id)
            return
        ended, last = generation.state in TERMINAL_STATES, generation.last_sequence
        known = feed.known.get(generation.id)
        feed.known[generation.id] = (last, ended)
        before: int | None = None if known is None else known[0]
        if known is None and generation.create_time.ToNanoseconds() > opened.ToNanoseconds():
            before = 0
        if ended and (before is None or before >= last):
            return
        for listener in tuple(feed.listeners):
            listener.tell(News(generation.id, last, ended, before))


def holds_longer(visitor: Visitor, other: Visitor) -> bool:
    """Say whether the identity of one holds longer than that of another, or no less."""
    return visitor.expires is None or (other.expires is not None and visitor.expires >= other.expires)
