"""What `JobQueue` promises, kept by the journal. Of turns and limits: `test_job_turns`."""

from __future__ import annotations

import asyncio
import time

from fabula.engine.ports import Address, Purpose
from fabula.journal import Journal
from tests.nats import LEASE_SECONDS, entries, eventually, new_address, write


async def test_queueing_record_hands_out_the_generation(journal: Journal, address: Address) -> None:
    """One append both accepts and queues: the job names the generation, its owner and the record."""
    (revision,) = await write(journal.events, address, 1)

    job = await journal.queue.claim(address.kind, 5)

    assert job is not None
    assert (address, revision) == (job.address, job.revision)


async def test_claim_ends_without_a_job_after_the_timeout(journal: Journal, kind: str) -> None:
    """With nothing to do a claim returns None, about when it was told to."""
    began = time.monotonic()

    assert await journal.queue.claim(kind, 0.3) is None

    assert 0.2 < time.monotonic() - began < 2


async def test_waiting_claim_gets_a_job_at_once(journal: Journal, address: Address) -> None:
    """Who waits is handed a job as soon as it is queued."""
    claim = asyncio.create_task(journal.queue.claim(address.kind, 10))
    await asyncio.sleep(0.05)
    began = time.monotonic()
    await write(journal.events, address, 1)

    job = await claim

    assert job is not None
    assert time.monotonic() - began < 1


async def test_jobs_come_in_the_order_they_were_queued(journal: Journal, kind: str) -> None:
    """The queue is first in, first out, for each owner and among owners that have had no turn."""
    addresses = [new_address(kind) for _ in range(5)]
    addresses += [new_address(kind, "one owner") for _ in range(5)]
    for address in addresses:
        await write(journal.events, address, 2)

    jobs = [await journal.queue.claim(kind, 5) for _ in addresses]

    assert addresses == [job.address for job in jobs if job]


async def test_job_is_handed_to_one_worker_only(journal: Journal, kind: str) -> None:
    """Of many that wait, each job goes to one."""
    claims = [asyncio.create_task(journal.queue.claim(kind, 0.4)) for _ in range(6)]
    for _ in range(3):
        await write(journal.events, new_address(kind), 1)

    jobs = [job for job in await asyncio.gather(*claims) if job]

    assert 3 == len({job.revision for job in jobs}) == len(jobs)


async def test_job_that_is_not_renewed_is_handed_out_again(journal: Journal, address: Address) -> None:
    """A worker that died gives way within the lease."""
    await write(journal.events, address, 1)
    first = await journal.queue.claim(address.kind, 5)
    began = time.monotonic()

    second = await journal.queue.claim(address.kind, 10 * LEASE_SECONDS)

    assert first is not None
    assert second is not None
    assert first.revision == second.revision
    assert time.monotonic() - began < 4 * LEASE_SECONDS


async def test_renewed_job_stays_with_its_worker(journal: Journal, address: Address) -> None:
    """Renewing keeps the claim far beyond the lease."""
    await write(journal.events, address, 1)
    job = await journal.queue.claim(address.kind, 5)
    assert job is not None

    async def renew() -> None:
        while True:
            await job.renew()
            await asyncio.sleep(LEASE_SECONDS / 4)

    renewing = asyncio.create_task(renew())
    other = await journal.queue.claim(address.kind, 3 * LEASE_SECONDS)
    renewing.cancel()

    assert other is None


async def test_job_that_is_done_never_comes_back(journal: Journal, address: Address) -> None:
    """Done is done."""
    await write(journal.events, address, 1)
    job = await journal.queue.claim(address.kind, 5)
    assert job is not None

    await job.done()

    assert await journal.queue.claim(address.kind, 3 * LEASE_SECONDS) is None


async def test_job_given_back_is_handed_out_at_once(journal: Journal, address: Address) -> None:
    """A worker that stops hands its job to the next without waiting for the lease."""
    await write(journal.events, address, 1)
    job = await journal.queue.claim(address.kind, 5)
    assert job is not None

    await job.give_back()
    began = time.monotonic()
    again = await journal.queue.claim(address.kind, 5)

    assert again is not None
    assert time.monotonic() - began < LEASE_SECONDS


async def test_job_given_back_with_a_delay_waits(journal: Journal, address: Address) -> None:
    """A delay keeps the job off the queue for that time."""
    await write(journal.events, address, 1)
    job = await journal.queue.claim(address.kind, 5)
    assert job is not None

    await job.give_back(delay_seconds=0.6)
    began = time.monotonic()
    again = await journal.queue.claim(address.kind, 5)

    assert again is not None
    assert 0.5 < time.monotonic() - began < 2


async def test_generation_queued_again_comes_as_a_newer_job(journal: Journal, address: Address) -> None:
    """A retry is a job of its own, with the revision of the record that asked for it."""
    (revision,) = await write(journal.events, address, 1)
    first = await journal.queue.claim(address.kind, 5)
    assert first is not None
    await first.done()
    retry = await journal.events.append(address, entries(2), after=revision, append_id="r", purpose=Purpose.QUEUE)

    second = await journal.queue.claim(address.kind, 5)

    assert second is not None
    assert retry == second.revision


async def test_deleted_generation_leaves_the_queue(journal: Journal, kind: str) -> None:
    """Nobody is handed a generation that was deleted while it waited."""
    gone, stays = new_address(kind), new_address(kind)
    await write(journal.events, gone, 1)
    await write(journal.events, stays, 1)
    await journal.events.delete(gone)

    job = await journal.queue.claim(kind, 5)

    assert job is not None
    assert stays == job.address


async def test_cancelled_claim_takes_no_job_with_it(journal: Journal, address: Address) -> None:
    """A worker that stops waiting does not hold back the job that comes next."""
    claim = asyncio.create_task(journal.queue.claim(address.kind, 30))
    await asyncio.sleep(0.1)
    claim.cancel()
    await asyncio.wait([claim])
    await write(journal.events, address, 1)
    began = time.monotonic()

    assert await journal.queue.claim(address.kind, 5) is not None

    assert time.monotonic() - began < LEASE_SECONDS


async def test_queues_of_two_kinds_are_apart(journal: Journal, kind: str) -> None:
    """A worker of one kind is handed none of another."""
    await write(journal.events, new_address(f"{kind}-other"), 1)

    assert await journal.queue.claim(kind, 0.2) is None


async def test_position_counts_the_jobs_ahead(journal: Journal, kind: str) -> None:
    """The n-th in line has n - 1 before it, and moves up as jobs are handed out."""
    revisions = [(await write(journal.events, new_address(kind), 2))[0] for _ in range(6)]

    positions = [await journal.queue.position(kind, revision) for revision in revisions]
    assert [0, 1, 2, 3, 4, 5] == positions

    for _ in range(2):
        assert await journal.queue.claim(kind, 5) is not None
    assert [0, 0, 0, 1, 2, 3] == [await journal.queue.position(kind, revision) for revision in revisions]


async def test_position_keeps_up_with_starts_and_deletions(journal: Journal, kind: str) -> None:
    """A line that is known already takes in who comes and lets go who is deleted."""
    addresses = [new_address(kind) for _ in range(3)]
    revisions = [(await write(journal.events, address, 1))[0] for address in addresses]
    assert await journal.queue.position(kind, revisions[2]) == 2

    revisions += await write(journal.events, new_address(kind), 1)
    await journal.events.delete(addresses[1])

    async def moved_up() -> bool:
        return [0, 1, 2] == [await journal.queue.position(kind, revisions[index]) for index in (0, 2, 3)]

    await eventually(moved_up)


async def test_depth_counts_who_waits(journal: Journal, kind: str) -> None:
    """Depth is the number of jobs that were not handed out."""
    assert await journal.queue.depth(kind) == 0
    for _ in range(4):
        await write(journal.events, new_address(kind), 1)
    await _eventually_waiting(journal, kind, 4)

    await journal.queue.claim(kind, 5)

    await _eventually_waiting(journal, kind, 3)


async def _eventually_waiting(journal: Journal, kind: str, count: int) -> None:
    """Wait for the depth: the server counts a moment after it has stored."""

    async def waiting() -> bool:
        return await journal.queue.depth(kind) == count

    await eventually(waiting)
