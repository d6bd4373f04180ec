"""What comes of a piece of work, on its way from the dispatcher to whoever asked for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Generic, TypeVar

T = TypeVar("T")

_MOST_UNREAD = 32


class Inbox(Generic[T]):
    """A bounded queue with an end. A reader who does not read holds the writer up; one who has left does not."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[T | Exception | None] = asyncio.Queue(_MOST_UNREAD)
        self._left = False

    @property
    def has_left(self) -> bool:
        """Whether nobody reads any more."""
        return self._left

    async def put(self, item: T) -> None:
        """Add an item; waits while too many are unread."""
        await self._put(item)

    async def end(self, error: Exception | None = None) -> None:
        """Tell the reader that nothing more comes, and why not."""
        await self._put(error)

    async def read(self) -> AsyncGenerator[T, None]:
        """Yield what comes, until the end; raise the error that it ended with."""
        while (item := await self._queue.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item

    def abort(self, error: Exception) -> None:
        """Drop what is unread, and let the reader raise the error. Waits for nobody."""
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait(error)

    def leave(self) -> None:
        """Read no more, and let go of a writer who waits."""
        self._left = True
        while not self._queue.empty():
            self._queue.get_nowait()

    async def _put(self, item: T | Exception | None) -> None:
        if not self._left:
            await self._queue.put(item)
