"""Workers that die, lose their lease or shut down: the work goes on, once."""

from __future__ import annotations

import asyncio
import time

import pytest

from fabula.engine.events import (
    Claimed,
    Event,
    Failed,
    Released,
    StageFinished,
    State,
    Succeeded,
    TextDelta,
)
from fabula.engine.ports import Job
from services.story.domain import Chapter
from tests.integration.engine.workplace import Scene, Workplace, names, quick
from tests.log_rules import texts_of
from tests.nats import eventually

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


async def test_shutdown_hands_back_at_once(long_lease_place: Workplace) -> None:
    """A worker that stops cleanly releases the job; the next one has it at once, not after the lease."""
    place = long_lease_place
    write = Scene("write", "Once ", "upon", continues=True)
    async with place.working(write.stage, name="first"):
        address = await place.start()
        write.let(1)
        await place.until_body(address, TextDelta)
    released = await place.events(address)
    async with place.working(write.stage, name="second"):
        await write.is_entered(2)
        write.let()
        log = await place.until_end(address)

    assert (Released("first", "the worker shuts down"), State.QUEUED) == (released[-1].body, released[-1].state)
    assert (None, ()) == (released[-1].progress.remaining, released[-1].progress.active_agents)
    assert [("first", 1), ("second", 1)] == claims(log)
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
