"""One watcher of an owner's generations: the newest of each, in the order in which they became news."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

from fabula.errors import FabulaError, PermissionDenied
from gateway.identity import Visitor
from gateway.owner_feeds import Feeds, News, Told

Item = Told | str
"""What there is to tell: of a generation; or, by its name, that all of a kind have been told of."""


class FeedWatch:
    """What one watcher has still to be told. Implements `Listener`.

    What has not been fetched when there is something newer of the same generation is replaced by it: who reads slowly
    costs a place for each of the owner's generations, and nothing else.

    Args:
        feeds: Where the owner's generations are told of.
        visitor: Who watches.
        kinds: Of which kinds; none: of all.

    Raises:
        InvalidRequest: there is no such kind.
        PermissionDenied: the visitor may read one generation only.
    """

    __slots__ = ("_ended", "_feeds", "_news", "_open", "_visitor", "_waiting")

    def __init__(self, feeds: Feeds, visitor: Visitor, kinds: Sequence[str]) -> None:
        if visitor.generation_id:
            raise PermissionDenied("a ticket is good for reading one generation: the feed of all needs a token")
        self._visitor = visitor
        self._feeds = [feeds.of(kind) for kind in dict.fromkeys(kinds or feeds.kinds)]
        self._waiting: OrderedDict[str, Item] = OrderedDict()
        self._news = asyncio.Event()
        self._ended: FabulaError | None = None
        self._open = True
        for feed in self._feeds:
            feed.join(visitor, self)

    @property
    def waiting(self) -> int:
        """How much there is to fetch."""
        return len(self._waiting)

    async def next(self) -> Item:
        """Return what is to be told next, once there is something.

        Raises:
            FabulaError: nothing more will come.
        """
        while not self._waiting:
            if self._ended is not None:
                raise self._ended.with_traceback(None)  # shared by all who listen: no frames of others are kept
            self._news.clear()
            await self._news.wait()
        return self._waiting.popitem(last=False)[1]

    def renew(self, visitor: Visitor) -> None:
        """Watch on behalf of a fresh token from now on."""
        self._visitor = visitor
        for feed in self._feeds:
            feed.renew(visitor)

    def close(self) -> None:
        """Listen no more. A second time nothing happens."""
        if self._open:
            self._open = False
            for feed in self._feeds:
                feed.leave(self._visitor, self)

    def tell(self, news: News) -> None:
        """Take note of a generation; see `Listener`."""
        self._put(news.id, news.told)

    def gone(self, told: Told) -> None:
        """Take note that a generation was deleted; see `Listener`."""
        self._put(told.generation.id, told)

    def listed(self, kind: str) -> None:
        """Take note that all of a kind are told of; it is said after everything that came before. See `Listener`."""
        self._waiting.pop(kind, None)
        self._put(kind, kind)

    def feed_ended(self, error: FabulaError) -> None:
        """Take note that nothing more will be told; see `Listener`."""
        self._ended = error
        self._news.set()

    def _put(self, key: str, item: Item) -> None:
        self._waiting[key] = item  # what was waiting keeps its place: nothing is put off for ever
        self._news.set()
