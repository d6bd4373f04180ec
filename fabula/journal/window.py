"""A bounded stretch of what has arrived: a reader that is too slow costs no memory and is told that it missed some."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_ITEMS = 512
MAX_BYTES = 4 << 20


class Window(Generic[T]):
    """Hands what one side pushes to the one reader on the other, in order, until there is too much.

    On overflow everything is forgotten at once: the reader gets None and reads the log instead.
    """

    def __init__(self, max_items: int = MAX_ITEMS, max_bytes: int = MAX_BYTES) -> None:
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._items: deque[tuple[T, int]] = deque()
        self._size_bytes = 0
        self._forgotten = False
        self._arrived = asyncio.Event()

    def push(self, item: T, size_bytes: int = 0) -> None:
        """Add an item, or forget all if it does not fit."""
        if len(self._items) >= self._max_items or self._size_bytes + size_bytes > self._max_bytes:
            self.forget()
            return
        self._items.append((item, size_bytes))
        self._size_bytes += size_bytes
        self._arrived.set()

    def forget(self) -> None:
        """Drop everything and let the reader know."""
        self._items.clear()
        self._size_bytes = 0
        self._forgotten = True
        self._arrived.set()

    async def take(self, timeout_seconds: float | None = None) -> T | None:
        """Return the next item; None if some were forgotten since the last call, or nothing came in time."""
        if not await self._something(timeout_seconds):
            return None
        if self._forgotten:
            self._forgotten = False
            self._settle()
            return None
        item, size_bytes = self._items.popleft()
        self._size_bytes -= size_bytes
        self._settle()
        return item

    async def _something(self, timeout_seconds: float | None) -> bool:
        if self._arrived.is_set():
            return True
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._arrived.wait()
        except TimeoutError:
            return False

    def _settle(self) -> None:
        if not self._items:
            self._arrived.clear()
