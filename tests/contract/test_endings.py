"""The queues of endings and of errands: what is handed out, to whom, and how often."""

from __future__ import annotations

import asyncio
import itertools
from uuid import uuid4

import pytest

from fabula.engine.ports import Address, Purpose
from fabula.journal import Journal, JournalSettings, connect
from tests.nats import LEASE_SECONDS, entries, new_address, write

SOON = 5.0
NOBODY = 0.3


async def end(journal: Journal, address: Address, *, after: int = 0, first: int = 1, data: bytes = b"end") -> int:
    """Append a record that ends a run."""
    some = entries(first, data)
    return await journal.events.append(address, some, after=after, append_id=uuid4().hex, purpose=Purpose.END)


async def test_a_run_that_ends_is_handed_out_once_with_its_owner(journal: Journal, kind: str) -> None:
    """However the owner is called; what does not end is nobody's errand."""
    address = new_address(kind, "Zoë & Co. / 100 %")
    [revision] = await write(journal.events, address, 1)
    await end(journal, address, after=revision, first=2)
    ending = await journal.endings.claim_ending(kind, SOON)

    assert ending is not None
    assert address == ending.address
    assert [2] == [entry.sequence for entry in ending.record.entries]
    assert b"end" == ending.record.entries[-1].data
    await ending.done()
    assert None is await journal.endings.claim_ending(kind, NOBODY + LEASE_SECONDS)


async def test_endings_from_before_anybody_asked_are_handed_out_in_their_order(journal: Journal, kind: str) -> None:
    """Each of a log's, too: a run that is retried ends again."""
    one, other = new_address(kind), new_address(kind)
    revision = await end(journal, one)
    await end(journal, other)
    revision = await journal.events.append(one, entries(2), after=revision, append_id="q", purpose=Purpose.QUEUE)
    await end(journal, one, after=revision, first=3)
    found = []
    while (ending := await journal.endings.claim_ending(kind, NOBODY)) is not None:
        found.append((ending.address, ending.record.last_sequence))
        await ending.done()

    assert [(one, 1), (other, 1), (one, 3)] == found


async def test_a_log_from_before_there_were_endings_is_read_and_not_told(journal: Journal, kind: str) -> None:
    """Its last record is a note, as all of them were."""
    address = new_address(kind)
    await write(journal.events, address, 3)

    assert None is await journal.endings.claim_ending(kind, NOBODY)
    last = await journal.events.last(address)
    assert last is not None
    assert 3 == last.last_sequence
    assert [address] == [first.address for first in await journal.events.listing(kind, address.owner)]


async def test_readers_and_feeds_see_endings_as_any_record(journal: Journal, kind: str) -> None:
    """Who reads, follows or lists does not know of purposes."""
    address = new_address(kind)
    feed = journal.events.feed(kind, address.owner)
    assert None is await anext(feed)
    follower = journal.events.follow(address)
    [revision] = await write(journal.events, address, 1)
    await end(journal, address, after=revision, first=2)

    async with asyncio.timeout(10):
        assert [1, 2] == [(await anext(follower)).last_sequence for _ in range(2)]
        news = [await anext(feed) for _ in range(2)]
    assert [1, 2] == [record.last_sequence for _, record in (each for each in news if each) if record]
    assert [2] == [record.last_sequence for record in await journal.events.lasts([address]) if record]
    await feed.aclose()
    await follower.aclose()


async def test_an_ending_that_is_not_done_is_handed_out_again(
    journal: Journal, settings: JournalSettings, kind: str
) -> None:
    """After the lease, or when it is given back; to another process as well."""
    address = new_address(kind)
    await end(journal, address)
    first = await journal.endings.claim_ending(kind, SOON)
    assert first is not None
    async with connect(settings) as other:
        assert None is await other.endings.claim_ending(kind, LEASE_SECONDS / 2)
        again = await other.endings.claim_ending(kind, SOON)
        assert again is not None
        assert address == again.address
        await again.give_back(0.5)
        assert None is await journal.endings.claim_ending(kind, 0.2)
        third = await journal.endings.claim_ending(kind, SOON)
    assert third is not None
    await third.done()
    assert None is await journal.endings.claim_ending(kind, NOBODY + LEASE_SECONDS)


async def test_the_ending_of_a_deleted_log_is_not_handed_out(journal: Journal, kind: str) -> None:
    """There is nothing left to tell."""
    address = new_address(kind)
    await end(journal, address)
    await journal.events.delete(address)

    assert None is await journal.endings.claim_ending(kind, NOBODY)


@pytest.fixture
def prefix() -> str:
    """A prefix that no other test uses."""
    return f"errand-{uuid4().hex[:8]}"


async def test_a_record_waits_until_it_is_seen_to(journal: Journal, prefix: str) -> None:
    """Renewed it stays with whom it is; written anew it takes the place of the one before, with its revision."""
    key = f"{prefix}.a.b"
    before = await journal.records.put(key, b"1", after=0)
    errand = await journal.endings.claim_errand(prefix, SOON)
    assert errand is not None
    assert [key, b"1", before] == [errand.key, errand.stored.value, errand.stored.revision]
    for _ in range(4):
        await asyncio.sleep(LEASE_SECONDS / 2)
        await errand.renew()
    assert None is await journal.endings.claim_errand(prefix, 0.05)
    after = await journal.records.put(key, b"2", after=errand.stored.revision)
    await errand.done()
    again = await journal.endings.claim_errand(prefix, SOON)

    assert again is not None
    assert [b"2", after] == [again.stored.value, again.stored.revision]
    await again.done()
    assert None is await journal.endings.claim_errand(prefix, NOBODY + LEASE_SECONDS)
    assert b"2" == (await journal.records.all(prefix))[key].value


async def test_a_record_that_is_gone_or_expired_waits_no_more(journal: Journal, prefix: str) -> None:
    """Deleted while it was given back, or at the end of its time."""
    await journal.records.put(f"{prefix}.deleted", b"1", after=0)
    errand = await journal.endings.claim_errand(prefix, SOON)
    assert errand is not None
    await errand.give_back(0.5)
    await journal.records.delete(errand.key)
    await journal.records.put(f"{prefix}.expired", b"1", after=0, ttl_seconds=1)
    await asyncio.sleep(2)

    assert None is await journal.endings.claim_errand(prefix, NOBODY)


async def test_many_who_ask_share_what_there_is(journal: Journal, prefix: str) -> None:
    """Each record goes to one of them."""
    for number in range(30):
        await journal.records.put(f"{prefix}.{number}", b"1", after=0)

    async def work() -> list[str]:
        seen = []
        while (errand := await journal.endings.claim_errand(prefix, NOBODY)) is not None:
            seen.append(errand.key)
            await errand.done()
        return seen

    shares = await asyncio.gather(*(work() for _ in range(4)))
    assert sorted(f"{prefix}.{number}" for number in range(30)) == sorted(itertools.chain.from_iterable(shares))
