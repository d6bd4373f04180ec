"""Pause and resume: in the middle of a stage, while queued, withdrawn, over a shutdown, resumed at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from fabula.engine.events import Pending, State, TextDelta
from fabula.engine.ports import Entry
from tests.integration.engine.faults import (
    Gate,
    SlowAcknowledgements,
)
from tests.integration.engine.workplace import Scene, Workplace, names, quick
from tests.log_rules import texts_of
from tests.nats import eventually


@pytest.mark.parametrize("continues", [True, False])
async def test_pause_and_resume(place: Workplace, continues: bool) -> None:
    """A pause frees the worker; resumed, a stage that can goes on from what is written, another begins again."""
    write = Scene("write", "Once ", "upon ", "a time", continues=continues)
    async with place.working(write.stage):
        address = await place.start()
        write.let(1)
        await place.until_body(address, TextDelta)
        await place.command("pause", address)
        paused = await place.until(address, lambda event: event.state is State.PAUSED)
        assert await place.queue_is_empty()
        await place.command("resume", address)
        await write.is_entered(2)
        write.let()
        log = await place.until_end(address)

    assert ["PauseRequested", "Paused"] == names(paused)[-2:]
    assert (Pending.NOTHING, (), None) == (
        paused[-1].pending,
        paused[-1].progress.active_agents,
        paused[-1].progress.remaining,
    )
    assert ["", "Once " if continues else ""] == write.written_before
    assert continues is ("StageRestarted" not in names(log))
    assert {"write": "Once upon a time"} == texts_of(log)
    assert [1, 1] == [event.body.attempt for event in log if hasattr(event.body, "attempt")]


async def test_pause_while_queued(place: Workplace) -> None:
    """Paused while queued, a generation is left alone by workers until it is resumed."""
    address = await place.start()
    await place.command("pause", address)
    async with place.working(quick("write")):
        assert await place.queue_is_empty()
        assert State.PAUSED is (await place.events(address))[-1].state
        await place.command("resume", address)
        log = await place.until_end(address)
        assert await place.queue_is_empty()

    assert State.SUCCEEDED is log[-1].state


async def test_stale_job_is_only_acknowledged(place: Workplace) -> None:
    """Paused and resumed while queued, a generation is in the queue twice: it is run once, for the newer job."""
    address, write = await place.start(), Scene("write")
    await place.command("pause", address)
    await place.command("resume", address)
    async with place.working(write.stage):
        await write.is_entered()

        async def one_is_left() -> bool:
            return await place.jobs() == (0, 1)

        await eventually(one_is_left)
        assert 1 == names(await place.events(address)).count("Claimed")
        write.let()
        await place.until_end(address)
        assert await place.queue_is_empty()

    assert 1 == write.entered


async def test_pause_survives_that_all_workers_stop(place: Workplace) -> None:
    """What is paused needs no worker, and is taken up by any."""
    write = Scene("write", "Once ", "upon", continues=True)
    async with place.working(write.stage):
        address = await place.start()
        write.let(1)
        await place.until_body(address, TextDelta)
        await place.command("pause", address)
        await place.until(address, lambda event: event.state is State.PAUSED)
    await place.command("resume", address)
    write.let()
    async with place.working(write.stage, name="another"):
        log = await place.until_end(address)

    assert {"write": "Once upon"} == texts_of(log)


@pytest.mark.parametrize("continues", [True, False])
async def test_pause_withdrawn_before_it_is_carried_out(place: Workplace, continues: bool) -> None:
    """A resume that overtakes the pause: the worker goes on by itself, and no second job comes up."""

    def pauses(entries: Sequence[Entry]) -> bool:
        return place.codec.decode(entries[-1]).state is State.PAUSED

    gate, write = Gate(place.journal.events, pauses), Scene("write", "Once ", "upon ", "a time", continues=continues)
    async with place.working(write.stage, log=gate):
        address = await place.start()
        write.let(1)
        await place.until_body(address, TextDelta)
        await place.command("pause", address)
        await asyncio.wait_for(gate.reached.wait(), 20)
        await place.command("resume", address)
        gate.open.set()
        await write.is_entered(2)
        write.let()
        log = await place.until_end(address)
        assert await place.queue_is_empty()

    assert "Paused" not in names(log)
    assert {"write": "Once upon a time"} == texts_of(log)
    assert 1 == names(log).count("Claimed")


async def test_pause_that_the_worker_did_not_live_to_carry_out(place: Workplace) -> None:
    """Whoever takes the generation up after the worker's death pauses it, and begins nothing."""
    write = Scene("write", "Once ", "upon", continues=True)
    async with place.working(write.stage) as victim:
        address = await place.start()
        write.let(1)
        await place.until_body(address, TextDelta)
        await victim.kill()
    await place.command("pause", address)
    async with place.working(write.stage):
        paused = await place.until(address, lambda event: event.state is State.PAUSED)
        assert 1 == write.entered
        await place.command("resume", address)
        write.let()
        log = await place.until_end(address)

    assert ["PauseRequested", "Claimed", "Paused"] == names(paused)[-3:]
    assert {"write": "Once upon"} == texts_of(log)


async def test_cancel_outweighs_a_pause(place: Workplace) -> None:
    """Asked for both, a generation is cancelled."""

    def pauses(entries: Sequence[Entry]) -> bool:
        return place.codec.decode(entries[-1]).state is State.PAUSED

    gate, write = Gate(place.journal.events, pauses), Scene("write")
    async with place.working(write.stage, log=gate):
        address = await place.start()
        await write.is_entered()
        await place.command("pause", address)
        await asyncio.wait_for(gate.reached.wait(), 20)
        await place.command("cancel", address)
        gate.open.set()
        log = await place.until_end(address)

    assert ["PauseRequested", "CancelRequested", "Cancelled"] == names(log)[-3:]


async def test_resumed_at_once_the_new_job_is_not_lost(place: Workplace) -> None:
    """Resumed before the worker has acknowledged the paused job: the old job is acknowledged, the new one is run."""
    queue = SlowAcknowledgements(place.journal.queue)
    write = Scene("write", "Once ", "upon", continues=True)
    async with place.working(write.stage, queue=queue):
        address = await place.start()
        await write.is_entered()
        await place.command("pause", address)
        await asyncio.wait_for(queue.reached.wait(), 20)
        await place.command("resume", address)
        await write.is_entered(2)  # under the new job, while the old one still waits for its acknowledgement
        queue.open.set()
        write.let()
        log = await place.until_end(address)
        assert await place.queue_is_empty()

    assert State.SUCCEEDED is log[-1].state
