"""Workers that die, lose their lease, shut down, or lose the journal: the work goes on, once."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fabula.engine.events import (
    CancelRequested,
    Claimed,
    Event,
    Failed,
    Released,
    StageFinished,
    State,
    Succeeded,
    TextDelta,
)
from fabula.engine.ports import Entry, Job, Purpose, Tag
from fabula.errors import LogCorrupted, Unavailable
from fabula.journal import JournalSettings, connect
from fabula.journal.embedded import EmbeddedServer, _free_port
from services.story.domain import Chapter
from tests.integration.engine.test_writer import note
from tests.integration.engine.workplace import Scene, Workplace, failing, lifecycle, names, open_workplace, quick
from tests.log_rules import texts_of
from tests.nats import LEASE_SECONDS, eventually

NEVER = 3600.0
"""A lease that is never renewed in time."""


def claims(log: list[Event]) -> list[tuple[str, int]]:
    """Return who claimed the generation, and at which attempt."""
    return [(event.body.worker, event.body.attempt) for event in log if isinstance(event.body, Claimed)]


@pytest.mark.parametrize("continues", [True, False])
async def test_death_in_mid_stage(place: Workplace, continues: bool) -> None:
    """The next worker keeps the finished stages, and goes on inside the stage if that can be."""
    plan, write = Scene("plan"), Scene("write", "Once ", "upon ", "a time", continues=continues)
    plan.let()
    async with place.working(plan.stage, write.stage, name="first") as first:
        address = await place.start()
        write.let(1)
        await place.until_body(address, TextDelta)
        await first.kill()
    async with place.working(plan.stage, write.stage, name="second"):
        await write.is_entered(2)
        write.let()
        log = await place.until_end(address)
        assert await place.queue_is_empty()

    assert [("first", 1), ("second", 2)] == claims(log)
    assert 1 == plan.entered
    assert ["", "Once " if continues else ""] == write.written_before
    assert {"write": "Once upon a time"} == texts_of(log)
    assert continues is ("StageRestarted" not in names(log))


async def test_time_and_units_of_a_stage_count_over_a_death(place: Workplace) -> None:
    """What the stage took before the death belongs to it: its pace and the result's timings stay true."""
    write = Scene("write", "Once ", "upon ", "a time", continues=True)
    async with place.working(write.stage) as first:
        address = await place.start()
        await write.is_entered()
        await asyncio.sleep(0.3)  # time that is to be counted
        write.let(1)
        await place.until_body(address, TextDelta)
        await first.kill()
    write.let()
    async with place.working(write.stage):
        log = await place.until_end(address)

    finished = next(event.body for event in log if isinstance(event.body, StageFinished))
    assert 3 == finished.units
    assert finished.elapsed >= 0.3


async def test_three_deaths_fail_the_job(place: Workplace) -> None:
    """A job that has killed three workers is given up with a clear reason, and leaves the queue."""
    write = Scene("write")
    address = await place.start()
    for number in range(3):
        async with place.working(quick("plan"), write.stage, name=f"victim-{number}") as victim:
            await write.is_entered(number + 1)
            await place.until(address, lambda event: event.progress.stage == "write")
            await victim.kill()
    async with place.working(quick("plan"), write.stage, name="survivor"):
        log = await place.until_end(address)
        assert await place.queue_is_empty()

    assert isinstance(log[-1].body, Failed)
    assert ("WORKER_DIED", "write") == (log[-1].body.failure.code, log[-1].body.stage)
    assert [("victim-0", 1), ("victim-1", 2), ("victim-2", 3), ("survivor", 4)] == claims(log)
    assert 3 == write.entered


async def test_finished_stage_forgives_deaths(place: Workplace) -> None:
    """Deaths count between two finished stages: a long job on a shaky machine gets to its end."""
    scenes = [Scene(f"write-{number}") for number in range(4)]
    stages = [scene.stage for scene in scenes]
    address = await place.start()
    for scene in scenes:
        async with place.working(*stages) as victim:
            await scene.is_entered()
            scene.let()
            await victim.kill()
    async with place.working(*stages):
        log = await place.until_end(address)

    assert State.SUCCEEDED is log[-1].state


async def test_poisoned_job_can_be_retried(place: Workplace) -> None:
    """When the cause is mended, a retry has its three lives again."""
    write = Scene("write")
    address = await place.start()
    for number in range(3):
        async with place.working(write.stage) as victim:
            await write.is_entered(number + 1)
            await victim.kill()
    write.let()
    async with place.working(write.stage):
        await place.until_end(address)
        await place.command("retry", address)
        log = await place.until_body(address, Succeeded)

    assert 1 == claims(log)[-1][1]


async def test_cancel_outweighs_the_third_death(place: Workplace) -> None:
    """A job that killed its workers and was cancelled meanwhile ends as cancelled."""
    write = Scene("write")
    address = await place.start()
    for number in range(3):
        async with place.working(write.stage) as victim:
            await write.is_entered(number + 1)
            await victim.kill()
    await place.command("cancel", address)
    async with place.working(write.stage):
        log = await place.until_end(address)

    assert State.CANCELLED is log[-1].state


async def test_cancel_while_no_worker_lives(place: Workplace) -> None:
    """A cancel of a run whose worker has died is obeyed by the next one, which begins nothing."""
    write = Scene("write")
    async with place.working(write.stage) as victim:
        address = await place.start()
        await write.is_entered()
        await victim.kill()
    await place.command("cancel", address)
    async with place.working(write.stage):
        log = await place.until_end(address)

    assert ["CancelRequested", "Claimed", "Cancelled"] == names(log)[-3:]
    assert 1 == write.entered


async def test_shutdown_hands_back_at_once(place: Workplace) -> None:
    """A worker that stops cleanly releases the job; the next one has it at once, not after the lease."""
    write = Scene("write", "Once ", "upon", continues=True)
    async with place.working(write.stage, name="first"):
        address = await place.start()
        write.let(1)
        await place.until_body(address, TextDelta)
    released = await place.events(address)
    began = time.monotonic()
    async with place.working(write.stage, name="second"):
        await write.is_entered(2)
        took = time.monotonic() - began
        write.let()
        log = await place.until_end(address)

    assert (Released("first", "the worker shuts down"), State.QUEUED) == (released[-1].body, released[-1].state)
    assert (None, ()) == (released[-1].progress.remaining, released[-1].progress.active_agents)
    assert [("first", 1), ("second", 1)] == claims(log)
    assert took < LEASE_SECONDS
    assert {"write": "Once upon"} == texts_of(log)


async def test_worker_without_work_stops_at_once(place: Workplace) -> None:
    """A shutdown does not wait for a request for a job to time out."""
    async with place.working(quick("write")) as hand:
        await place.until_end(await place.start())
        began = time.monotonic()
        await hand.stop()

    assert time.monotonic() - began < 2


@pytest.mark.parametrize("moment", ["idle", "writing"])
async def test_zombie_stops_and_the_job_is_acknowledged_once(place: Workplace, moment: str) -> None:
    """A worker that has lost its lease without noticing: its next word is refused, and it leaves the job alone."""
    first, second = Scene("write", "Once ", "upon"), Scene("write", "A ", "fox")
    async with place.working(first.stage, name="zombie", lease_seconds=NEVER):
        address = await place.start()
        await first.is_entered()
        if moment == "writing":
            first.let(1)
            await place.until_body(address, TextDelta)
        async with place.working(second.stage, name="heir", queue=place.journal.queue) as _:
            # Either worker may be handed the job again; what the zombie is handed it takes for its own claim's renewal.
            await second.is_entered()
            first.let()  # the zombie writes on, and is refused
            second.let()
            log = await place.until_end(address)
            assert await place.queue_is_empty()

    assert [("zombie", 1), ("heir", 2)] == claims(log)
    assert {"write": "A fox"} == texts_of(log)
    assert Succeeded(Chapter(1, "write", "A fox")) == log[-1].body


async def test_own_job_that_comes_again_is_taken_as_renewal(place: Workplace) -> None:
    """A worker that is handed its own job again (its lease had lapsed) works on, undisturbed."""
    write = Scene("write", "Once")
    async with place.working(write.stage, lease_seconds=NEVER) as hand:
        address = await place.start()
        await write.is_entered()
        (held,) = hand.worker._held.values()
        first: Job = held.job

        async def handed_again() -> bool:
            return held.job is not first

        await eventually(handed_again, 10)
        write.let()
        log = await place.until_end(address)
        assert await place.queue_is_empty()

    assert 1 == write.entered
    assert [("worker", 1)] == claims(log)


async def test_job_of_an_ended_run_is_taken_off_the_queue(place: Workplace) -> None:
    """A worker that died between the end of a run and its acknowledgement leaves a job that is only acknowledged."""
    queue = _Forgetful(place.journal.queue)
    write = Scene("write")
    write.let()
    async with place.working(write.stage, queue=queue) as forgetful:
        address = await place.start()
        log = await place.until_end(address)
        await asyncio.wait_for(queue.asked.wait(), 20)
        assert not forgetful.task.done(), "an acknowledgement that fails is no reason to end"
    async with place.working(write.stage):
        assert await place.queue_is_empty()

    assert log == await place.events(address)
    assert 1 == write.entered


async def test_corrupted_log_does_not_disturb_others(place: Workplace) -> None:
    """A log that cannot be read is reported and left alone: the job leaves the queue, other jobs go on."""
    broken = await place.start()
    record = await place.journal.events.last(broken)
    assert record is not None
    await place.journal.events.append(
        broken, [Entry(2, Tag.STATE, b"\xff\xff")], after=record.revision, append_id="vandal"
    )
    async with place.working(quick("write")) as hand:
        log = await place.until_end(await place.start())
        assert await place.queue_is_empty()
        assert not hand.task.done()

    assert State.SUCCEEDED is log[-1].state
    with pytest.raises(LogCorrupted):
        await place.events(broken)


async def test_fault_in_one_job_leaves_the_others_alone(place: Workplace) -> None:
    """An error that nobody foresaw is contained in its job; the job is handed out again later, not at once."""
    write = Scene("write")
    async with place.working(write.stage, codec=_Blind(place.codec), name="blind") as hand:
        good = await place.start("A fox")
        await write.is_entered()
        bad = await place.start("A bug")
        await eventually(_delayed(place), 20)
        assert not hand.task.done()
        write.let()
        log = await place.until_end(good)

    assert State.SUCCEEDED is log[-1].state
    assert ["Accepted"] == names(await place.events(bad))


async def test_unavailable_queue_is_waited_for(place: Workplace) -> None:
    """A worker whose questions for jobs fail asks again."""
    queue = _Forgetful(place.journal.queue, claims_fail=2)
    async with place.working(quick("write"), queue=queue):
        log = await place.until_end(await place.start())

    assert State.SUCCEEDED is log[-1].state


@pytest_asyncio.fixture
async def own_server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    """Run a server that the test may kill, and start again where it was."""
    async with EmbeddedServer(tmp_path, port=_free_port()) as server:
        yield server


@pytest_asyncio.fixture
async def own_place(own_server: EmbeddedServer) -> AsyncIterator[Workplace]:
    """Open a workplace on a server that the test may kill."""
    settings = JournalSettings(
        url=own_server.url, name="test", lease_seconds=LEASE_SECONDS, answer_seconds=0.5, idle_check_seconds=0.2
    )
    async with connect(settings) as journal, open_workplace(journal) as place:
        yield place


async def test_journal_away_in_mid_run(own_place: Workplace, own_server: EmbeddedServer) -> None:
    """The journal is killed in mid-sentence and comes back: nothing lost, nothing twice, in order; nobody noticed."""
    place = own_place
    words = [f"word-{number} " for number in range(30)]
    write = Scene("write", *words)
    async with place.working(write.stage, name="patient") as hand:
        address = await place.start()
        write.let(10)
        await place.until(address, lambda event: event.progress.step == 10)
        await _kill(own_server)
        write.let(10)  # emitted while the journal is away
        await eventually(_emitted(hand.worker, 20), 20)
        await asyncio.sleep(2 * LEASE_SECONDS)  # long enough for appends to fail and leases to lapse
        await own_server.start()
        write.let()
        log = await place.until_end(address)
        assert await place.queue_is_empty()

    assert {"write": "".join(words)} == texts_of(log)
    assert ["Accepted", "Claimed", "StageStarted", "StageFinished", "Succeeded"] == lifecycle(log)


async def test_journal_away_at_shutdown(own_place: Workplace, own_server: EmbeddedServer) -> None:
    """A worker that must stop while the journal is away stops all the same; the job goes to the next by its lease."""
    place = own_place
    write = Scene("write", "Once ", "upon", continues=True)
    async with place.working(write.stage, name="first") as hand:
        address = await place.start()
        write.let(1)
        await place.until_body(address, TextDelta)
        await _kill(own_server)
        await hand.stop()
    await own_server.start()
    write.let()
    async with place.working(write.stage, name="second"):
        log = await place.until_end(address)

    assert [("first", 1), ("second", 2)] == claims(log)
    assert {"write": "Once upon"} == texts_of(log)


async def test_cancel_stored_while_nobody_could_hear_it(own_place: Workplace, own_server: EmbeddedServer) -> None:
    """A request whose announcement was lost with the connection is found when the connection is back."""
    place = own_place
    write = Scene("write")
    async with place.working(write.stage):
        address = await place.start()
        await write.is_entered()
        await _kill(own_server)
        await own_server.start()
        await note(place, address, Purpose.CONTROL, CancelRequested())
        log = await place.until_end(address)

    assert State.CANCELLED is log[-1].state


async def test_failed_stage_of_one_does_not_stop_another(place: Workplace) -> None:
    """Runs of one worker do not know each other."""
    bad, good = failing("write", *[RuntimeError("no")] * 1), Scene("write")
    async with place.working(good.stage):
        one = await place.start()
        await good.is_entered()
        async with place.working(replace(bad, name="other")):
            good.let()
            assert State.SUCCEEDED is (await place.until_end(one))[-1].state


async def _kill(server: EmbeddedServer) -> None:
    """Kill the server by its process id, and have it forgotten so that it can be started again."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    await server.stop()


def _emitted(worker: Any, step: int) -> Any:
    async def emitted() -> bool:
        (held,) = worker._held.values()
        return bool(held.run._meter.read(time.monotonic()).step == step)

    return emitted


def _delayed(place: Workplace) -> Any:
    """Return a condition: no job waits to be handed out."""

    async def delayed() -> bool:
        return await place.journal.queue.depth(place.kind) == 0

    return delayed


class _Blind:
    """The codec, but it stumbles over bugs."""

    def __init__(self, codec: Any) -> None:
        self._codec = codec

    def decode(self, entry: Entry) -> Event:
        """Decode, unless it is about a bug."""
        if b"A bug" in entry.data:
            raise RuntimeError("a bug")
        event: Event = self._codec.decode(entry)
        return event

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codec, name)


class _Forgetful:
    """The queue, but acknowledgements never arrive, and the first questions for jobs neither."""

    def __init__(self, queue: Any, claims_fail: int = 0) -> None:
        self._queue = queue
        self._claims_fail = claims_fail
        self.asked = asyncio.Event()

    async def claim(self, kind: str, timeout_seconds: float) -> Any:
        """Hand out a job."""
        if self._claims_fail:
            self._claims_fail -= 1
            raise Unavailable("the network is down")
        job = await self._queue.claim(kind, timeout_seconds)
        return job and _ForgetfulJob(job, self.asked)


class _ForgetfulJob:
    def __init__(self, job: Any, asked: asyncio.Event) -> None:
        self._job = job
        self._asked = asked

    async def done(self) -> None:
        """Fail to acknowledge."""
        self._asked.set()
        raise Unavailable("the network is down")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._job, name)
