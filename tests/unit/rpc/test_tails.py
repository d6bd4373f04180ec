"""The logs that a server's watchers share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest

from fabula.engine.ports import Address, Entry, GenerationId, Record, Tag
from fabula.errors import Unavailable
from fabula.rpc.tails import Tails

ADDRESS = Address("story", "ida", GenerationId("story-1"))
RECORD = Record(1, "a", (Entry(1, Tag.STATE, b"accepted"), Entry(2, Tag.TERMINAL, b"cancelled")))


class LogThatIsAwayAtFirst:
    """A log that does not answer the first who follows it."""

    def __init__(self) -> None:
        self.asked = 0

    async def read(self, _address: Address, _after_sequence: int = 0) -> AsyncGenerator[Record, None]:
        """Yield the log."""
        yield RECORD

    async def follow(self, _address: Address, _after_sequence: int = 0) -> AsyncGenerator[Record, None]:
        """Fail once, then yield the log."""
        self.asked += 1
        if self.asked == 1:
            raise Unavailable("the journal is away")
        yield RECORD
        await asyncio.Event().wait()


class NothingToShow:
    """Stands for previews of which there are none."""

    async def follow(self, _address: Address) -> AsyncGenerator[Entry, None]:
        """Yield nothing, without end."""
        nothing: list[Entry] = []
        for entry in nothing:
            yield entry
        await asyncio.Event().wait()


async def test_a_tail_that_has_failed_is_not_given_to_who_comes_later() -> None:
    """Though an earlier watcher, who does not read, still holds it."""
    log = LogThatIsAwayAtFirst()
    ports: list[Any] = [log, NothingToShow(), None, None, None]
    async with Tails(*ports) as tails, tails.open(ADDRESS, 0) as old:
        with pytest.raises(Unavailable):
            await anext(old.watch(0))
        async with tails.open(ADDRESS, 0) as new, aclosing(new.watch(0)) as batches:
            seen = [entry.sequence async for batch in batches for entry in batch]

    assert [1, 2] == seen


class CountedLog:
    """A log that has ended, and counts how often its record is read."""

    def __init__(self) -> None:
        self.reads = 0

    async def read(self, _address: Address, _after_sequence: int = 0) -> AsyncGenerator[Record, None]:
        """Yield the log."""
        self.reads += 1
        yield RECORD

    async def follow(self, _address: Address, after_sequence: int = 0) -> AsyncGenerator[Record, None]:
        """Yield what follows, and wait without end."""
        if after_sequence < RECORD.last_sequence:
            self.reads += 1
            yield RECORD
        await asyncio.Event().wait()


async def test_what_lies_before_a_tail_is_read_once() -> None:
    """A log that has ended is told from its source, to its end, and its tail does not read it a second time."""
    log = CountedLog()
    ports: list[Any] = [log, NothingToShow(), None, None, None]
    async with (
        Tails(*ports) as tails,
        tails.open(ADDRESS, 2, terminal=True) as tail,
        aclosing(tail.watch(0, 2)) as batches,
    ):
        seen = [entry.sequence async for batch in batches for entry in batch]

    assert [1, 2] == seen
    assert 1 == log.reads
