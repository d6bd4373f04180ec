"""What `EventLog` promises, kept by the journal."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from fabula.engine.ports import Address, Entry, GenerationId, Purpose, Tag
from fabula.errors import InvalidRequest, NotFound, Superseded
from fabula.journal import Journal
from fabula.journal.listing import Listings
from tests.nats import entries, eventually, new_address, sequences, take, write


async def test_what_is_appended_is_the_last_record(journal: Journal, address: Address) -> None:
    """A record comes back with its revision, its append id and its entries, byte for byte."""
    written = (Entry(1, Tag.STATE, b""), Entry(2, Tag.PROGRESS, bytes(range(256))), Entry(3, Tag.TERMINAL, b"\0" * 300))

    revision = await journal.events.append(address, written, after=0, append_id="one")
    last = await journal.events.last(address)

    assert last is not None
    assert (revision, "one", written) == (last.revision, last.append_id, last.entries)


async def test_unknown_generation_has_no_last_record(journal: Journal, address: Address) -> None:
    """Nothing is known of an id that was never used."""
    assert await journal.events.last(address) is None
    assert [] == [record async for record in journal.events.read(address)]


async def test_another_owner_cannot_address_the_log(journal: Journal, address: Address) -> None:
    """The same id under another owner is another, unknown generation."""
    await write(journal.events, address, 1)

    foreign = Address(address.kind, "somebody else", address.id)

    assert await journal.events.last(foreign) is None


async def test_append_after_an_old_record_is_refused(journal: Journal, address: Address) -> None:
    """A writer that does not know the newest record stores nothing."""
    first, newest = await write(journal.events, address, 2)

    with pytest.raises(Superseded):
        await journal.events.append(address, entries(2), after=first, append_id="late")

    last = await journal.events.last(address)
    assert last is not None
    assert newest == last.revision


async def test_fence_spans_all_purposes(journal: Journal, address: Address) -> None:
    """A control record between two notes fences the writer off, whatever the purpose of its next record."""
    (revision,) = await write(journal.events, address, 1)
    await journal.events.append(address, entries(2), after=revision, append_id="stop", purpose=Purpose.CONTROL)

    for purpose in Purpose:
        with pytest.raises(Superseded):
            await journal.events.append(address, entries(2), after=revision, append_id=purpose, purpose=purpose)


async def test_fences_of_two_generations_are_apart(journal: Journal, kind: str) -> None:
    """Writing to one log does not fence off the writer of another, even of the same owner."""
    one, two = new_address(kind, "me"), new_address(kind, "me")
    (revision,) = await write(journal.events, one, 1)
    await write(journal.events, two, 3)

    await write(journal.events, one, 1, after=revision, first=2)

    assert [1, 2] == sequences([record async for record in journal.events.read(one)])


async def test_repeated_append_stores_once_and_returns_the_same_revision(journal: Journal, address: Address) -> None:
    """Calling again with the same append id and fence is harmless."""
    once = await journal.events.append(address, entries(1), after=0, append_id="same")
    again = await journal.events.append(address, entries(1), after=0, append_id="same")

    assert once == again
    assert [1] == sequences([record async for record in journal.events.read(address)])


async def test_repeated_append_is_recognised_behind_somebody_elses_record(journal: Journal, address: Address) -> None:
    """An append whose answer was lost succeeds on repetition even though others have written since."""
    once = await journal.events.append(address, entries(1), after=0, append_id="mine")
    await journal.events.append(address, entries(2), after=once, append_id="theirs", purpose=Purpose.CONTROL)

    assert once == await journal.events.append(address, entries(1), after=0, append_id="mine")


async def test_same_append_twice_at_once_stores_once(journal: Journal, address: Address) -> None:
    """Two calls of the same append at the same moment agree on one revision."""
    calls = (journal.events.append(address, entries(1), after=0, append_id="same") for _ in range(8))
    revisions = await asyncio.gather(*calls)

    assert 1 == len(set(revisions))
    assert [1] == sequences([record async for record in journal.events.read(address)])


async def test_one_of_many_rivals_wins(journal: Journal, address: Address) -> None:
    """Of many writers at one fence exactly one stores its record."""
    calls = (journal.events.append(address, entries(1), after=0, append_id=f"rival {n}") for n in range(20))
    outcomes = await asyncio.gather(*calls, return_exceptions=True)

    assert 19 == sum(isinstance(outcome, Superseded) for outcome in outcomes)
    assert [1] == sequences([record async for record in journal.events.read(address)])


async def test_record_larger_than_the_store_takes_is_an_invalid_request(journal: Journal, address: Address) -> None:
    """Too large a record is refused before it is sent, and the connection lives."""
    limit = journal.link.max_payload

    for size in (limit - 100, limit, 2 * limit):
        with pytest.raises(InvalidRequest, match="too large"):
            await journal.events.append(address, entries(1, b"x" * size), after=0, append_id="huge")

    assert await journal.events.last(address) is None


async def test_entries_of_100_kilobytes_are_kept(journal: Journal, address: Address) -> None:
    """Large entries come back whole, by every way of reading."""
    large = [bytes((n,)) * 100_000 for n in range(5)]
    await journal.events.append(address, entries(1, *large), after=0, append_id="large")

    (read,) = [record async for record in journal.events.read(address)]
    (followed,) = await take(journal.events.follow(address), 1)
    last = await journal.events.last(address)

    assert large == [entry.data for entry in read.entries]
    assert read == followed == last


@pytest.mark.parametrize(
    "broken", [[], [Entry(0, Tag.EPHEMERAL, b"")], [Entry(1, Tag.TEXT, b""), Entry(3, Tag.TEXT, b"")]]
)
async def test_entries_that_are_not_consecutive_are_refused(
    journal: Journal, address: Address, broken: list[Entry]
) -> None:
    """A record cannot break the numbering of the log."""
    with pytest.raises(ValueError, match="consecutive"):
        await journal.events.append(address, broken, after=0, append_id="broken")


@pytest.mark.parametrize("bad", ["", "a.b", "*", ">", "a b", "ä", "x" * 200])
async def test_id_that_no_generation_can_have_is_an_invalid_request(journal: Journal, kind: str, bad: str) -> None:
    """An id cannot smuggle a wildcard or a separator into a subject."""
    with pytest.raises(InvalidRequest):
        await journal.events.last(Address(kind, "me", GenerationId(bad)))


async def test_any_string_can_be_an_owner(journal: Journal, kind: str) -> None:
    """Owners are named by tokens from elsewhere: nothing in them matters."""
    owners = ["", "a b", "*", ">", "a.b\r\nX: y", "ü" * 300]
    for owner in owners:
        address = Address(kind, owner, GenerationId("same-id"))
        await journal.events.append(address, entries(1, owner.encode()), after=0, append_id="x", purpose=Purpose.QUEUE)

    for owner in owners:
        (first,) = await journal.events.listing(kind, owner)
        assert (owner, owner.encode()) == (first.address.owner, first.record.entries[0].data)


@pytest.mark.parametrize("after", [0, 1, 2, 3, 4, 5, 6, 7, 100])
async def test_read_begins_at_the_record_that_holds_the_next_event(
    journal: Journal, address: Address, after: int
) -> None:
    """A cursor within a record begins with that record; one at the end reads nothing."""
    revision = await journal.events.append(address, entries(1, b"", b"", b""), after=0, append_id="1-3")
    revision = await journal.events.append(address, entries(4), after=revision, append_id="4")
    await journal.events.append(address, entries(5, b"", b""), after=revision, append_id="5-6")

    expected = [first for first, last in ((1, 3), (4, 4), (5, 6)) if last > after]

    assert expected == [record.first_sequence async for record in journal.events.read(address, after)]


async def test_read_of_several_pages_is_whole(journal: Journal, address: Address) -> None:
    """Neither the number nor the size of records ends a reading early."""
    await write(journal.events, address, 300)
    for sequence in range(301, 311):
        last = await journal.events.last(address)
        assert last is not None
        some = entries(sequence, b"x" * 900_000)
        await journal.events.append(address, some, after=last.revision, append_id=str(sequence))

    assert list(range(1, 311)) == sequences([record async for record in journal.events.read(address)])


async def test_cursor_deep_in_a_long_log_among_others_is_found(journal: Journal, kind: str) -> None:
    """Resuming late in a long log, interleaved with other logs, reads from the right record."""
    ours, other = new_address(kind), new_address(kind)
    ours_at = other_at = 0
    for batch in range(40):
        for _ in range(3):
            (other_at,) = await write(journal.events, other, 1, after=other_at, first=1)
        some = entries(1 + 25 * batch, *[b"x"] * 25)
        ours_at = await journal.events.append(ours, some, after=ours_at, append_id=str(batch))

    for after in (0, 300, 499, 500, 501, 990, 999):
        read = sequences([record async for record in journal.events.read(ours, after)])
        assert list(range(after // 25 * 25 + 1, 1001)) == read


async def test_follow_yields_what_is_stored_then_what_comes(journal: Journal, address: Address) -> None:
    """A follower sees history and live records as one."""
    revisions = await write(journal.events, address, 3)
    followed: list[int] = []

    async with asyncio.timeout(20), aclosing(journal.events.follow(address)) as records:
        async for record in records:
            followed.append(record.first_sequence)
            if len(followed) == 10:
                break
            if len(followed) >= 3:
                revisions += await write(journal.events, address, 1, after=revisions[-1], first=len(followed) + 1)

    assert list(range(1, 11)) == followed


async def test_follow_waits_for_a_generation_that_comes_later(journal: Journal, address: Address) -> None:
    """A follower may come before the generation."""
    following = asyncio.create_task(take(journal.events.follow(address), 2))
    await asyncio.sleep(0)
    await write(journal.events, address, 2)

    assert [1, 2] == sequences(await following)


@pytest.mark.parametrize("after", [1, 5, 6, 300])
async def test_follow_with_a_cursor_spares_what_was_seen(journal: Journal, address: Address, after: int) -> None:
    """A follower begins behind its cursor, even if the cursor is ahead of the log."""
    await write(journal.events, address, 6)
    following = asyncio.create_task(take(journal.events.follow(address, after), 1))
    await asyncio.sleep(0.05)
    last = await journal.events.last(address)
    assert last is not None
    await journal.events.append(address, entries(7, *[b""] * 400), after=last.revision, append_id="many")

    (record,) = await following

    assert (after + 1 if after < 6 else 7) == record.first_sequence


async def test_deleted_log_is_absent_everywhere(journal: Journal, address: Address) -> None:
    """After deletion nothing can be read, listed or followed."""
    await write(journal.events, address, 3)

    await journal.events.delete(address)

    assert await journal.events.last(address) is None
    assert [] == [record async for record in journal.events.read(address)]
    assert [] == await journal.events.listing(address.kind, address.owner)
    assert [None] == await journal.events.lasts([address])
    with pytest.raises(NotFound):
        await take(journal.events.follow(address), 1)


async def test_a_log_is_deleted_behind_its_newest_record_or_not_at_all(journal: Journal, address: Address) -> None:
    """Who deletes what it has looked at is refused if somebody wrote meanwhile; who looks again may."""
    revisions = await write(journal.events, address, 3)

    with pytest.raises(Superseded):
        await journal.events.delete(address, after=revisions[0])
    assert 3 == len([record async for record in journal.events.read(address)])
    await journal.events.delete(address, after=revisions[-1])

    assert await journal.events.deleted(address)
    await journal.events.delete(address, after=revisions[-1])  # again: it is gone already


async def test_deleted_id_stays_burnt(journal: Journal, address: Address) -> None:
    """Neither a new start nor the old writer can write to a deleted log."""
    revisions = await write(journal.events, address, 3)
    await journal.events.delete(address)

    for fence in (0, revisions[-1]):
        with pytest.raises(Superseded):
            await journal.events.append(address, entries(4), after=fence, append_id="again")


async def test_only_a_log_that_was_there_counts_as_deleted(journal: Journal, address: Address) -> None:
    """An unknown id and a deleted one can be told apart by who knows the owner."""
    before = await journal.events.deleted(address)
    await write(journal.events, address, 1)
    during = await journal.events.deleted(address)
    await journal.events.delete(address)

    assert (False, False, True) == (before, during, await journal.events.deleted(address))


async def test_first_record_is_read_alone(journal: Journal, address: Address) -> None:
    """The oldest record comes back, and None where there is none."""
    assert await journal.events.first(address) is None
    revisions = await write(journal.events, address, 3)

    first = await journal.events.first(address)

    assert first is not None
    assert (revisions[0], 1) == (first.revision, first.first_sequence)
    await journal.events.delete(address)
    assert await journal.events.first(address) is None


async def test_delete_is_idempotent(journal: Journal, address: Address) -> None:
    """Deleting what is deleted, or was never there, does nothing."""
    await journal.events.delete(address)
    await write(journal.events, address, 1)
    await journal.events.delete(address)
    await journal.events.delete(address)

    assert await journal.events.last(address) is None


async def test_followers_learn_of_the_deletion(journal: Journal, address: Address) -> None:
    """A follower in the middle of a log ends with NotFound when the log is deleted."""
    await write(journal.events, address, 2)
    reached = asyncio.Event()

    async def follow() -> None:
        async with aclosing(journal.events.follow(address)) as records:
            async for record in records:
                if record.last_sequence == 2:
                    reached.set()

    following = asyncio.create_task(follow())
    async with asyncio.timeout(10):
        await reached.wait()
        await journal.events.delete(address)

        with pytest.raises(NotFound):
            await following


async def test_listing_shows_the_newest_first_and_each_once(journal: Journal, kind: str) -> None:
    """A listing holds the first record of each generation, however often it was queued again."""
    addresses = [new_address(kind, "me") for _ in range(5)]
    for address in addresses:
        (revision,) = await write(journal.events, address, 1)
        await journal.events.append(address, entries(2), after=revision, append_id="retry", purpose=Purpose.QUEUE)
    await write(journal.events, new_address(kind, "you"), 1)

    await eventually_lists(journal, kind, list(reversed(addresses)))
    assert [1] * 5 == [first.record.first_sequence for first in await journal.events.listing(kind, "me")]


async def test_owners_who_have_nothing_are_forgotten_too(journal: Journal, kind: str) -> None:
    """A token may name anybody; whoever is listed again after that is listed as before."""
    log: Any = journal.events
    listings = Listings(log._pager, cache_bytes=8 * 1024)
    address = new_address(kind, "me")
    await write(journal.events, address, 1)
    await eventually_lists(journal, kind, [address])
    for number in range(20):
        assert [] == await listings.of_owner(kind, f"stranger {number}")
        assert [address] == [first.address for first in await listings.of_owner(kind, "me")]

    assert 2 <= len(listings) <= 8


async def test_listing_keeps_up_with_starts_and_deletions(journal: Journal, kind: str) -> None:
    """What has changed since the last listing shows in the next."""
    one, two, three = (new_address(kind, "me") for _ in range(3))
    await write(journal.events, one, 1)
    await write(journal.events, two, 1)
    await eventually_lists(journal, kind, [two, one])

    await journal.events.delete(one)
    await write(journal.events, three, 1)

    await eventually_lists(journal, kind, [three, two])


async def eventually_lists(journal: Journal, kind: str, expected: list[Address]) -> None:
    """Wait for a listing: at once on a single server, while the replicas of a cluster may lag for a moment."""

    async def lists() -> bool:
        return expected == [first.address for first in await journal.events.listing(kind, "me")]

    await eventually(lists)


async def test_lasts_come_in_the_order_asked(journal: Journal, kind: str) -> None:
    """Many newest records come with few requests, in order, with None where there is none."""
    addresses = [new_address(kind) for _ in range(150)]
    for address in addresses[::2]:
        await write(journal.events, address, 1)
    await write(journal.events, addresses[1], 3)

    lasts = await journal.events.lasts([*addresses, addresses[0]])

    found = [last.last_sequence if last else None for last in lasts]
    assert [3 if index == 1 else None if index % 2 else 1 for index in range(150)] == found[:150]
    assert found[150] == 1


async def test_controls_name_the_generation(journal: Journal, address: Address) -> None:
    """A control record is announced to whoever listens for its kind, and notes are not."""
    controls = journal.events.controls(address.kind)
    async with asyncio.timeout(10), aclosing(controls):
        assert await anext(controls) is None

        (revision,) = await write(journal.events, address, 1)
        await journal.events.append(address, entries(2), after=revision, append_id="stop", purpose=Purpose.CONTROL)
        assert address.id == await anext(controls)

        await journal.events.delete(address)
        assert address.id == await anext(controls)


async def test_feed_shows_every_record_of_the_owner(journal: Journal, kind: str) -> None:
    """An owner's feed shows starts, records and deletions of all the owner's generations, and nobody else's."""
    mine, other = new_address(kind, "me"), new_address(kind, "you")
    feed = journal.events.feed(kind, "me")
    async with asyncio.timeout(10), aclosing(feed):
        assert await anext(feed) is None

        await write(journal.events, other, 1)
        await write(journal.events, mine, 2)
        await journal.events.delete(mine)

        news = [await anext(feed) for _ in range(3)]

    assert [(mine.id, 1), (mine.id, 2), (mine.id, None)] == [
        (item[0], item[1].last_sequence if item[1] else None) for item in news if item
    ]
