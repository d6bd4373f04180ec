"""Cancel: in the middle of a stage, while queued, racing the start, racing the end, twice; and deletion."""

from __future__ import annotations

import asyncio

import pytest

from fabula.engine.events import Released, StageStarted, State, TextDelta
from fabula.engine.pipeline import Outputs, Stage, StageContext
from fabula.engine.ports import Address, Purpose, working_blobs
from fabula.errors import Conflict, ModelCrashed, NotFound
from tests.integration.engine.faults import (
    Gate,
    ends_a_run,
    is_second,
    note,
)
from tests.integration.engine.workplace import Scene, Workplace, lifecycle, names, quick
from tests.log_rules import texts_of


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


@pytest.mark.parametrize(("command", "expected"), [("cancel", True), ("pause", False)])
async def test_interrupted_stage_knows_whether_it_was_cancelled(
    place: Workplace, command: str, *, expected: bool
) -> None:
    """What a stage would need for going on need not be kept after a cancel, and is removed with it."""
    entered, cancelled = asyncio.Event(), []

    async def work(context: StageContext, _outputs: Outputs) -> None:
        await context.blobs.put(f"{working_blobs(context.address)}state", b"half", "text/plain")
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(context.cancelled)

    async with place.working(Stage("work", work)):
        address = await place.start()
        await asyncio.wait_for(entered.wait(), 20)
        await place.command(command, address)
        await place.until(address, lambda event: event.state in (State.CANCELLED, State.PAUSED))
        assert await place.queue_is_empty()

    assert [expected] == cancelled
    assert expected is not await _is_kept(place, address)
    await place.command("cancel", address)
    assert not await _is_kept(place, address)


async def _is_kept(place: Workplace, address: Address) -> bool:
    try:
        await place.journal.blobs.info(f"{working_blobs(address)}state")
    except NotFound:
        return False
    return True


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


class Stumbling:
    """A stage that fails when it is interrupted."""

    def __init__(self, error: Exception) -> None:
        self.entered = asyncio.Event()
        self._error = error

    @property
    def stage(self) -> Stage:
        """The stage."""
        return Stage("write", self._run)

    async def _run(self, _context: StageContext, _outputs: Outputs) -> None:
        self.entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise self._error


async def test_stage_that_fails_when_it_is_cancelled_is_cancelled(place: Workplace) -> None:
    """How an interrupted stage ends does not matter: a crash on the way out is no failure of the run."""
    write = Stumbling(ModelCrashed("killed on cancel"))
    async with place.working(write.stage):
        address = await place.start()
        await asyncio.wait_for(write.entered.wait(), 20)
        await place.command("cancel", address)
        log = await place.until_end(address)

    assert ["Accepted", "Claimed", "StageStarted", "CancelRequested", "Cancelled"] == names(log)


async def test_stage_that_fails_when_it_is_released_is_released(place: Workplace) -> None:
    """The same on shutdown: the generation is handed back, not failed."""
    write = Stumbling(RuntimeError("lost my way"))
    async with place.working(write.stage):
        address = await place.start()
        await asyncio.wait_for(write.entered.wait(), 20)

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
