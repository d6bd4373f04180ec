"""Earlier parts of a live log, for those who are further back than its tail remembers: read in pages that they share.

However many are behind, and however slowly they read, a page is asked of the service once while it is kept, few pages
are asked for at a time, and no connection to the service waits for a client.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Protocol
from weakref import WeakValueDictionary

from fabula.engine.ports import Entry
from fabula.errors import Unavailable
from gateway.entries import SharedEntry

PAGE_ENTRIES = 64
"""Entries of a page; pages begin at its multiples."""

MOST_BYTES = 1024 * 1024
"""Stored bytes of the pages that are kept of one log; decoded and framed they may be several times as many."""

BATCH_ENTRIES = 8
"""Entries that one who is behind holds at a time: a page that was dropped is not kept by slow readers."""

MOST_READS = 4
"""Pages of one log that are read at a time."""

Page = Sequence[SharedEntry]


class Follows(Protocol):
    """A log that can be followed from any place."""

    def follow(self, after_sequence: int) -> AsyncGenerator[Sequence[Entry], None]:
        """Yield what follows, each entry once."""
        ...


class History:
    """One log: what comes, as its service tells it, and its earlier parts. Implements `fabula.engine.tail.Source`.

    Args:
        upstream: The log, at its service.
        last_sequence: An entry that the log has; nothing is read behind the newest that is known.
    """

    def __init__(self, upstream: Follows, last_sequence: int) -> None:
        self._upstream = upstream
        self._last = last_sequence
        self._pages: OrderedDict[int, Page] = OrderedDict()
        self._bytes = 0
        self._locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self._reads = asyncio.Semaphore(MOST_READS)

    async def follow(self, after_sequence: int) -> AsyncGenerator[Sequence[Entry], None]:
        """Yield what follows and what comes; see `Source`."""
        async with aclosing(self._upstream.follow(after_sequence)) as batches:
            async for batch in batches:
                self._last = max(self._last, batch[-1].sequence)
                yield batch

    async def read(self, after_sequence: int) -> AsyncGenerator[Page, None]:
        """Yield what follows the cursor, up to what is known, in small batches.

        Raises:
            CursorLost: the service answered with a reset.
            FabulaError: the service refused for good.
        """
        cursor = after_sequence
        while cursor < self._last:
            batch = await self._batch(cursor)
            yield batch
            cursor = batch[-1].sequence

    async def _batch(self, cursor: int) -> Page:
        number = cursor // PAGE_ENTRIES
        page = await self._page(number, cursor + 1)
        start = cursor - number * PAGE_ENTRIES
        return page[start : start + BATCH_ENTRIES]

    async def _page(self, number: int, needed: int) -> Page:
        """Return a page, at least up to the entry that is needed."""
        lock = self._locks.setdefault(number, asyncio.Lock())
        async with lock:  # who comes second finds it there; who gives up leaves the reading to the next
            page = self._pages.get(number)
            if page is None or page[-1].sequence < needed:
                async with self._reads:
                    page = await self._ask(number)
                self._keep(number, page)
            else:
                self._pages.move_to_end(number)
            return page

    async def _ask(self, number: int) -> Page:
        first = number * PAGE_ENTRIES
        last = min(first + PAGE_ENTRIES, self._last)
        page: list[SharedEntry] = []
        async with aclosing(self._upstream.follow(first)) as batches:
            async for batch in batches:
                for entry in batch:
                    assert isinstance(entry, SharedEntry)  # noqa: S101 - what `Upstream` yields
                    if entry.sequence:
                        page.append(entry)
                if page and page[-1].sequence >= last:
                    return page
        # The log was known to go further: it was cut short, which whoever follows it is told.
        raise Unavailable("the log ended before its known end: watch again, from the last event you have")

    def _keep(self, number: int, page: Page) -> None:
        """Keep a page, and let go of those that were used longest ago."""
        self._bytes += _size(page) - _size(self._pages.pop(number, ()))
        self._pages[number] = page
        while self._bytes > MOST_BYTES and len(self._pages) > 1:
            _, oldest = self._pages.popitem(last=False)
            self._bytes -= _size(oldest)


def _size(page: Page) -> int:
    return sum(len(entry.data) for entry in page)
