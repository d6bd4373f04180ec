"""Tells of an owner's generations as they come, change and go: one feed for each owner and kind, whoever listens.

What has changed in a generation is not told: who wants to know watches it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import structlog
from google.protobuf.timestamp_pb2 import Timestamp

from fabula.api.generation.v1 import generation_pb2
from fabula.errors import FabulaError, InvalidRequest
from fabula.rpc.client import Caller, Client, Patience
from gateway.entries import TERMINAL_STATES, Frame
from gateway.identity import Visitor
from gateway.race import race

LINGER_SECONDS = 5.0
"""How long a feed is kept after its last listener left: a page that is reloaded comes back at once."""

OPENING_SECONDS = 0.25
"""How long a stream that tells nothing is waited for before it is asked whether there is anything to tell."""

LARGEST_PAGE = 100

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Told:
    """What is known of a generation, shared by all who listen.

    Attributes:
        generation: The generation in short. Nobody may change it.
        deleted: Whether it is gone; of the generation there are then only id and kind.
    """

    generation: generation_pb2.Generation
    deleted: bool = False
    _frames: dict[str, Frame] = field(default_factory=dict, compare=False, repr=False)

    @property
    def ended(self) -> bool:
        """Whether its run is over."""
        return self.generation.state in TERMINAL_STATES

    def frame(self, dialect: str, encode: Callable[[Told], Frame]) -> Frame:
        """Return this in a dialect; `encode` is asked the first time only."""
        frame = self._frames.get(dialect)
        if frame is None:
            frame = self._frames[dialect] = encode(self)
        return frame


@dataclass(frozen=True, slots=True)
class News:
    """A generation that is there, or has changed.

    Attributes:
        told: What is known of it.
        before: Where its log ended when it was last told of; 0 if it is new; None if it was there before the feed.
    """

    told: Told
    before: int | None

    @property
    def id(self) -> str:
        """Which one."""
        return self.told.generation.id

    @property
    def last_sequence(self) -> int:
        """Where its log now ends."""
        return self.told.generation.last_sequence

    @property
    def goes_on(self) -> bool:
        """Whether it is going on, or has ended since it was last told of."""
        return not self.told.ended or (self.before is not None and self.before < self.last_sequence)


class Listener(Protocol):
    """Who wants to know."""

    def tell(self, news: News) -> None:
        """Take note of a generation that is there, or has changed."""
        ...

    def gone(self, told: Told) -> None:
        """Take note that a generation was deleted."""
        ...

    def listed(self, kind: str) -> None:
        """Take note that all there were of a kind have been told of. Comes again after the service was lost."""
        ...

    def feed_ended(self, error: FabulaError) -> None:
        """Take note that nothing more will be told."""
        ...


@dataclass(slots=True)
class Feed:
    """One owner's generations of one kind.

    Attributes:
        visitor: On whose behalf: whoever of the owner's listeners has the token that holds longest.
        listeners: Who is told.
        known: The generations there are.
        dropped: Those that were deleted while all are being listed: a page that is on its way may name them still.
        listed: Whether these are all.
        opened: When the newest generation was begun that was there before the feed; None: that is not known yet.
        task: Reads the service.
    """

    visitor: Visitor
    listeners: set[Listener] = field(default_factory=set)
    known: dict[str, Told] = field(default_factory=dict)
    dropped: set[str] | None = None
    listed: bool = False
    opened: Timestamp | None = None
    task: asyncio.Task[None] | None = None


class OwnerFeeds:
    """The feeds of all owners who have listeners, of one kind.

    Args:
        client: The service.
        spawn: Begins a task.
    """

    def __init__(self, client: Client, spawn: Callable[..., asyncio.Task[None]]) -> None:
        self._client = client
        self._kind = client.kind.name
        self._spawn = spawn
        self._feeds: dict[str, Feed] = {}

    def join(self, visitor: Visitor, listener: Listener) -> None:
        """Tell this listener from now on; first, of what there is already. A second time nothing happens."""
        feed = self._feeds.get(visitor.owner)
        if feed is None:
            feed = self._feeds[visitor.owner] = Feed(visitor)
            feed.task = self._spawn(self._read(visitor.owner, feed))
        self.renew(visitor)
        feed.listeners.add(listener)
        for told in tuple(feed.known.values()):
            listener.tell(News(told, None))
        if feed.listed:
            listener.listed(self._kind)

    def renew(self, visitor: Visitor) -> None:
        """Ask on behalf of this visitor from now on, if there is a feed, and if their token holds longer."""
        feed = self._feeds.get(visitor.owner)
        if feed is not None and holds_longer(visitor, feed.visitor):
            feed.visitor = visitor

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
        error = await self._read_on(feed)
        log.info("owner_feed_ended", code=error.code)
        if self._feeds.get(owner) is feed:
            del self._feeds[owner]
        for listener in tuple(feed.listeners):
            listener.feed_ended(error)

    async def _read_on(self, feed: Feed) -> FabulaError:
        """Read the service for as long as it lets us, over as many connections as that takes; return why no longer."""
        patience = Patience()
        while True:
            visitor, begun = feed.visitor, asyncio.Event()
            try:
                if feed.opened is None:
                    feed.opened = await self._newest(visitor.caller)
                await race(self._take_in(feed, visitor, begun, patience), self._list(feed, visitor.caller, begun))
            except FabulaError as error:
                if not error.retryable and visitor is feed.visitor:  # else it was a token that has expired
                    return error
                await patience.wait()
            except Exception:
                log.exception("owner_feed_failed")
                return FabulaError("something went wrong inside: come back later")
            else:
                await asyncio.sleep(1.0)  # the service ends its streams when it restarts

    async def _newest(self, caller: Caller) -> Timestamp:
        """Return when the newest generation was begun: the feed tells of older ones as well, and does not say so."""
        request = self._client.kind.request("ListGenerations")(page_size=1)
        generations = (await self._client.call("ListGenerations", request, caller)).generations
        return generations[0].create_time if generations else Timestamp()

    async def _take_in(self, feed: Feed, visitor: Visitor, begun: asyncio.Event, patience: Patience) -> None:
        kind = self._client.kind
        request = kind.request("WatchGenerations")()
        async with aclosing(self._client.stream("WatchGenerations", request, visitor.caller)) as responses:
            async for data in responses:
                patience.reset()
                begun.set()
                response: Any = kind.response("WatchGenerations").FromString(data)
                if response.deleted:
                    self._drop(feed, response.generation.id)
                else:
                    self._take(feed, response.generation)

    async def _list(self, feed: Feed, caller: Caller, begun: asyncio.Event) -> None:
        """Find out what there is once changes are told of: a stream does not say when it has told of all there is.

        Nor does it tell what was deleted while nobody listened.
        """
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(OPENING_SECONDS):
                    await begun.wait()
            complete, known, dropped = begun.is_set(), set(feed.known), set[str]()
            feed.dropped = dropped
            there = await self._all(caller)
            feed.dropped = None
            for generation in there:
                if generation.id not in dropped:
                    self._take(feed, generation)
            if complete or not there:
                break
        for id_ in known - {generation.id for generation in there}:
            self._drop(feed, id_)
        feed.listed = True
        for listener in tuple(feed.listeners):
            listener.listed(self._kind)
        await asyncio.Event().wait()  # until the stream ends

    async def _all(self, caller: Caller) -> list[generation_pb2.Generation]:
        found: list[generation_pb2.Generation] = []
        request: Any = self._client.kind.request("ListGenerations")(page_size=LARGEST_PAGE)
        while True:
            page = await self._client.call("ListGenerations", request, caller)
            found.extend(page.generations)
            request.page_token = page.next_page_token
            if not request.page_token:
                return found

    def _take(self, feed: Feed, generation: generation_pb2.Generation) -> None:
        known = feed.known.get(generation.id)
        if known is not None and known.generation.last_sequence >= generation.last_sequence:
            return
        told = feed.known[generation.id] = Told(generation)
        before = None if known is None else known.generation.last_sequence
        opened = feed.opened or Timestamp()
        if known is None and generation.create_time.ToNanoseconds() > opened.ToNanoseconds():
            before = 0
        news = News(told, before)
        for listener in tuple(feed.listeners):
            listener.tell(news)

    def _drop(self, feed: Feed, generation_id: str) -> None:
        if feed.dropped is not None:
            feed.dropped.add(generation_id)
        if feed.known.pop(generation_id, None) is not None:
            told = Told(generation_pb2.Generation(id=generation_id, kind=self._kind), deleted=True)
            for listener in tuple(feed.listeners):
                listener.gone(told)


class Feeds:
    """The feeds of all kinds. An async context manager: leaving it ends all of them.

    Args:
        clients: The services, by kind.
    """

    def __init__(self, clients: Mapping[str, Client]) -> None:
        self._tasks = asyncio.TaskGroup()
        self._running: set[asyncio.Task[None]] = set()
        self._kinds = {kind: OwnerFeeds(client, self._begin) for kind, client in clients.items()}

    async def __aenter__(self) -> Self:
        """Begin."""
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        """End all feeds."""
        for task in self._running:
            task.cancel()
        await self._tasks.__aexit__(None, None, None)

    def _begin(self, coroutine: Any) -> asyncio.Task[None]:
        task = self._tasks.create_task(coroutine)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of this installation."""
        return tuple(self._kinds)

    def of(self, kind: str) -> OwnerFeeds:
        """Return the feeds of a kind. Raises `InvalidRequest` where there is no such generator."""
        feeds = self._kinds.get(kind)
        if feeds is None:
            problem = f"must be one of: {', '.join(self._kinds)}"
            raise InvalidRequest(f"kind {problem}", (("kind", problem),))
        return feeds


def holds_longer(visitor: Visitor, other: Visitor) -> bool:
    """Say whether the identity of one holds longer than that of another, or no less."""
    return visitor.expires is None or (other.expires is not None and visitor.expires >= other.expires)
