from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabula.engine.ports import Tag
from fabula.engine.tail import WINDOW_BYTES
from tests.unit.gateway.memory_log import Client, MemoryLog, MemoryStreams, turns


@asynccontextmanager
async def streams_of(log: MemoryLog) -> AsyncIterator[MemoryStreams]:
    """Share a log among watchers while the block lasts."""
    streams = MemoryStreams(log)
    yield streams
    await streams.end()


async def until_level(*clients: Client) -> None:
    """Let everybody run until the fan carries these clients."""
    for client in clients:
        while not client.task.done():  # noqa: ASYNC110 - the test's time limit ends a wait in vain
            await asyncio.sleep(0)


async def test_who_is_level_is_carried_without_a_task() -> None:
    """Once a watcher has the log, new entries reach it though nothing of its own runs."""
    log = MemoryLog()
    log.append()
    async with streams_of(log) as streams:
        client = Client(streams)
        await until_level(client)
        log.append()
        log.append()
        await turns(10)

        assert [1, 2, 3] == client.sequences
        assert 3 == client.watch.sequence
        assert client.task.done()


async def test_entries_of_one_turn_are_written_together() -> None:
    """What comes at once is one write for each watcher."""
    log = MemoryLog()
    async with streams_of(log) as streams:
        client = Client(streams, room=1000)
        await until_level(client)
        for _ in range(5):
            log.append()
        await turns(5)

        assert [1, 2, 3, 4, 5] == client.sequences
        assert 1 == client.writes


async def test_who_does_not_read_is_let_go_and_catches_up_in_order() -> None:
    """A full pipe is written to no more; when there is room, everything missed comes from the tail, then news again."""
    log = MemoryLog()
    async with streams_of(log) as streams:
        slow, fast = Client(streams, room=2), Client(streams, room=1000)
        await until_level(slow, fast)
        for _ in range(20):
            log.append()
            await turns(5)
        assert list(range(1, 21)) == fast.sequences
        assert [1, 2, 3] == slow.sequences

        while len(slow.received) < 20:
            slow.read()
            await turns(5)
        slow.read()
        await until_level(slow)
        log.append()
        await turns(5)

        assert list(range(1, 22)) == slow.sequences


async def test_who_is_far_behind_catches_up_from_the_source() -> None:
    """Memory holds the newest part only; the rest is read from the log."""
    log = MemoryLog()
    async with streams_of(log) as streams:
        slow = Client(streams, room=0)
        await until_level(slow)
        for _ in range(20):
            log.append(size=WINDOW_BYTES // 8)
            await turns(5)
        assert 1 == len(slow.received)
        while len(slow.received) < 20:
            slow.read()
            await turns(5)

        assert list(range(1, 21)) == slow.sequences


async def test_the_end_reaches_everyone_who_is_carried() -> None:
    """The last entry is followed by the end, and every watch is given back."""
    log = MemoryLog()
    async with streams_of(log) as streams:
        clients = [Client(streams) for _ in range(3)]
        await until_level(*clients)
        log.append(Tag.TERMINAL)
        await turns(20)

        assert [True] * 3 == [client.ended for client in clients]
        assert [[1]] * 3 == [client.sequences for client in clients]
        assert (0, 0) == (streams.open, streams.streams[0].watchers)


async def test_an_earlier_runs_end_is_not_the_end() -> None:
    """A watcher who knows that the log goes on tells the tail so, though it has all that the tail has."""
    log = MemoryLog()
    log.append(Tag.TERMINAL)
    log.append(Tag.STATE)
    async with streams_of(log) as streams:
        client = Client(streams)
        await turns(30)

        assert [1, 2] == client.sequences
        assert not client.ended


async def test_what_is_shown_is_seen_once_by_who_is_level() -> None:
    """Who has seen it does not see it again after falling behind; who comes later sees it; a new state voids it."""
    log = MemoryLog()
    log.append()
    async with streams_of(log) as streams:
        first = Client(streams, room=1)
        await until_level(first)
        log.show()
        await turns(5)
        assert [1, 0] == first.sequences
        first.read()
        await until_level(first)
        late = Client(streams)
        await until_level(late)
        log.append(Tag.STATE)
        await turns(5)
        later = Client(streams)
        await until_level(later)

        assert [1, 0, 2] == first.sequences
        assert [1, 0, 2] == late.sequences
        assert [1, 2] == later.sequences


async def test_a_lost_log_resets_who_is_carried_and_who_is_not() -> None:
    """Everyone gets the snapshot to start over from, and what follows it."""
    log = MemoryLog()
    async with streams_of(log) as streams:
        slow, fast = Client(streams, room=0), Client(streams, room=1000)
        await until_level(slow, fast)
        log.append()
        await turns(5)
        log.append()
        await turns(5)
        reset = log.lose()
        await turns(10)
        log.append()
        for _ in range(10):
            slow.read()
            await turns(5)

        assert [0, 2] == [stream.watchers for stream in streams.streams]
        assert [1, 2, 2, 3] == fast.sequences
        assert fast.received[2] is reset
        assert 3 == slow.sequences[-1]


async def test_an_entry_that_cannot_be_encoded_ends_a_watch_with_its_error() -> None:
    """Everyone gets what came before it, and then is told; nobody is left behind in silence."""
    log = MemoryLog()
    async with streams_of(log) as streams:
        clients = [Client(streams) for _ in range(2)]
        await until_level(*clients)
        log.append()
        log.append(body="broken")
        log.append()
        await turns(20)

        for client in clients:
            with pytest.raises(ValueError, match="broken"):
                await client.task
            assert [1] == client.sequences


async def test_nothing_is_written_after_closing() -> None:
    """A watch that was given back gets nothing more, and is given back once."""
    log = MemoryLog()
    async with streams_of(log) as streams:
        client = Client(streams)
        await until_level(client)
        client.watch.close()
        client.watch.close()
        log.append()
        await turns(5)

        assert [] == client.received
        assert (0, 0) == (streams.open, streams.streams[0].watchers)


async def test_a_client_without_a_pipe_gets_everything_by_sending() -> None:
    """Where the server has no pipe, a watch runs to the end of the run."""
    log = MemoryLog()
    async with streams_of(log) as streams:
        client = Client(streams)
        pipe, client.pipe = client.pipe, None
        assert pipe is not None
        sent: list[int] = []

        async def send(entries: object) -> None:
            sent.extend(entry.sequence for entry in entries)  # type: ignore[attr-defined]

        client.send = send  # type: ignore[method-assign]
        for _ in range(3):
            log.append()
            await turns(5)
        assert not client.task.done()
        log.append(Tag.TERMINAL)
        await client.task

    assert [1, 2, 3, 4] == sent
    assert client.ended


LIKELY = ("append", "append", "show", "come", "read", "read", "turn", "turn", "turn")
HAPPENINGS = st.lists(
    st.tuples(
        st.sampled_from((*LIKELY, "state", "progress", "big", "lose", "come back", "leave")),
        st.integers(0, 5),
        st.integers(1, 4),
    ),
    min_size=30,
    max_size=90,
)
"""What may happen to a log and its watchers, in any order: what, to whom, how much of it."""
TAGS = {"append": Tag.TEXT, "big": Tag.TEXT, "state": Tag.STATE, "progress": Tag.PROGRESS}
"""Big entries push older ones out of memory."""


@settings(max_examples=300, deadline=None)
@given(HAPPENINGS, st.integers(0, 3))
def test_whatever_happens_everyone_sees_the_log(happenings: list[tuple[str, int, int]], room: int) -> None:
    """Carried, let go, catching up, reset, in any order: no entry is lost, repeated or out of order."""
    with asyncio.Runner() as runner:
        runner.run(_live_through(happenings, room))


async def _live_through(happenings: list[tuple[str, int, int]], room: int) -> None:
    log = MemoryLog()
    log.append()
    async with streams_of(log) as streams:
        here = [Client(streams, room=room)]
        everyone = list(here)
        for what, whom, much in happenings:
            if what in {"come", "come back"}:
                after = log.last if what == "come back" else min(whom, log.last)
                here.append(Client(streams, after, conflate=much == 1, room=room))
                everyone.append(here[-1])
            elif what in {"read", "leave"}:
                await _move(here, what, whom)
            else:
                await _befall(log, what, much)
        log.append(Tag.TERMINAL)
        await _read_to_the_end(here)
        for client in everyone:
            check(client, log)
        assert all(client.watch.sequence == log.last for client in here)
        assert (0, 0) == (streams.open, sum(stream.watchers for stream in streams.streams))


async def _move(here: list[Client], what: str, whom: int) -> None:
    if here and what == "read":
        here[whom % len(here)].read()
    elif here:
        await here.pop(whom % len(here)).leave()


async def _befall(log: MemoryLog, what: str, much: int) -> None:
    match what:
        case "show":
            log.show()
        case "lose":
            log.lose()
        case "turn":
            await turns(much * 3)
        case _:
            for _ in range(much):
                log.append(TAGS[what], WINDOW_BYTES // 3 if what == "big" else 4)


async def _read_to_the_end(clients: list[Client]) -> None:
    async with asyncio.timeout(20):
        while not all(client.ended for client in clients):
            for client in clients:
                client.read()
            await turns(3)


def check(client: Client, log: MemoryLog) -> None:
    """Check what one watcher saw, and that it was written to only while there was room."""
    assert not client.overfull
    cursor = client.after
    numbers = {id(entry): number for number, entry in enumerate(log.made)}
    for entry in client.received:
        if entry.is_reset:
            cursor = entry.sequence
        elif entry.sequence:
            missed = log.stored[cursor : entry.sequence - 1]
            assert entry.sequence > cursor
            assert client.form.conflate or not missed
            assert all(each.tag is Tag.PROGRESS for each in missed)
            assert entry is log.stored[entry.sequence - 1]
            cursor = entry.sequence
        else:
            shown_at = log.shown_at[numbers[id(entry)]]
            assert cursor >= shown_at
            assert all(each.tag not in {Tag.STATE, Tag.TERMINAL} for each in log.stored[shown_at:cursor])
    shown = [entry for entry in client.received if not entry.sequence]
    assert all(numbers[id(first)] < numbers[id(second)] for first, second in pairwise(shown))
