"""Readings of logs that are shared, and those that are kept."""

from __future__ import annotations

import asyncio

import pytest

from fabula.engine.ports import Address, Entry, GenerationId, Record, Tag
from fabula.errors import Unavailable
from fabula.journal.recent import MOST_BYTES, RecentStretches, Stretch

ADDRESS = Address("story", "ida", GenerationId("story-1"))


class Shelf:
    """Counts what is read from it; the end of its log is at 100."""

    def __init__(self, size_bytes: int = 1) -> None:
        self.asked: list[int] = []
        self.away = False
        self._size_bytes = size_bytes

    async def read(self, _address: Address, after: int) -> Stretch:
        """Return one record."""
        self.asked.append(after)
        await asyncio.sleep(0)
        if self.away:
            raise Unavailable("the journal is away")
        record = Record(after + 1, "a", (Entry(after + 1, Tag.TEXT, b""),))
        return Stretch((record,), after + 1, deleted=False, full=after < 100, size_bytes=self._size_bytes)


async def test_readers_share_a_reading_and_what_came_of_it() -> None:
    """Two who read at once, and one who reads later, cost one reading."""
    shelf = Shelf()
    recent = RecentStretches(shelf.read)

    first, second = await asyncio.gather(*(asyncio.shield(recent.begin(ADDRESS, 7)) for _ in range(2)))
    third = await asyncio.shield(recent.begin(ADDRESS, 7))

    assert first is second is third
    assert [7] == shelf.asked


async def test_the_end_of_a_log_is_read_again() -> None:
    """More may follow there by now."""
    shelf = Shelf()
    recent = RecentStretches(shelf.read)

    for _ in range(2):
        await asyncio.shield(recent.begin(ADDRESS, 100))

    assert [100, 100] == shelf.asked


async def test_a_failure_is_not_kept() -> None:
    """All who wait are told, and who comes later asks again."""
    shelf = Shelf()
    recent = RecentStretches(shelf.read)
    shelf.away = True
    with pytest.raises(Unavailable):
        await asyncio.shield(recent.begin(ADDRESS, 7))
    shelf.away = False

    await asyncio.shield(recent.begin(ADDRESS, 7))

    assert [7, 7] == shelf.asked


async def test_a_reader_who_leaves_takes_nothing_from_the_others() -> None:
    """Its cancel does not reach the reading."""
    shelf = Shelf()
    recent = RecentStretches(shelf.read)

    async def read() -> Stretch:
        return await asyncio.shield(recent.begin(ADDRESS, 7))

    leaver, stayer = asyncio.create_task(read()), asyncio.create_task(read())
    await asyncio.sleep(0)
    leaver.cancel()

    assert 8 == (await stayer).revision


async def test_what_is_kept_is_bounded() -> None:
    """What was used longest ago goes first."""
    shelf = Shelf(size_bytes=MOST_BYTES // 3)
    recent = RecentStretches(shelf.read)
    for after in (1, 2, 3, 1, 4, 1, 2):
        await asyncio.shield(recent.begin(ADDRESS, after))

    assert [1, 2, 3, 4, 2] == shelf.asked
