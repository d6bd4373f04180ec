"""What `Records` promises, kept by the journal."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from fabula.engine.ports import Stored
from fabula.errors import InvalidRequest, Superseded
from fabula.journal import Journal
from tests.nats import eventually


@pytest.fixture
def key() -> str:
    """Give a key that no other test uses."""
    return f"test.{uuid4().hex}"


async def test_what_was_put_is_there(journal: Journal, key: str) -> None:
    """A value comes back with its revision."""
    revision = await journal.records.put(key, b"\0value")

    assert Stored(b"\0value", revision) == await journal.records.get(key)


async def test_unknown_key_is_none(journal: Journal, key: str) -> None:
    """There is nothing under a key that was never written."""
    assert await journal.records.get(key) is None


async def test_unconditional_put_replaces(journal: Journal, key: str) -> None:
    """Without a condition the last writer wins."""
    first = await journal.records.put(key, b"1")
    second = await journal.records.put(key, b"2")

    assert first < second
    assert Stored(b"2", second) == await journal.records.get(key)


async def test_condition_on_the_current_revision_holds(journal: Journal, key: str) -> None:
    """A writer that knows the current revision may replace it."""
    first = await journal.records.put(key, b"1", after=0)

    second = await journal.records.put(key, b"2", after=first)

    assert Stored(b"2", second) == await journal.records.get(key)


async def test_condition_that_does_not_hold_writes_nothing(journal: Journal, key: str) -> None:
    """Neither an old revision nor "there is none" replaces a value."""
    old = await journal.records.put(key, b"1")
    present = await journal.records.put(key, b"2")

    for after in (0, old, present + 1):
        with pytest.raises(Superseded):
            await journal.records.put(key, b"3", after=after)

    assert Stored(b"2", present) == await journal.records.get(key)


async def test_one_of_many_creators_wins(journal: Journal, key: str) -> None:
    """Of many that create the same key at once, one does."""
    puts = (journal.records.put(key, str(number).encode(), after=0) for number in range(10))
    outcomes = await asyncio.gather(*puts, return_exceptions=True)

    assert 9 == sum(isinstance(outcome, Superseded) for outcome in outcomes)


async def test_deleted_value_is_gone_and_can_be_created_again(journal: Journal, key: str) -> None:
    """Nothing of a deleted value stands in the way."""
    await journal.records.put(key, b"1")

    await journal.records.delete(key)
    await journal.records.delete(key)

    assert await journal.records.get(key) is None
    revision = await journal.records.put(key, b"2", after=0)
    assert Stored(b"2", revision) == await journal.records.get(key)


async def test_value_with_a_time_to_live_expires(journal: Journal, key: str) -> None:
    """After its time a value reads as None, and creating it succeeds at that very moment."""
    await journal.records.put(key, b"1", ttl_seconds=1)
    assert await journal.records.get(key) is not None

    async def expired() -> bool:
        return await journal.records.get(key) is None

    await eventually(expired)
    revision = await journal.records.put(key, b"2", after=0, ttl_seconds=1)
    assert Stored(b"2", revision) == await journal.records.get(key)


async def test_replaced_value_lives_as_long_as_the_new_one(journal: Journal, key: str) -> None:
    """Each write sets the time to live anew; without one the value stays."""
    first = await journal.records.put(key, b"1", ttl_seconds=1)
    second = await journal.records.put(key, b"2", after=first)

    await asyncio.sleep(1.5)

    assert Stored(b"2", second) == await journal.records.get(key)


@pytest.mark.parametrize("bad", ["", ".", "a.", ".a", "a..b", "A", "a b", "*", "a.>", "ä"])
async def test_key_that_is_none_is_an_invalid_request(journal: Journal, bad: str) -> None:
    """A key cannot smuggle a wildcard into a subject."""
    with pytest.raises(InvalidRequest):
        await journal.records.put(bad, b"")
