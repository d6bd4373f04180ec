"""What goes wrong with one job ends neither the worker nor another job."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from fabula.engine.events import (
    State,
)
from fabula.engine.ports import Entry, Tag
from fabula.errors import LogCorrupted
from tests.integration.engine.faults import (
    Blind,
    Forgetful,
)
from tests.integration.engine.workplace import Scene, Workplace, failing, names, quick
from tests.nats import eventually


async def test_job_of_an_ended_run_is_taken_off_the_queue(place: Workplace) -> None:
    """A worker that died between the end of a run and its acknowledgement leaves a job that is only acknowledged."""
    queue = Forgetful(place.journal.queue)
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
    write, blind = Scene("write"), Blind(place.codec)
    async with place.working(write.stage, codec=blind, name="blind") as hand:
        good = await place.start("A fox")
        await write.is_entered()
        bad = await place.start("A bug")
        await eventually(_has_stumbled(blind), 20)
        assert not hand.task.done()
        write.let()
        log = await place.until_end(good)
        await asyncio.sleep(0.3)

    assert State.SUCCEEDED is log[-1].state
    assert blind.stumbles < 5
    assert ["Accepted"] == names(await place.events(bad))


async def test_unavailable_queue_is_waited_for(place: Workplace) -> None:
    """A worker whose questions for jobs fail asks again."""
    queue = Forgetful(place.journal.queue, claims_fail=2)
    async with place.working(quick("write"), queue=queue):
        log = await place.until_end(await place.start())

    assert State.SUCCEEDED is log[-1].state


async def test_failed_stage_of_one_does_not_stop_another(place: Workplace) -> None:
    """Runs of one worker do not know each other."""
    bad, good = failing("write", *[RuntimeError("no")] * 1), Scene("write")
    async with place.working(good.stage):
        one = await place.start()
        await good.is_entered()
        async with place.working(replace(bad, name="other")):
            good.let()
            assert State.SUCCEEDED is (await place.until_end(one))[-1].state


def _has_stumbled(codec: Blind) -> Any:
    async def stumbled() -> bool:
        return codec.stumbles > 0

    return stumbled
