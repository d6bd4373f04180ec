"""Earlier parts of a log, read by many who are behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import pytest

from fabula.api.story.v1 import story_pb2
from fabula.engine.ports import Tag
from fabula.errors import NotFound, Unavailable
from gateway import history
from gateway.entries import SharedEntry
from gateway.history import BATCH_ENTRIES, MOST_READS, PAGE_ENTRIES, History

RESPONSE = story_pb2.WatchProgressResponse()


class Log:
    """A service's log, which counts its readers.

    Attributes:
        asked: The cursors from which it was followed.
        open: How many follow it now.
        most: How many did at a time.
        gate: Nothing is told while it is closed.
        error: What readers are told instead.
    """

    def __init__(self, last: int, size: int = 10) -> None:
        self.entries = [
            SharedEntry(n, Tag.TEXT, b"x" * size, "story-1", RESPONSE, "text_delta") for n in range(1, last + 1)
        ]
        self.asked: list[int] = []
        self.open = self.most = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    @property
    def last(self) -> int:
        """The newest entry's sequence."""
        return len(self.entries)

    async def follow(self, after_sequence: int) -> AsyncGenerator[Sequence[SharedEntry], None]:
        """Yield entry after entry; behind the last it waits for ever, as a live log does."""
        self.asked.append(after_sequence)
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            await self.gate.wait()
            if self.error is not None:
                raise self.error
            for entry in self.entries[after_sequence:]:
                await asyncio.sleep(0)
                yield (entry,)
            await asyncio.Event().wait()
        finally:
            self.open -= 1


async def all_behind(reader: History, cursor: int) -> list[int]:
    """Return the sequences that one who is behind is given."""
    found: list[int] = []
    async with asyncio.timeout(5), aclosing(reader.read(cursor)) as batches:
        async for batch in batches:
            assert 0 < len(batch) <= BATCH_ENTRIES
            found += [entry.sequence for entry in batch]
            await asyncio.sleep(0)
    return found


async def test_many_behind_share_what_is_read() -> None:
    """From wherever each is, everything to the known end, once and in order; each page is asked for once."""
    log = Log(5 * PAGE_ENTRIES + 7)
    reader = History(log, log.last)
    cursors = [number * 13 % log.last for number in range(100)]
    seen = await asyncio.gather(*(all_behind(reader, cursor) for cursor in cursors))

    assert [list(range(cursor + 1, log.last + 1)) for cursor in cursors] == seen
    assert [number * PAGE_ENTRIES for number in range(6)] == sorted(log.asked)
    assert 0 == log.open
    assert log.most <= MOST_READS


async def test_a_page_that_was_not_full_is_read_again_when_the_log_has_grown() -> None:
    """What was its end then is in the middle of a page now."""
    log = Log(3)
    reader = History(log, log.last)
    assert [1, 2, 3] == await all_behind(reader, 0)
    log.entries += Log(PAGE_ENTRIES + 2).entries[3:]
    async with aclosing(reader.follow(3)) as news:
        while (await anext(news))[-1].sequence < log.last:
            pass

    assert list(range(3, PAGE_ENTRIES + 3)) == await all_behind(reader, 2)
    assert [0, 3, 0, PAGE_ENTRIES] == log.asked


async def test_nothing_is_read_for_who_has_all() -> None:
    """Up to what is known; what comes is the tail's."""
    log = Log(9)

    assert [] == await all_behind(History(log, 9), 9)
    assert list(range(1, 6)) == await all_behind(History(log, 5), 0)
    assert [0] == log.asked


async def test_few_pages_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were used last; what is larger than the bound by itself is kept until the next."""
    log = Log(4 * PAGE_ENTRIES, size=100)
    monkeypatch.setattr(history, "MOST_BYTES", 2 * PAGE_ENTRIES * 100)
    reader = History(log, log.last)
    for cursor in (0, PAGE_ENTRIES, 0, 2 * PAGE_ENTRIES, 0, PAGE_ENTRIES):
        async with aclosing(reader.read(cursor)) as batches:
            assert cursor + 1 == (await anext(batches))[0].sequence

    assert [0, PAGE_ENTRIES, 2 * PAGE_ENTRIES, PAGE_ENTRIES] == log.asked
    assert sorted(reader._pages) == [0, 1]
    assert reader._bytes == 2 * PAGE_ENTRIES * 100


async def test_who_gives_up_keeps_nobody_from_reading() -> None:
    """The next in line reads the page."""
    log = Log(PAGE_ENTRIES)
    reader = History(log, log.last)
    log.gate.clear()
    hasty, patient = (asyncio.create_task(all_behind(reader, 0)) for _ in range(2))
    while not log.asked:  # noqa: ASYNC110 - a bounded poll
        await asyncio.sleep(0)
    hasty.cancel()
    log.gate.set()

    assert list(range(1, PAGE_ENTRIES + 1)) == await patient
    assert [0, 0] == log.asked
    assert 0 == log.open


async def test_trouble_is_told_to_each_and_kept_from_none_who_come_later() -> None:
    """An error is no page."""
    log = Log(PAGE_ENTRIES)
    reader = History(log, log.last)
    log.error = NotFound("it is gone")
    told = await asyncio.gather(*(all_behind(reader, 0) for _ in range(3)), return_exceptions=True)
    log.error = None

    assert all(isinstance(each, NotFound) for each in told)
    assert PAGE_ENTRIES == len(await all_behind(reader, 0))


async def test_a_log_that_ends_too_early_is_to_be_watched_again() -> None:
    """It was cut short behind our backs: nobody is left to wait for what is not there."""

    class Cut(Log):
        async def follow(self, after_sequence: int) -> AsyncGenerator[Sequence[SharedEntry], None]:
            for entry in self.entries[after_sequence:]:
                yield (entry,)

    with pytest.raises(Unavailable):
        await all_behind(History(Cut(3), 5), 0)
