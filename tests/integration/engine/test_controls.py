"""Cancel and pause: in the middle of a stage, while queued, racing the start, racing the end, twice, withdrawn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from fabula.engine.events import Pending, Released, StageStarted, State, TextDelta
from fabula.engine.pipeline import Outputs, Stage, StageContext
from fabula.engine.ports import Address, Entry, EventLog, GenerationId, Purpose, Tag
from fabula.errors import Conflict, ModelCrashed
from tests.integration.engine.workplace import Scene, Workplace, lifecycle, names, quick
from tests.log_rules import texts_of
from tests.nats import eventually


@dataclass
class Gate:
    """The log, but an append that the test waits for stands still until the test lets it through.

    Attributes:
        log: The real log.
        stops: Says of which append to stop at.
    """

    log: EventLog
    stops: Any
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    open: asyncio.Event = field(default_factory=asyncio.Event)
    deaf: bool = False

    async def append(self, address: Address, entries: Sequence[Entry], **rest: Any) -> int:
        """Append, behind the gate."""
        if self.stops(entries):
            self.reached.set()
            await self.open.wait()
        return await self.log.append(address, entries, **rest)

    async def controls(self, kind: str) -> AsyncGenerator[GenerationId | None, None]:
        """Announce requests, unless the gate is deaf: then only appends meet them."""
        async for id_ in self.log.controls(kind):
            if not self.deaf:
                yield id_

    def __getattr__(self, name: str) -> Any:
        return getattr(self.log, name)


def ends_a_run(entries: Sequence[Entry]) -> bool:
    """Tell whether an append ends a run."""
    return entries[-1].tag is Tag.TERMINAL


def is_second(entries: Sequence[Entry]) -> bool:
    """Tell whether an append is the first of the first worker: its claim."""
    return entries[0].sequence == 2


async def test_cancel_in_mid_stage(place: Workplace) -> None:
    """A cancel is obeyed in the middle of a stage; what was written stays readable; the queue is empty."""
    write = Scene("write", "Once ", "upon ", "a time")
    async with place.working(write.stage):
        address = await place.start()
        write.let(2)
        await place.until_body(address, TextDelta)
        await place.command("cancel", address)
        log = await place.until_end(address)
        assert await place.queue_is_empty()

    assert ["Accepted", "Claimed", "StageStarted", "CancelRequested", "Cancelled"] == lifecycle(log)
    assert "Once upon ".startswith(texts_of(log)["write"])
    assert (None, ()) == (log[-1].progress.remaining, log[-1].progress.active_agents)


async def test_cancel_while_queued(place: Workplace) -> None:
    """A cancel while queued takes effect at once, with no worker there; who comes later leaves it alone."""
    address = await place.start()
    await place.command("cancel", address)
    before = await place.events(address)
    write = Scene("write")
    async with place.working(write.stage):
        assert await place.queue_is_empty()

    assert State.CANCELLED is before[-1].state
    assert before == await place.events(address)
    assert 0 == write.entered


async def test_cancel_of_one_leaves_the_other_alone(place: Workplace) -> None:
    """A cancel concerns one generation."""
    write = Scene("write", "Once")
    async with place.working(write.stage):
        one, other = await place.start(), await place.start()
        await write.is_entered(2)
        await place.command("cancel", one)
        await place.until_end(one)
        write.let()
        log = await place.until_end(other)

    assert State.SUCCEEDED is log[-1].state
    assert "CancelRequested" not in names(log)


async def test_cancel_that_races_the_start_wins(place: Workplace) -> None:
    """A cancel that is stored while a worker takes the job: the claim is refused, and nothing is begun."""
    gate, write = Gate(place.journal.events, is_second), Scene("write")
    async with place.working(write.stage, log=gate):
        address = await place.start()
        await asyncio.wait_for(gate.reached.wait(), 20)
        await place.command("cancel", address)
        gate.open.set()
        assert await place.queue_is_empty()
        log = await place.events(address)

    assert ["Accepted", "CancelRequested", "Cancelled"] == names(log)
    assert 0 == write.entered


async def test_cancel_that_races_the_success_wins_if_it_is_stored_first(place: Workplace) -> None:
    """The end of a run is fenced like everything else: a cancel in front of it turns a success into a cancellation."""
    gate = Gate(place.journal.events, ends_a_run)
    async with place.working(quick("write"), log=gate):
        address = await place.start()
        await asyncio.wait_for(gate.reached.wait(), 20)
        await place.command("cancel", address)
        gate.open.set()
        log = await place.until_end(address)

    assert ["StageFinished", "CancelRequested", "Cancelled"] == names(log)[-3:]
    assert 0.999 == log[-1].progress.fraction


async def test_cancel_after_the_success_is_refused(place: Workplace) -> None:
    """What has succeeded cannot be cancelled any more, and stays as it is."""
    async with place.working(quick("write")):
        address = await place.start()
        log = await place.until_end(address)
        with pytest.raises(Conflict):
            await place.command("cancel", address)

    assert log == await place.events(address)


async def test_cancel_twice_is_one(place: Workplace) -> None:
    """The second cancel finds the first: nothing is written twice, before the end and after it."""
    gate, write = Gate(place.journal.events, ends_a_run), Scene("write")
    async with place.working(write.stage, log=gate):
        address = await place.start()
        await write.is_entered()
        await place.command("cancel", address)
        await place.command("cancel", address)
        gate.open.set()
        log = await place.until_end(address)
        await place.command("cancel", address)

    assert 1 == names(log).count("CancelRequested")
    assert log == await place.events(address)


async def test_cancel_is_met_by_the_next_append(place: Workplace) -> None:
    """Where the announcement is lost, the fence of the next append tells of the request."""
    gate, write = Gate(place.journal.events, lambda _: False, deaf=True), Scene("write", "Once ", "upon ", "a time")
    async with place.working(write.stage, log=gate):
        address = await place.start()
        await write.is_entered()
        await place.command("cancel", address)
        write.let(1)
        log = await place.until_end(address)

    assert ["StageStarted", "CancelRequested", "TextDelta", "Cancelled"] == names(log)[-4:]


async def test_stage_that_fails_when_it_is_cancelled_is_cancelled(place: Workplace) -> None:
    """How an interrupted stage ends does not matter: a crash on the way out is no failure of the run."""
    entered = asyncio.Event()

    async def run(_context: StageContext, _outputs: Outputs) -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise ModelCrashed("killed on cancel")

    async with place.working(Stage("write", run)):
        address = await place.start()
        await asyncio.wait_for(entered.wait(), 20)
        await place.command("cancel", address)
        log = await place.until_end(address)

    assert ["Accepted", "Claimed", "StageStarted", "CancelRequested", "Cancelled"] == names(log)


async def test_stage_that_fails_when_it_is_released_is_released(place: Workplace) -> None:
    """The same on shutdown: the generation is handed back, not failed."""
    entered = asyncio.Event()

    async def run(_context: StageContext, _outputs: Outputs) -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise RuntimeError("lost my way")

    async with place.working(Stage("write", run)):
        address = await place.start()
        await asyncio.wait_for(entered.wait(), 20)

    assert isinstance((await place.events(address))[-1].body, Released)


async def test_stage_that_swallows_the_interruption_is_finished_first(place: Workplace) -> None:
    """A stage that goes on to its end when it is interrupted keeps its output; then the cancel is obeyed."""
    entered = asyncio.Event()

    async def run(_context: StageContext, _outputs: Outputs) -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    async with place.working(Stage("write", run)):
        address = await place.start()
        await asyncio.wait_for(entered.wait(), 20)
        await place.command("cancel", address)
        log = await place.until_end(address)

    assert ["CancelRequested", "StageFinished", "Cancelled"] == names(log)[-3:]


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
    queue = _SlowAcknowledgements(place.journal.queue)
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


async def test_delete_while_queued(place: Workplace) -> None:
    """A deleted generation is taken off the queue by whoever meets it, and never begun."""
    address = await place.start()
    await place.command("delete", address)
    write = Scene("write")
    async with place.working(write.stage) as hand:
        assert await place.queue_is_empty()
        assert not hand.task.done()

    assert 0 == write.entered


async def test_log_that_vanishes_under_a_run(place: Workplace) -> None:
    """A log deleted under a worker (which commands do not allow) ends its turn; the worker is none the worse."""
    write = Scene("write", "Once ", "upon")
    async with place.working(write.stage) as hand:
        address, other = await place.start(), await place.start()
        await write.is_entered(2)
        await place.until_body(address, StageStarted)
        await place.journal.events.delete(address)
        write.let()
        assert State.SUCCEEDED is (await place.until_end(other))[-1].state
        assert await place.queue_is_empty()
        assert not hand.task.done()


async def test_foreign_log_line_is_no_reason_to_stop(place: Workplace) -> None:
    """Somebody's note in the log is read over: the writer appends behind it."""
    from tests.integration.engine.test_writer import note  # noqa: PLC0415 - one word of that module

    write = Scene("write", "Once ", "upon")
    async with place.working(write.stage):
        address = await place.start()
        await write.is_entered()
        await place.until_body(address, StageStarted)
        await note(place, address, Purpose.CONTROL)
        write.let()
        log = await place.until_end(address)

    assert State.SUCCEEDED is log[-1].state
    assert "LogLine" in names(log)


class _SlowAcknowledgements:
    """The queue, but the first acknowledgement waits until the test lets it through."""

    def __init__(self, queue: Any) -> None:
        self._queue = queue
        self.reached = asyncio.Event()
        self.open = asyncio.Event()

    async def claim(self, kind: str, timeout_seconds: float) -> Any:
        """Hand out a job."""
        job = await self._queue.claim(kind, timeout_seconds)
        return job and _SlowJob(job, self)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)


class _SlowJob:
    def __init__(self, job: Any, queue: _SlowAcknowledgements) -> None:
        self._job = job
        self._queue = queue

    async def done(self) -> None:
        """Acknowledge, behind the gate."""
        if not self._queue.reached.is_set():
            self._queue.reached.set()
            await self._queue.open.wait()
        await self._job.done()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._job, name)
