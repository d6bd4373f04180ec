"""Following under adverse conditions: concurrent writers, slow readers, lost messages, a server that is killed."""

from __future__ import annotations

import asyncio
import random
from contextlib import aclosing, suppress
from dataclasses import replace
from uuid import uuid4

import pytest

from fabula.engine.ports import Address, Purpose
from fabula.errors import LogCorrupted, Superseded
from fabula.journal import Journal, JournalSettings, connect, subjects, window
from fabula.journal.stored import APPEND, SEQUENCE
from tests.nats import entries, new_address, sequences, take, write

TOTAL = 200


@pytest.mark.parametrize("seed", range(8))
async def test_followers_that_join_amid_concurrent_writers_see_each_event_once(
    journal: Journal, kind: str, seed: int
) -> None:
    """Subscribe-then-replay has neither hole nor overlap, wherever a follower joins."""
    chance = random.Random(seed)
    address = new_address(kind)
    following = []

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(_race_to(TOTAL, journal, address, chance))
        for _ in range(6):
            await asyncio.sleep(chance.uniform(0, 0.02))
            after = chance.randint(0, TOTAL - 1)
            following.append((after, group.create_task(_seen_until(TOTAL, journal, address, after, chance))))

    for after, task in following:
        assert list(range(after + 1, TOTAL + 1)) == task.result(), f"seed {seed}, after {after}"


async def test_slow_follower_reads_on_from_the_log(journal: Journal, address: Address) -> None:
    """A follower that lags behind by more than is kept for it in memory misses nothing."""
    (revision,) = await write(journal.events, address, 1)
    records = journal.events.follow(address)
    async with asyncio.timeout(20), aclosing(records):
        seen = [await anext(records)]
        await write(
            journal.events, address, 2 * window.MAX_BYTES // 100_000, after=revision, first=2, size_bytes=100_000
        )
        last = await journal.events.last(address)
        assert last is not None

        seen += [await anext(records) for _ in range(last.last_sequence - 1)]

    assert list(range(1, last.last_sequence + 1)) == sequences(seen)


async def test_lost_announcement_is_found_by_looking(journal: Journal, address: Address) -> None:
    """A record whose announcement never came is yielded all the same, within the idle check."""
    (revision,) = await write(journal.events, address, 1)
    records = journal.events.follow(address)
    async with asyncio.timeout(20), aclosing(records):
        await anext(records)
        await _without_republishing(journal, address, revision)

        record = await anext(records)

    assert record.first_sequence == 2


async def test_gap_in_the_announcements_is_filled_from_the_log(journal: Journal, settings: JournalSettings) -> None:
    """A live record that does not continue the last one sends the follower to the log, at once."""
    address = new_address("story")
    (revision,) = await write(journal.events, address, 1)
    async with connect(replace(settings, idle_check_seconds=60)) as patient:
        records = patient.events.follow(address)
        async with asyncio.timeout(20), aclosing(records):
            await anext(records)
            revision = await _without_republishing(journal, address, revision)
            await write(journal.events, address, 1, after=revision, first=3)

            seen = [await anext(records) for _ in range(2)]

    assert [2, 3] == sequences(seen)


async def test_gap_in_the_log_itself_is_reported(journal: Journal, address: Address) -> None:
    """A log that breaks its own numbering is never passed off as whole."""
    (revision,) = await write(journal.events, address, 1)
    await journal.events.append(address, entries(3), after=revision, append_id="forged")

    with pytest.raises(LogCorrupted, match="gap"):
        await take(journal.events.follow(address), 2)


async def test_bytes_that_are_no_record_are_reported(journal: Journal, address: Address) -> None:
    """What somebody else wrote into the stream is not passed on."""
    await journal.link.store(subjects.log(address, Purpose.NOTE), b"garbage", {SEQUENCE: "1", APPEND: "x"})

    with pytest.raises(LogCorrupted):
        await take(journal.events.follow(address), 1)
    with pytest.raises(LogCorrupted):
        await journal.events.last(address)


async def test_many_followers_of_many_logs(journal: Journal, kind: str) -> None:
    """A hundred followers of twenty logs all see everything."""
    addresses = [new_address(kind) for _ in range(20)]
    following = [asyncio.create_task(take(journal.events.follow(address), 10)) for address in addresses * 5]
    await asyncio.gather(*(write(journal.events, address, 10) for address in addresses))

    for records in await asyncio.gather(*following):
        assert list(range(1, 11)) == sequences(records)


async def test_closed_follower_leaves_no_subscription(journal: Journal, address: Address) -> None:
    """Followers that end take their subscription with them."""
    await write(journal.events, address, 1)
    before = len(journal.link._client._subs)

    for _ in range(5):
        await take(journal.events.follow(address), 1)

    assert before == len(journal.link._client._subs)


async def _race_to(total: int, journal: Journal, address: Address, chance: random.Random) -> None:
    """Append records of random length behind whatever is newest, against others who do the same."""
    while True:
        last = await journal.events.last(address)
        first = last.last_sequence + 1 if last else 1
        if first > total:
            return
        some = entries(first, *[b"x"] * chance.randint(1, min(5, total - first + 1)))
        with suppress(Superseded):
            await journal.events.append(address, some, after=last.revision if last else 0, append_id=uuid4().hex)


async def _seen_until(total: int, journal: Journal, address: Address, after: int, chance: random.Random) -> list[int]:
    """Follow at an uneven pace; return the sequences seen behind the cursor."""
    seen: list[int] = []
    async with aclosing(journal.events.follow(address, after)) as records:
        async for record in records:
            seen += [entry.sequence for entry in record.entries if entry.sequence > after]
            await asyncio.sleep(chance.choice([0, 0, 0.001]))
            if seen[-1] == total:
                break
    return seen


async def _without_republishing(journal: Journal, address: Address, revision: int) -> int:
    """Store the second record in a way that no follower is told of: the live subject stays silent."""
    config = (await journal.link.ask("STREAM.INFO.FABULA_EVENTS", {}))["config"]
    silent = {key: value for key, value in config.items() if key != "republish"}
    await journal.link.ask("STREAM.UPDATE.FABULA_EVENTS", silent)
    try:
        return (await write(journal.events, address, 1, after=revision, first=2))[0]
    finally:
        await journal.link.ask("STREAM.UPDATE.FABULA_EVENTS", config)
