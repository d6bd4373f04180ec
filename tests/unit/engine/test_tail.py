from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager

import pytest

from fabula.engine.ports import Entry, Tag
from fabula.engine.tail import WINDOW_BYTES, Tail
from fabula.errors import NotFound

BIG = b"x" * (WINDOW_BYTES // 8)


class GrowingLog:
    """A source in memory that the test appends to; counts who reads it."""

    def __init__(self) -> None:
        self.stored: list[Entry] = []
        self.reads: list[int] = []
        self.open_reads = 0
        self.live: asyncio.Queue[Sequence[Entry] | Exception | None] = asyncio.Queue()

    def append(self, tag: Tag = Tag.STATE, data: bytes = b"e") -> Entry:
        """Store one more entry and hand it to who follows."""
        entry = Entry(len(self.stored) + 1, tag, data)
        self.stored.append(entry)
        self.live.put_nowait([entry])
        return entry

    async def follow(self, after_sequence: int) -> AsyncGenerator[Sequence[Entry], None]:
        """Yield what is appended from now on, and what was handed in beside."""
        while (batch := await self.live.get()) is not None:
            if isinstance(batch, Exception):
                raise batch
            if fresh := [entry for entry in batch if not entry.sequence or entry.sequence > after_sequence]:
                yield fresh

    async def read(self, after_sequence: int) -> AsyncGenerator[Sequence[Entry], None]:
        """Yield what is stored, one by one; then wait to be closed, as a watch over the network does."""
        self.reads.append(after_sequence)
        self.open_reads += 1
        try:
            for entry in self.stored[after_sequence:]:
                yield [entry]
            await asyncio.Event().wait()
        finally:
            self.open_reads -= 1


@asynccontextmanager
async def fed(log: GrowingLog, after_sequence: int = 0) -> AsyncIterator[Tail]:
    """A tail that takes its log in while the block lasts."""
    tail = Tail(log, after_sequence)
    task = asyncio.create_task(tail.feed())
    yield tail
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    """Let the other tasks run until something holds; the test's time limit ends a wait in vain."""
    while not holds():  # noqa: ASYNC110 - what is waited for is inside the tail, which signals it to watchers only
        await asyncio.sleep(0)


async def until_taken_in(tail: Tail, sequence: int) -> None:
    """Wait until the tail holds this entry."""
    await until(lambda: tail.last_sequence >= sequence)


async def sequences(tail: Tail, after_sequence: int = 0, seen: list[int] | None = None) -> list[int]:
    """Watch to the end; return the sequences seen, and note each in `seen` on the way."""
    seen = [] if seen is None else seen
    async with aclosing(tail.watch(after_sequence)) as batches:
        async for batch in batches:
            seen += [entry.sequence for entry in batch]
    return seen


async def test_every_watcher_sees_the_whole_log_whenever_it_comes() -> None:
    """Twenty watchers, half of them before the first entry and half in the middle, see 1…N, each once."""
    log = GrowingLog()
    async with fed(log) as tail, asyncio.TaskGroup() as watchers:
        early = [watchers.create_task(sequences(tail)) for _ in range(10)]
        for _ in range(50):
            log.append()
        await until_taken_in(tail, 50)
        late = [watchers.create_task(sequences(tail)) for _ in range(10)]
        for _ in range(49):
            log.append()
        log.append(Tag.TERMINAL)

    assert [list(range(1, 101))] * 20 == [watcher.result() for watcher in early + late]
    assert [] == log.reads


async def test_a_watcher_begins_behind_its_cursor() -> None:
    """What the cursor says it has is not sent again, and nothing after it is left out."""
    log = GrowingLog()
    async with fed(log) as tail:
        for tag in (Tag.STATE, Tag.TEXT, Tag.PROGRESS, Tag.TERMINAL):
            log.append(tag)

        assert [3, 4] == await sequences(tail, 2)
        assert [] == await sequences(tail, 4)


async def test_a_watcher_behind_the_window_reads_on_from_the_source_without_gap_or_overlap() -> None:
    """Entries that memory has let go come from the source, and the reading stops where memory goes on."""
    log = GrowingLog()
    async with fed(log) as tail:
        for _ in range(39):
            log.append(Tag.TEXT, BIG)
        log.append(Tag.TERMINAL, BIG)
        await until_taken_in(tail, 40)

        assert list(range(1, 41)) == await sequences(tail)

    assert [0] == log.reads
    assert 0 == log.open_reads


async def test_a_slow_watcher_holds_nobody_up_and_misses_nothing() -> None:
    """While one watcher stands still, the log grows past the window and another sees all of it."""
    log = GrowingLog()
    async with fed(log) as tail:
        log.append()
        async with aclosing(tail.watch(0)) as slow:
            seen = [entry.sequence for entry in await anext(slow)]
            for _ in range(30):
                log.append(Tag.TEXT, BIG)
            log.append(Tag.TERMINAL)

            assert list(range(1, 33)) == await sequences(tail)

            seen += [entry.sequence async for batch in slow for entry in batch]

    assert list(range(1, 33)) == seen


async def test_a_tail_that_begins_late_serves_earlier_cursors_from_the_source() -> None:
    """The first watcher's cursor begins the tail; one that comes with an earlier one is not left waiting."""
    log = GrowingLog()
    for _ in range(5):
        log.append()
    async with fed(log, after_sequence=5) as tail:
        watcher = asyncio.create_task(sequences(tail))
        await until(lambda: bool(log.reads) and not log.open_reads)
        log.append(Tag.TERMINAL)

        assert [1, 2, 3, 4, 5, 6] == await watcher


async def test_the_terminal_entry_ends_every_watch_and_a_retry_goes_on() -> None:
    """A watch ends after the terminal entry; once the run is retried, a new one goes on behind it."""
    log = GrowingLog()
    async with fed(log) as tail:
        log.append()
        log.append(Tag.TERMINAL)
        assert [1, 2] == await sequences(tail)
        assert tail.complete

        log.append()
        await until_taken_in(tail, 3)
        assert not tail.complete
        log.append(Tag.TERMINAL)

        assert [3, 4] == await sequences(tail, 2)


async def test_an_error_of_the_source_ends_every_watch_with_it() -> None:
    """Watchers get what there was before, then the error; one who comes later gets the same."""
    log = GrowingLog()
    async with fed(log) as tail:
        log.append()
        log.live.put_nowait(NotFound("it was deleted"))
        for _ in range(3):
            seen: list[int] = []
            with pytest.raises(NotFound, match="it was deleted"):
                await sequences(tail, 0, seen)
            assert [1] == seen
        assert tail.closed


class DeletedLog(GrowingLog):
    """A source that has nothing stored any more."""

    async def read(self, after_sequence: int) -> AsyncGenerator[Sequence[Entry], None]:
        """Yield nothing, and end."""
        self.reads.append(after_sequence)
        nothing: list[Sequence[Entry]] = []
        for batch in nothing:
            yield batch


async def test_a_watcher_far_behind_a_deleted_log_waits_for_the_news_of_it() -> None:
    """It asks the source once, not over and over, and ends with what the tail is told."""
    log = DeletedLog()
    async with fed(log) as tail:
        for _ in range(20):
            log.append(Tag.TEXT, BIG)
        await until_taken_in(tail, 20)
        watcher = asyncio.create_task(sequences(tail))
        await until(lambda: bool(log.reads))
        log.live.put_nowait(NotFound("it was deleted"))

        with pytest.raises(NotFound, match="it was deleted"):
            await watcher

    assert [0, 0] == log.reads


async def test_a_source_that_ends_ends_every_watch() -> None:
    """A watch does not hang when nothing can come any more."""
    log = GrowingLog()
    async with fed(log) as tail:
        log.append()
        log.live.put_nowait(None)

        assert [1] == await sequences(tail)


async def test_only_the_newest_ephemeral_entry_is_shown() -> None:
    """A late watcher gets the newest preview, after the log; those before it are gone."""
    log = GrowingLog()
    async with fed(log) as tail:
        log.append()
        for number in range(3):
            log.live.put_nowait([Entry(0, Tag.EPHEMERAL, b"preview %d" % number)])
        await until(lambda: not log.live.qsize())
        async with aclosing(tail.watch(0)) as batches:
            assert [b"e"] == [entry.data for entry in await anext(batches)]
            assert [b"preview 2"] == [entry.data for entry in await anext(batches)]

            tail.show(Entry(0, Tag.EPHEMERAL, b"preview 3"))
            assert [b"preview 3"] == [entry.data for entry in await anext(batches)]


async def test_ephemeral_entries_in_several_places_do_not_hide_each_other() -> None:
    """A late watcher gets the newest in each place; one who has seen them gets what is new."""
    log = GrowingLog()
    async with fed(log) as tail:
        log.append()
        await until_taken_in(tail, 1)
        for number in range(3):
            for place in (0, 5):
                tail.show(Entry(0, Tag.EPHEMERAL, b"%d" % number, place=place))
        async with aclosing(tail.watch(1)) as batches:
            assert [(0, b"2"), (5, b"2")] == [(entry.place, entry.data) for entry in await anext(batches)]

            tail.show(Entry(0, Tag.EPHEMERAL, b"3", place=5))
            assert [(5, b"3")] == [(entry.place, entry.data) for entry in await anext(batches)]


@pytest.mark.parametrize("tag", [Tag.PROGRESS, Tag.TEXT])
async def test_an_ephemeral_entry_stays_while_the_state_does(tag: Tag) -> None:
    """Progress and text do not make a preview untrue."""
    log = GrowingLog()
    async with fed(log) as tail:
        tail.show(Entry(0, Tag.EPHEMERAL, b"preview"))
        log.append(tag)
        await until_taken_in(tail, 1)
        async with aclosing(tail.watch(1)) as batches:
            assert [b"preview"] == [entry.data for entry in await anext(batches)]


async def test_an_ephemeral_entry_does_not_outlive_the_state_it_was_shown_in() -> None:
    """Nobody is told a place in the queue after the work has begun, nor shown a preview after it has ended."""
    log = GrowingLog()
    async with fed(log) as tail:
        tail.show(Entry(0, Tag.EPHEMERAL, b"next in line"))
        log.append(Tag.STATE)
        await until_taken_in(tail, 1)
        async with aclosing(tail.watch(1)) as batches:
            log.append(Tag.TERMINAL)

            assert [2] == [entry.sequence async for batch in batches for entry in batch]


async def test_a_watcher_ahead_of_the_tail_waits_for_it() -> None:
    """A cursor that the source has given out elsewhere is served as soon as the tail has caught up."""
    log = GrowingLog()
    async with fed(log) as tail:
        watcher = asyncio.create_task(sequences(tail, 2))
        for _ in range(3):
            log.append()
        log.append(Tag.TERMINAL)

        assert [3, 4] == await watcher


async def test_the_end_of_an_earlier_run_is_not_the_end_of_a_log_known_to_be_longer() -> None:
    """What one watcher knows of the log holds for all who share the tail."""
    log = GrowingLog()
    async with fed(log) as tail:
        informed, other = tail.watch(0, known=3), tail.watch(0)
        log.append(Tag.TERMINAL)

        assert [1] == [entry.sequence for entry in await anext(informed)]
        assert [1] == [entry.sequence for entry in await anext(other)]

        log.append()
        log.append(Tag.TERMINAL)
        assert [2, 3] == [entry.sequence async for batch in informed for entry in batch]
        assert [2, 3] == [entry.sequence async for batch in other for entry in batch]
