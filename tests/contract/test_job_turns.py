"""What `JobQueue` promises of owners: turns, limits, and that nothing is lost or run twice on the way."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest_asyncio

from fabula.engine.ports import Address, Job, Purpose
from fabula.journal import Journal, JournalSettings, connect, subjects
from fabula.journal.embedded import EmbeddedServer
from fabula.journal.ushering import Usher, consumer_name
from tests.nats import LEASE_SECONDS, entries, eventually, new_address, write


async def queue(journal: Journal, kind: str, owner: str, count: int = 1) -> list[tuple[Address, int]]:
    """Queue generations of an owner; return where they are and their revisions, when the queue knows of all."""
    addresses = [new_address(kind, owner) for _ in range(count)]
    revisions = [(await write(journal.events, address, 1))[0] for address in addresses]
    await until_known(journal, kind)
    return list(zip(addresses, revisions, strict=True))


async def until_known(journal: Journal, kind: str) -> None:
    """Wait until each queued record has its ticket."""
    await journal.queue.depth(kind)

    async def known() -> bool:
        info = await journal.link.ask(f"CONSUMER.INFO.{subjects.EVENTS_STREAM}.{consumer_name(kind)}", {})
        return not info["num_pending"] and not info["num_ack_pending"]

    await eventually(known)


async def take(journal: Journal, kind: str) -> Job:
    """Claim a job; there must be one."""
    job = await journal.queue.claim(kind, 10)
    assert job is not None
    return job


async def none_left(journal: Journal, kind: str) -> bool:
    """Tell whether nobody is handed anything."""
    return await journal.queue.claim(kind, 0.1) is None


@pytest_asyncio.fixture
async def limited(settings: JournalSettings) -> AsyncIterator[tuple[Journal, Journal]]:
    """Open two journals, as of two processes, with which an owner may have two jobs in workers' hands."""
    strict = replace(settings, owner_running=2, lease_seconds=2.0)
    async with connect(strict) as one, connect(strict) as another:
        yield one, another


async def test_owners_take_turns(journal: Journal, kind: str) -> None:
    """A long line of one owner lets others in after one job each."""
    await queue(journal, kind, "busy", 20)
    await queue(journal, kind, "ann", 2)
    await queue(journal, kind, "bob")

    owners = [(await take(journal, kind)).address.owner for _ in range(7)]

    assert ["busy", "ann", "bob", "busy", "ann", "busy", "busy"] == owners


async def test_owners_take_turns_among_many_workers(journal: Journal, settings: JournalSettings, kind: str) -> None:
    """Two processes that claim by turns keep one rota."""
    await queue(journal, kind, "busy", 10)
    await queue(journal, kind, "ann", 5)
    async with connect(settings) as other:
        await other.queue.depth(kind)
        owners = [(await take((journal, other)[number % 2], kind)).address.owner for number in range(8)]

    assert {"busy": 4, "ann": 4} == Counter(owners)


async def test_of_two_processes_that_choose_the_same_one_has_it(
    journal: Journal, settings: JournalSettings, kind: str
) -> None:
    """Both know of one job, and ask at the same moment."""
    async with connect(settings) as other:
        await other.queue.depth(kind)
        for _ in range(10):
            await queue(journal, kind, "ann")
            jobs = await asyncio.gather(journal.queue.claim(kind, 0.05), other.queue.claim(kind, 0.05))
            (job,) = [job for job in jobs if job is not None]
            await job.done()


async def test_a_process_that_comes_later_serves_everybody(
    journal: Journal, settings: JournalSettings, kind: str
) -> None:
    """It has heard of nothing before: what it finds is all there is to know."""
    await queue(journal, kind, "busy", 10)
    await queue(journal, kind, "ann", 2)
    assert "busy" == (await take(journal, kind)).address.owner
    async with connect(settings) as other:
        owners = [(await take(other, kind)).address.owner for _ in range(3)]

    assert "ann" in owners[:2]


async def test_a_job_that_comes_back_goes_first(journal: Journal, kind: str) -> None:
    """Who was interrupted waits for no further turn."""
    await queue(journal, kind, "ann", 2)
    await queue(journal, kind, "bob", 2)
    job = await take(journal, kind)
    await job.give_back()

    assert job.revision == (await take(journal, kind)).revision
    assert "bob" == (await take(journal, kind)).address.owner


async def test_position_knows_of_turns(journal: Journal, kind: str) -> None:
    """It counts what will be handed out before: of long lines only what has its turn before."""
    (_, _, third) = await queue(journal, kind, "busy", 3)
    ((_, only),) = await queue(journal, kind, "ann")

    assert 1 == await journal.queue.position(kind, only)
    assert 3 == await journal.queue.position(kind, third[1])

    await take(journal, kind)
    assert 0 == await journal.queue.position(kind, only)


async def test_no_owner_has_more_than_its_limit_running(limited: tuple[Journal, Journal], kind: str) -> None:
    """Over all processes; others go on, and the next of its jobs comes when one is done."""
    one, another = limited
    await queue(one, kind, "busy", 6)
    await another.queue.depth(kind)
    first, second = await take(one, kind), await take(another, kind)
    assert await none_left(one, kind)
    assert await none_left(another, kind)
    await queue(one, kind, "ann")
    assert "ann" == (await take(another, kind)).address.owner

    waiting = asyncio.create_task(another.queue.claim(kind, 10))
    await first.renew()
    await second.renew()
    await first.done()
    third = await waiting

    assert third is not None
    assert third.revision not in (first.revision, second.revision)


async def test_the_limit_holds_however_workers_race(limited: tuple[Journal, Journal], kind: str) -> None:
    """Many claims in two processes at once, jobs that end and come back: each job once at a time, never three."""
    chance = random.Random(8)
    total = 24
    done: Counter[int] = Counter()
    running: Counter[str] = Counter()
    held: set[int] = set()

    async def work(journal: Journal) -> None:
        while sum(done.values()) < total:
            job = await journal.queue.claim(kind, 0.2)
            if job is None:
                continue
            owner = job.address.owner
            running[owner] += 1
            assert job.revision not in held, "two have it"
            assert running[owner] <= 2
            held.add(job.revision)
            await asyncio.sleep(chance.uniform(0, 0.03))
            held.discard(job.revision)
            running[owner] -= 1
            if chance.random() < 0.3:
                await job.give_back(chance.choice((0, 0, 0.05)))
            else:
                done[job.revision] += 1
                await job.done()

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        for journal in limited * 4:
            tasks.create_task(work(journal))
        for owner in ("ann", "bob"):
            for _ in range(total // 2):
                await write(limited[0].events, new_address(kind, owner), 1)

    assert total == len(done) == sum(done.values())


async def test_the_limit_holds_for_who_does_not_know_everything(limited: tuple[Journal, Journal], kind: str) -> None:
    """Two processes that choose different jobs at the same moment, with room for one: one of them has it."""
    one, another = limited
    ((_, first), (_, second), _) = await queue(one, kind, "busy", 3)
    await another.queue.depth(kind)
    assert first == (await take(one, kind)).revision
    line = another.queue._offices[kind].line
    ticket = line.get(second)
    assert ticket is not None
    line.remove(ticket.place)  # it was never heard of here

    jobs = await asyncio.gather(one.queue.claim(kind, 0.5), another.queue.claim(kind, 0.5))

    assert 1 == len([job for job in jobs if job is not None])


async def test_a_dead_workers_job_comes_back_though_everybody_is_busy(journal: Journal, kind: str) -> None:
    """It goes before all that wait, as soon as a worker is free."""
    await queue(journal, kind, "ann", 3)
    lost = await take(journal, kind)
    await asyncio.sleep(2 * LEASE_SECONDS)  # nobody asks for a job meanwhile

    assert lost.revision == (await take(journal, kind)).revision


async def test_a_restart_of_the_server_takes_no_job_from_its_worker(own_server: EmbeddedServer, kind: str) -> None:
    """Who renews keeps the job, who waits is handed the others, and none is lost or had by two.

    The server's memory of acknowledgements reaches the disk a moment later than its messages: what is done may come
    once more, for the worker to find it done.
    """
    port = int(own_server.url.rpartition(":")[2])
    settings = JournalSettings(url=own_server.url, lease_seconds=1.0, queue_info_seconds=0.0)
    async with connect(settings) as one, connect(settings) as another:
        await queue(one, kind, "ann", 4)
        kept = await take(one, kind)

        async def renew() -> None:
            while True:
                await kept.renew()
                await asyncio.sleep(0.2)

        renewing = asyncio.create_task(renew())
        await another.queue.depth(kind)
        pid = own_server.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        await own_server.stop()
        async with EmbeddedServer(own_server.log_file.parent.parent, port):
            others = [await take(another, kind) for _ in range(3)]
            assert 4 == len({kept.revision, *(job.revision for job in others)})
            for job in others:
                await job.done()
            while (again := await another.queue.claim(kind, 3)) is not None:
                assert again.revision in {job.revision for job in others}
                await again.done()
            renewing.cancel()
            await kept.done()


async def test_what_an_older_version_left_in_the_queue_is_handed_out(journal: Journal, kind: str) -> None:
    """Jobs that wait, or that an older worker held when it ended, get their tickets from the same consumer."""
    old_worker = Usher(journal.link, kind, _never)
    await old_worker.declare()
    revisions = {(await write(journal.events, new_address(kind, "ann"), 1))[0] for _ in range(3)}
    held = await old_worker._queued.claim(5)  # workers of old took jobs from there, and did not come back
    assert held is not None
    assert held.revision in revisions

    jobs = [await take(journal, kind) for _ in range(3)]

    assert revisions == {job.revision for job in jobs}


async def test_waiting_counts_an_owners_jobs(journal: Journal, kind: str) -> None:
    """Those that wait, those left alone for a while, and those that were just queued; not those in hand."""
    await queue(journal, kind, "ann", 3)
    await queue(journal, kind, "bob")
    job = await take(journal, kind)
    assert (2, 1) == (await journal.queue.waiting(kind, "ann"), await journal.queue.waiting(kind, "bob"))

    await job.give_back(delay_seconds=5)
    assert 3 == await journal.queue.waiting(kind, "ann")

    address = new_address(kind, "ann")
    (revision,) = await write(journal.events, address, 1)
    await journal.queue.expect(address, revision)
    assert 4 == await journal.queue.waiting(kind, "ann")
    await until_known(journal, kind)
    assert 4 == await journal.queue.waiting(kind, "ann")


async def test_what_is_withdrawn_waits_no_more(journal: Journal, settings: JournalSettings, kind: str) -> None:
    """Nobody is handed it, everybody moves up, and a later run of the same generation stays."""
    ((gone, first), (_, second)) = await queue(journal, kind, "ann", 2)
    async with connect(settings) as other:
        await other.queue.depth(kind)
        end = await journal.events.append(gone, entries(2), after=first, append_id="e")
        await journal.events.append(gone, entries(3), after=end, append_id="q", purpose=Purpose.QUEUE)
        await until_known(journal, kind)

        await journal.queue.withdraw(gone, end)

        jobs = [await take(other, kind) for _ in range(2)]
        assert second == jobs[0].revision
        assert gone == jobs[1].address
        assert await none_left(other, kind)


async def _never(_ticket: object) -> None:
    raise AssertionError
