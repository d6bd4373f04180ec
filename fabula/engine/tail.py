"""One live log in memory, read by any number of watchers at their own pace.

A watcher is a position, not a queue: a slow one holds nobody up and costs no memory, it is simply further back. The
tail keeps the newest part of the log; who is behind that reads on from the source.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Protocol, TypeVar

from fabula.engine.ports import Entry, Tag

WINDOW_BYTES = 512 * 1024
"""What a tail holds of its log at most."""

BATCH_ENTRIES = 64
"""Entries that a watcher is given at once at most."""

AnyEntry = TypeVar("AnyEntry", bound=Entry)


class Source(Protocol):
    """Where a tail's log comes from."""

    def follow(self, after_sequence: int) -> AsyncGenerator[Sequence[Entry], None]:
        """Yield what follows `after_sequence`, then what comes, without gap or overlap, until closed.

        Ephemeral entries (sequence 0) may come in between. Ends when no more can come (see `Tail.feed`).
        """
        ...

    def read(self, after_sequence: int) -> AsyncGenerator[Sequence[Entry], None]:
        """Yield what follows `after_sequence` and is there now; then end, or wait to be closed by the reader.

        No batch is empty, and none holds ephemeral entries.
        """
        ...


class Tail:
    """One log with its watchers.

    Args:
        source: Where it comes from.
        after_sequence: The tail holds what comes after this; earlier entries are read from the source.
        terminal: Whether the entry of that sequence ends a run.
    """

    def __init__(self, source: Source, after_sequence: int = 0, *, terminal: bool = False) -> None:
        self._source = source
        self._entries: deque[Entry] = deque()
        self._bytes = 0
        self._last = after_sequence
        self._terminal = terminal
        self._ephemeral: dict[tuple[Tag, int], tuple[int, Entry]] = {}
        self._version = 0
        self._news = asyncio.Event()
        self._ended: BaseException | None = None
        self._closed = False
        self._known = 0

    @property
    def last_sequence(self) -> int:
        """The newest entry's sequence."""
        return self._last

    @property
    def complete(self) -> bool:
        """Whether the newest entry ends the last run there is: nothing more comes, unless it is retried."""
        return self._terminal and self._last >= self._known

    @property
    def closed(self) -> bool:
        """Whether nothing is taken in any more: the source has ended, or failed."""
        return self._closed

    async def feed(self) -> None:
        """Take in the source until it ends or this is cancelled. One task runs it for all watchers.

        An error of the source ends every watcher with that error.
        """
        try:
            async with aclosing(self._source.follow(self._last)) as batches:
                async for batch in batches:
                    self._take_in(batch)
        except Exception as error:  # noqa: BLE001 - every watcher is told
            self._ended = error
        finally:
            self._closed = True
            self._wake()

    def fail(self, error: Exception) -> None:
        """End every watcher with `error` once it has what is here."""
        self._ended, self._closed = error, True
        self._wake()

    def show(self, entry: Entry) -> None:
        """Take in an ephemeral entry that comes from elsewhere than the source."""
        self._take_in((entry,))

    def _take_in(self, batch: Sequence[Entry]) -> None:
        for entry in batch:
            if not entry.sequence:
                self._version += 1
                self._ephemeral[entry.tag, entry.place] = (self._version, entry)
                continue
            self._entries.append(entry)
            self._bytes += len(entry.data)
            self._last = entry.sequence
            self._terminal = entry.tag is Tag.TERMINAL
            if entry.tag in (Tag.STATE, Tag.TERMINAL):
                self._ephemeral.clear()  # what was shown of the state before is not true any more
        while self._bytes > WINDOW_BYTES and len(self._entries) > 1:
            self._bytes -= len(self._entries.popleft().data)
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def watch(self, after_sequence: int, known: int = 0) -> AsyncGenerator[Sequence[Entry], None]:
        """Yield every entry after the cursor, in order, each once, until the run has ended and all was yielded.

        Ephemeral entries come in between, only the newest of each tag and place, and none that the state has left
        behind. Raises what the source raised.

        Args:
            after_sequence: The cursor.
            known: A sequence that the log is known to have: an earlier run that ended before it is not the end.
        """
        self._known = max(self._known, known)
        cursor, seen = after_sequence, 0
        while True:
            news, before = self._news, cursor
            if cursor < self._last:
                async with aclosing(self._behind(cursor)) as batches:
                    async for batch in batches:
                        cursor = batch[-1].sequence
                        yield batch
            if cursor > before:
                continue
            ended = self.complete and cursor == self._last
            if ended or self._closed:
                if self._ended is not None and not ended:
                    raise self._ended.with_traceback(None)  # many raise it: it must not gather all their frames
                return
            fresh = [entry for version, entry in self._ephemeral.values() if version > seen]
            seen = self._version
            if fresh:
                yield fresh
                continue
            await news.wait()

    async def _behind(self, cursor: int) -> AsyncGenerator[Sequence[Entry], None]:
        """Yield what a watcher at `cursor` lacks: a batch from memory, or all the source has if it is too far back."""
        if self._entries and cursor >= self._entries[0].sequence - 1:
            start = bisect_right(self._entries, cursor, key=lambda entry: entry.sequence)
            stop = min(start + BATCH_ENTRIES, len(self._entries))
            yield [self._entries[index] for index in range(start, stop)]
            return
        async with aclosing(self._source.read(cursor)) as batches:
            async for batch in batches:
                yield batch
                if batch[-1].sequence >= self._first_in_memory() - 1:
                    return

    def _first_in_memory(self) -> int:
        return self._entries[0].sequence if self._entries else self._last + 1


def conflated(batch: Sequence[AnyEntry]) -> Sequence[AnyEntry]:
    """Leave out progress that a later entry of the batch supersedes."""
    return [entry for entry in batch[:-1] if entry.tag is not Tag.PROGRESS] + [batch[-1]]
