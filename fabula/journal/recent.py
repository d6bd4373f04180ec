"""Pages of logs that were read lately: who reads what others read spares asking for it, and taking it apart."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fabula.engine.ports import Address, Record

MOST_BYTES = 8 << 20
"""What is kept of pages, by the size of their entries."""

Key = tuple[Address, int]
"""A log, and the revision behind which the page begins."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some records of one log that follow each other.

    Attributes:
        records: The records.
        revision: Of the last message that was read; 0 if there was none.
        deleted: Whether that message says that the log was deleted.
        full: Whether more followed when it was read: then it will never be another.
        size_bytes: Of all entries.
    """

    records: tuple[Record, ...]
    revision: int
    deleted: bool
    full: bool
    size_bytes: int


class RecentStretches:
    """Begins readings, shares those under way, and keeps what cannot change any more.

    Args:
        read: Reads the stretch of a log behind a revision.
    """

    def __init__(self, read: Callable[[Address, int], Awaitable[Stretch]]) -> None:
        self._read = read
        self._tasks: OrderedDict[Key, asyncio.Task[Stretch]] = OrderedDict()
        self._bytes = 0

    def begin(self, address: Address, after: int) -> asyncio.Task[Stretch]:
        """Return the reading of what follows a revision. Await it shielded: others may wait for it as well."""
        key = (address, after)
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.ensure_future(self._read(address, after))
            task.add_done_callback(lambda task: self._done(key, task))
        else:
            self._tasks.move_to_end(key)
        return task

    def _done(self, key: Key, task: asyncio.Task[Stretch]) -> None:
        if task.cancelled() or task.exception() is not None or not task.result().full:
            del self._tasks[key]
            return
        self._bytes += task.result().size_bytes
        for oldest, known in tuple(self._tasks.items()):
            if self._bytes <= MOST_BYTES:
                return
            if known.done():
                self._bytes -= known.result().size_bytes
                del self._tasks[oldest]
