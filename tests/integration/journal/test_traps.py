"""Where JetStream behaves otherwise than one would think: each trap shown, and that the journal does not fall in."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from fabula.engine.ports import Address, Purpose
from fabula.errors import Superseded
from fabula.journal import Journal, JournalSettings, subjects
from fabula.journal.connection import ApiFault
from tests.nats import LEASE_SECONDS, entries, eventually, new_address, take, write


async def test_late_acknowledgement_leaves_the_job_to_the_second_worker(journal: Journal, address: Address) -> None:
    """JetStream accepts the acknowledgement of an expired delivery; a ticket goes only with who took it last."""
    await write(journal.events, address, 1)
    first = await journal.queue.claim(address.kind, 5)
    second = await journal.queue.claim(address.kind, 5 * LEASE_SECONDS)
    assert first is not None
    assert second is not None

    await first.done()
    third = await journal.queue.claim(address.kind, 5 * LEASE_SECONDS)

    assert third is not None
    await third.done()
    assert await journal.queue.claim(address.kind, 3 * LEASE_SECONDS) is None


async def test_worker_that_lost_its_lease_is_fenced_off(journal: Journal, address: Address) -> None:
    """The rule that keeps us out of that trap: a worker appends its end before `done`, and the loser cannot."""
    (queued,) = await write(journal.events, address, 1)
    loser = await journal.queue.claim(address.kind, 5)
    winner = await journal.queue.claim(address.kind, 5 * LEASE_SECONDS)
    assert loser is not None
    assert winner is not None
    claimed = await journal.events.append(address, entries(2), after=queued, append_id="winner claims")

    with pytest.raises(Superseded):
        await journal.events.append(address, entries(2), after=queued, append_id="loser ends")

    await journal.events.append(address, entries(3), after=claimed, append_id="winner ends")
    await winner.done()
    assert await journal.queue.claim(address.kind, 3 * LEASE_SECONDS) is None


async def test_server_refuses_a_repeated_fenced_write(
    journal: Journal, settings: JournalSettings, address: Address
) -> None:
    """A single server answers "wrong last sequence" to a repetition, before any duplicate detection."""
    if settings.replicas > 1:
        pytest.skip("a cluster detects the duplicate first")
    topic = subjects.log(address, Purpose.NOTE)
    headers = {"Nats-Expected-Last-Subject-Sequence": "0", "Nats-Msg-Id": uuid4().hex}
    await journal.link.store(topic, b"", headers)

    with pytest.raises(ApiFault) as refusal:
        await journal.link.store(topic, b"", headers)

    assert refusal.value.err_code == 10071


async def test_republished_subject_shows_stored_records_only(journal: Journal, address: Address) -> None:
    """A refused append is heard on the subject it was sent to, and not on the live one."""
    sent: list[str] = []
    stored: list[str] = []
    (revision,) = await write(journal.events, address, 1)

    async with (
        journal.link.listening(subjects.whole_log(address), heard=lambda m: sent.append(_append_id(m.headers))),
        journal.link.listening(subjects.live_log(address), heard=lambda m: stored.append(_append_id(m.headers))),
    ):
        await journal.link.round_trip()
        with pytest.raises(Superseded):
            await journal.events.append(address, entries(2), after=0, append_id="refused")
        await journal.events.append(address, entries(2), after=revision, append_id="stored")

        async def heard() -> bool:
            return len(sent) == 2 and len(stored) == 1

        await eventually(heard)

    assert ["refused", "stored"] == sent
    assert ["stored"] == stored


async def test_expired_record_leaves_nothing_behind(journal: Journal) -> None:
    """After its time a record's subject is empty: no marker stands in the way of `after=0`."""
    key = f"test.{uuid4().hex}"
    await journal.records.put(key, b"1", ttl_seconds=1)

    async def expired() -> bool:
        return await journal.records.get(key) is None

    await eventually(expired)
    question = {"subjects_filter": subjects.record(key)}
    state = (await journal.link.ask("STREAM.INFO.FABULA_RECORDS", question))["state"]

    assert not state.get("subjects")
    assert await journal.records.put(key, b"2", after=0) > 0


async def test_record_created_at_the_moment_of_expiry_is_never_refused_for_nothing(journal: Journal) -> None:
    """Whoever polls a lease that expires reads None only when creating it succeeds."""
    key = f"test.{uuid4().hex}"
    await journal.records.put(key, b"1", ttl_seconds=1)

    async with asyncio.timeout(5):
        while True:
            if await journal.records.get(key) is None:
                break

    assert await journal.records.put(key, b"2", after=0) > 0


async def test_interrupted_deletion_counts_as_done_and_is_finished_by_the_next(
    journal: Journal, address: Address
) -> None:
    """Between tombstone and purge the log is absent already; deleting again removes the bytes."""
    revisions = await write(journal.events, address, 3)
    await journal.link.store(subjects.tombstone(address), b"", {})  # and here the process died

    assert await journal.events.last(address) is None
    assert [] == [record async for record in journal.events.read(address)]

    async def unlisted() -> bool:  # at once on a single server; the replicas of a cluster may lag for a moment
        return not await journal.events.listing(address.kind, address.owner)

    await eventually(unlisted)
    with pytest.raises(Superseded):
        await journal.events.append(address, entries(4), after=revisions[-1], append_id="late")

    await journal.events.delete(address)

    question = {"subjects_filter": subjects.whole_log(address)}
    state = (await journal.link.ask("STREAM.INFO.FABULA_EVENTS", question))["state"]
    assert {subjects.tombstone(address): 1} == state["subjects"]


async def test_deletion_amid_writers_wins(journal: Journal, kind: str) -> None:
    """However a writer races with the deletion, nothing is stored behind the tombstone.

    In a cluster this is only so because the tombstone itself is fenced.
    """
    for _ in range(10):
        address = new_address(kind)
        writing = asyncio.create_task(_write_until_fenced(journal, address))
        await take(journal.events.follow(address), 2)
        await journal.events.delete(address)
        await writing

        assert await journal.events.last(address) is None


async def test_consumer_deleted_on_the_server_is_noticed(journal: Journal, address: Address) -> None:
    """A queue whose consumer an operator has removed is declared again by whoever claims."""
    assert await journal.queue.claim(address.kind, 0.1) is None
    await journal.link.ask(f"CONSUMER.DELETE.FABULA_EVENTS.fabula-queue-{address.kind}", {})
    await write(journal.events, address, 1)

    job = await journal.queue.claim(address.kind, 5)

    assert job is not None
    assert address == job.address


async def test_consumer_deleted_while_a_worker_waits_is_noticed(journal: Journal, address: Address) -> None:
    """The same while a claim is under way."""
    claim = asyncio.create_task(journal.queue.claim(address.kind, 10))
    await _until_waiting(journal, address.kind)
    await journal.link.ask(f"CONSUMER.DELETE.FABULA_EVENTS.fabula-queue-{address.kind}", {})
    await write(journal.events, address, 1)

    job = await claim

    assert job is not None


async def _until_waiting(journal: Journal, kind: str) -> None:
    async def waiting() -> bool:
        try:
            info = await journal.link.ask(f"CONSUMER.INFO.FABULA_EVENTS.fabula-queue-{kind}", {})
        except ApiFault:
            return False
        return bool(info["num_waiting"])

    await eventually(waiting)


async def _write_until_fenced(journal: Journal, address: Address) -> None:
    """Write as a worker does, with a breath between two records."""
    revision, sequence = 0, 1
    while True:
        try:
            revision = await journal.events.append(
                address, entries(sequence), after=revision, append_id=str(sequence), purpose=Purpose.NOTE
            )
        except Superseded:
            return
        sequence += 1
        await asyncio.sleep(0.002)


def _append_id(headers: dict[str, str] | None) -> str:
    return (headers or {})["Fabula-Append"]
