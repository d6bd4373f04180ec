"""What `Records` promises, kept by the journal, and by the double of other tests."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from fabula.engine.ports import Records, Stored
from fabula.errors import InvalidRequest, Superseded
from fabula.journal import Journal
from tests.nats import eventually
from tests.records import MemoryRecords


@pytest.fixture(params=["journal", "memory"])
def records(request: pytest.FixtureRequest, journal: Journal) -> Records:
    """Give the journal's records, and the double."""
    return journal.records if request.param == "journal" else MemoryRecords()


@pytest.fixture
def key() -> str:
    """Give a key that no other test uses."""
    return f"test.{uuid4().hex}"


async def test_what_was_put_is_there(records: Records, key: str) -> None:
    """A value comes back with its revision."""
    revision = await records.put(key, b"\0value")

    assert Stored(b"\0value", revision) == await records.get(key)


async def test_unknown_key_is_none(records: Records, key: str) -> None:
    """There is nothing under a key that was never written."""
    assert await records.get(key) is None


async def test_unconditional_put_replaces(records: Records, key: str) -> None:
    """Without a condition the last writer wins."""
    first = await records.put(key, b"1")
    second = await records.put(key, b"2")

    assert first < second
    assert Stored(b"2", second) == await records.get(key)


async def test_condition_on_the_current_revision_holds(records: Records, key: str) -> None:
    """A writer that knows the current revision may replace it."""
    first = await records.put(key, b"1", after=0)

    second = await records.put(key, b"2", after=first)

    assert Stored(b"2", second) == await records.get(key)


async def test_condition_that_does_not_hold_writes_nothing(records: Records, key: str) -> None:
    """Neither an old revision nor "there is none" replaces a value."""
    old = await records.put(key, b"1")
    present = await records.put(key, b"2")

    for after in (0, old, present + 1):
        with pytest.raises(Superseded):
            await records.put(key, b"3", after=after)

    assert Stored(b"2", present) == await records.get(key)


async def test_one_of_many_creators_wins(records: Records, key: str) -> None:
    """Of many that create the same key at once, one does."""
    puts = (records.put(key, str(number).encode(), after=0) for number in range(10))
    outcomes = await asyncio.gather(*puts, return_exceptions=True)

    assert 9 == sum(isinstance(outcome, Superseded) for outcome in outcomes)


async def test_deleted_value_is_gone_and_can_be_created_again(records: Records, key: str) -> None:
    """Nothing of a deleted value stands in the way."""
    await records.put(key, b"1")

    await records.delete(key)
    await records.delete(key)

    assert await records.get(key) is None
    revision = await records.put(key, b"2", after=0)
    assert Stored(b"2", revision) == await records.get(key)


async def test_value_with_a_time_to_live_expires(records: Records, key: str) -> None:
    """After its time a value reads as None, and creating it succeeds at that very moment."""
    await records.put(key, b"1", ttl_seconds=1)
    assert await records.get(key) is not None

    async def expired() -> bool:
        return await records.get(key) is None

    await eventually(expired)
    revision = await records.put(key, b"2", after=0, ttl_seconds=1)
    assert Stored(b"2", revision) == await records.get(key)


async def test_replaced_value_lives_as_long_as_the_new_one(records: Records, key: str) -> None:
    """Each write sets the time to live anew; without one the value stays."""
    first = await records.put(key, b"1", ttl_seconds=1)
    second = await records.put(key, b"2", after=first)

    await asyncio.sleep(1.5)

    assert Stored(b"2", second) == await records.get(key)


@pytest.mark.parametrize("bad", ["", ".", "a.", ".a", "a..b", "A", "a b", "*", "a.>", "ä"])
async def test_key_that_is_none_is_an_invalid_request(records: Records, bad: str) -> None:
    """A key cannot smuggle a wildcard into a subject."""
    with pytest.raises(InvalidRequest):
        await records.put(bad, b"")


async def test_values_behind_a_prefix_are_listed(records: Records, key: str) -> None:
    """Each as it is now, the one written longest ago first; neither deleted ones nor those of other prefixes."""
    for name in ("a", "b.c", "gone"):
        await records.put(f"{key}.{name}", name.encode())
    await records.put(key, b"the prefix itself")
    await records.put(f"{key}s.a", b"of another prefix")
    await records.delete(f"{key}.gone")
    revision = await records.put(f"{key}.a", b"new")

    found = await records.all(key)

    assert [f"{key}.b.c", f"{key}.a"] == list(found)
    assert Stored(b"new", revision) == found[f"{key}.a"]
    assert {} == await records.all(f"{key}.b.c")


async def test_more_values_than_a_page_are_listed(records: Records, key: str) -> None:
    """None is lost where one page ends and the next begins."""
    names = [f"{key}.{number}" for number in range(600)]
    await asyncio.gather(*(records.put(name, name.encode()) for name in names))

    found = await records.all(key)

    assert {name: name.encode() for name in names} == {name: stored.value for name, stored in found.items()}


@pytest.mark.parametrize("bad", ["", "a.", "*", "a.>"])
async def test_prefix_that_is_no_key_is_an_invalid_request(records: Records, bad: str) -> None:
    """A prefix cannot smuggle a wildcard into a subject either."""
    with pytest.raises(InvalidRequest):
        await records.all(bad)
