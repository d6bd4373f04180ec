"""One worker's turn at one generation: from its claim to the end of the run, a pause, or a hand-back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import structlog

from fabula.engine.desk import Desk, PreviewSender
from fabula.engine.events import (
    Body,
    Cancelled,
    Claimed,
    Failed,
    Failure,
    LogLevel,
    Paused,
    Pending,
    Preview,
    Released,
    StageFinished,
    StageStarted,
    State,
    Succeeded,
)
from fabula.engine.forecast import Forecast
from fabula.engine.history import Snapshot, StageView
from fabula.engine.meter import Meter
from fabula.engine.paces import WHOLE
from fabula.engine.pipeline import Pipeline, Stage
from fabula.engine.ports import Address, Blobs, EventCodec, EventLog, Previews, working_blobs
from fabula.engine.writer import FenceLost, LogEnd, LogWriter, describe
from fabula.errors import FabulaError, Unavailable

MOST_DEATHS = 3
"""Workers that may die on a job between two finished stages before it is given up."""

T = TypeVar("T")

_log = structlog.get_logger(__name__)


class Outcome(StrEnum):
    """What becomes of the job."""

    DONE = "done"
    """The run has ended or is paused: the job leaves the queue."""
    RELEASED = "released"
    """The worker shuts down: another one goes on."""
    LOST = "lost"
    """Somebody else has the generation: the job is not ours to acknowledge."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """What all runs of one worker share."""

    worker: str
    pipeline: Pipeline
    codec: EventCodec
    log: EventLog
    blobs: Blobs
    previews: Previews


@dataclass(frozen=True, slots=True)
class Claim:
    """A generation as a worker finds it.

    Attributes:
        snapshot: The fold of its log.
        end: Where its log ends.
    """

    snapshot: Snapshot
    end: LogEnd

    @property
    def address(self) -> Address:
        """Whose work it is."""
        return self.end.address


class Run:
    """A claimed generation at work.

    Args:
        workshop: What all runs share.
        claim: The generation as it was found.
        forecast: What is known of the time that stages take.
    """

    def __init__(self, workshop: Workshop, claim: Claim, forecast: Forecast) -> None:
        self._shop = workshop
        self._claim = claim
        self._meter = Meter(claim.snapshot.progress, forecast, time.monotonic())
        self._writer = LogWriter(workshop.log, workshop.codec, claim.end, self._on_pending)
        self._previews = PreviewSender(workshop.previews, claim.address)
        self._outputs = claim.snapshot.outputs
        self._timings = {view.name: view.elapsed for view in claim.snapshot.stages.values() if view.finished}
        self._desk: Desk | None = None
        self._scope: asyncio.Timeout | None = None
        self._releasing = False

    @property
    def measured(self) -> list[tuple[str, float, int]]:
        """Role, seconds and units of each stage that this run has finished."""
        return self._meter.measured

    async def execute(self) -> Outcome:
        """Do the work; return what becomes of the job.

        A fault outside the stages (a plan that cannot be made, an output that cannot be stored) fails the run.
        """
        outcome, fault = Outcome.LOST, None
        try:
            outcome = await self._take_turn()
        except* (FenceLost, Unavailable) as lost:
            self._tell_lost(lost)
        except* Exception as faults:  # noqa: BLE001 - whatever it is, the log says that the run has failed
            fault = faults
        return outcome if fault is None else await self._give_up(fault)

    async def _take_turn(self) -> Outcome:
        async with asyncio.TaskGroup() as tasks:
            background = [tasks.create_task(self._writer.run()), tasks.create_task(self._previews.run())]
            outcome = await self._perform()
            await self._writer.flush()
            for task in background:
                task.cancel()
        return outcome

    async def _give_up(self, fault: BaseException) -> Outcome:
        """Fail the run behind what is stored, or end it as cancelled if that is asked for."""
        _log.error("run_failed", generation_id=self._claim.address.id, exc_info=fault)
        self._writer.discard()
        error = cause_of(fault)
        failed = Failed(failure_of(error), self._meter.stage, _retryable(error))
        outcome = None
        try:
            while outcome is None:
                pending = self._writer.pending
                outcome = await self._end(Cancelled() if pending is Pending.CANCEL else failed, pending)
        except (FenceLost, Unavailable) as lost:
            self._tell_lost(lost)
            return Outcome.LOST
        return outcome

    def _tell_lost(self, error: BaseException) -> None:
        reason = "somebody else has it" if isinstance(cause_of(error), FenceLost) else "the journal is away"
        _log.info("generation_lost", generation_id=self._claim.address.id, worker=self._shop.worker, reason=reason)

    def release(self) -> None:
        """Stop at once and hand the job back; if the journal is away, leave the job to its lease."""
        self._releasing = True
        self._writer.hurry()
        self._interrupt()

    def look(self) -> None:
        """Look for requests of the user that no append has met yet."""
        self._writer.look()

    def _emit(self, body: Body) -> None:
        self._writer.emit(body, self._meter.read(time.monotonic(), done=isinstance(body, Succeeded)))

    def _show(self, preview: Preview) -> None:
        progress = self._meter.read(time.monotonic())
        entry = self._shop.codec.encode_preview(self._claim.address.id, preview, State.RUNNING, progress)
        self._previews.show(entry)

    def _on_pending(self, pending: Pending) -> None:
        if pending is not Pending.NOTHING:
            self._interrupt()

    def _interrupt(self) -> None:
        if self._scope is not None and not self._scope.expired():
            self._scope.reschedule(asyncio.get_running_loop().time())
            self._scope = None

    def _is_cancelled(self) -> bool:
        return self._writer.pending is Pending.CANCEL

    def _must_stop(self) -> bool:
        return self._releasing or self._writer.pending is not Pending.NOTHING

    async def _perform(self) -> Outcome:
        attempt = self._claim.snapshot.attempt + 1
        self._emit(Claimed(self._shop.worker, attempt))
        await self._writer.flush()  # nothing is begun before the claim is ours
        outcome = None
        while outcome is None:
            if self._must_stop():
                outcome = await self._obey()
            elif attempt > MOST_DEATHS:
                outcome = await self._end(Failed(_too_many_deaths(attempt - 1), self._meter.stage))
            else:
                outcome = await self._go_on()
        return outcome

    async def _go_on(self) -> Outcome | None:
        """Do the next stage, or end the run; None while there is more to do."""
        plan = self._shop.pipeline.plan(self._claim.snapshot.request, self._outputs)
        self._meter.plan(plan, list(self._outputs))
        stage = next((stage for stage in plan if stage.name not in self._outputs), None)
        if stage is None:
            return await self._end(Succeeded(self._outputs[plan[-1].name]))
        failed = await self._perform_stage(stage)
        return await self._end(failed) if failed else None

    async def _obey(self) -> Outcome | None:
        """Carry out what the work stopped for; None if that was withdrawn meanwhile."""
        match self._writer.pending:
            case Pending.CANCEL:
                return await self._end(Cancelled(), Pending.CANCEL)
            case Pending.PAUSE:
                return await self._end(Paused(), Pending.PAUSE)
            case Pending.NOTHING:
                ended = await self._end(Released(self._shop.worker, "the worker shuts down"))
                return ended and Outcome.RELEASED

    async def _end(self, body: Body, pending: Pending = Pending.NOTHING) -> Outcome | None:
        """Write the last event of this turn, unless what is asked for has changed by then."""
        self._meter.rest()
        progress = self._meter.read(time.monotonic(), done=isinstance(body, Succeeded))
        if not await self._writer.conclude(body, progress, pending):
            return None
        if isinstance(body, Succeeded):
            self._meter.measured.append((WHOLE, progress.elapsed, 1))
        elif isinstance(body, Cancelled):
            await self._clear()
        return Outcome.DONE

    async def _clear(self) -> None:
        """Remove what stages had kept for going on; where that fails it costs room, and goes with the generation."""
        with suppress(Unavailable):
            await self._shop.blobs.delete_all(working_blobs(self._claim.address))

    async def _perform_stage(self, stage: Stage) -> Failed | None:
        """Run one stage, with its retries. None: it is finished, or was interrupted."""
        desk = self._sit_down(stage)
        for attempt in range(stage.retries.times + 1):
            try:
                finished, output = await self._interruptible(stage.run(desk, dict(self._outputs)))
            except Exception as failure:  # noqa: BLE001 - a stage may fail in any way; the log says how
                error = cause_of(failure)
                again = attempt < stage.retries.times and _retryable(error)
                self._report(stage, error, again=again)
                if not again:
                    return Failed(failure_of(error), stage.name, _retryable(error))
                if not await self._wait_before_retry(desk, attempt):
                    return None
            else:
                if finished:
                    self._rise(stage, output)
                return None
        raise AssertionError("the last attempt ends the loop")

    async def _interruptible(self, work: Awaitable[T]) -> tuple[bool, T | None]:
        """Await `work` until it ends (True and its result) or is interrupted (False and None).

        Whatever error an interrupted work ends with, it was interrupted. A work that ends as cancelled though nobody
        has cancelled this task has failed.
        """
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self._scope = scope
                if self._must_stop():
                    self._interrupt()
                return True, await work
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            raise RuntimeError("the work was cancelled from within") from None
        except Exception as error:
            if not scope.expired():
                raise
            if not isinstance(error, TimeoutError):
                _log.warning("interrupted_work_failed", generation_id=self._claim.address.id, reason=describe(error))
            return False, None
        finally:
            self._scope = None

    def _sit_down(self, stage: Stage) -> Desk:
        """Begin the stage, or go on with it where it was interrupted."""
        desk = self._desk
        if desk is None or desk.stage.name != stage.name:
            shop, address = self._shop, self._claim.address
            desk = Desk(stage, address, shop.blobs, self._timings, self._meter, self._emit, self._show)
            desk.is_cancelled, desk.trace_id = self._is_cancelled, self._claim.snapshot.trace_id
            self._desk = desk
            view = self._claim.snapshot.stages.get(stage.name)
            if view is None or view.finished:
                self._meter.begin(stage, time.monotonic())
                self._emit(StageStarted(stage.name, stage.agents))
                return desk
            desk.take_up(view)
            self._take_time_up(stage, view)
        self._meter.go_on()
        desk.resumed = True
        if not stage.continues:
            desk.restart("the work was interrupted")
        return desk

    def _take_time_up(self, stage: Stage, view: StageView) -> None:
        """Have the meter go on with a stage that another worker has begun."""
        held = self._claim.snapshot.progress
        step = held.step if held.stage == stage.name else None
        self._meter.begin(stage, time.monotonic(), before=max(0.0, held.elapsed - view.begun), step=step)

    def _rise(self, stage: Stage, output: object) -> None:
        """Finish the stage."""
        seconds, units = self._meter.end(time.monotonic())
        self._outputs[stage.name] = output
        self._timings[stage.name] = seconds
        self._desk = None
        self._emit(StageFinished(stage.name, output, seconds, units))

    def _report(self, stage: Stage, error: BaseException, *, again: bool) -> None:
        _log.warning(
            "stage_failed",
            generation_id=self._claim.address.id,
            stage=stage.name,
            again=again,
            reason=describe(error),
            exc_info=None if isinstance(error, FabulaError) else error,
        )

    async def _wait_before_retry(self, desk: Desk, attempt: int) -> bool:
        """Wait before a stage is tried again. False: interrupted."""
        delay = desk.stage.retries.first_delay_seconds * 2**attempt
        desk.log(f"stage {desk.stage.name} failed and is tried again in {delay:g} s", LogLevel.WARNING)
        waited, _ = await self._interruptible(asyncio.sleep(delay))
        desk.resumed = True
        if waited and not desk.stage.continues:
            desk.restart("the stage failed and is tried again")
        return waited


def cause_of(error: BaseException) -> BaseException:
    """Return the one error that groups of tasks have wrapped; the first where there are several."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def failure_of(error: BaseException) -> Failure:
    """Return what the log says of an error: its code and sentence; of unknown ones no text."""
    if isinstance(error, FabulaError):
        return Failure(error.code, error.message, tuple(sorted(error.details.items())))
    return Failure("INTERNAL", f"{describe(error)}; the worker's log has the details")


def _retryable(error: BaseException) -> bool:
    return isinstance(error, FabulaError) and error.retryable


def _too_many_deaths(deaths: int) -> Failure:
    message = (
        f"{deaths} workers in a row died on this job, so it is given up; the workers' logs say why. "
        "Retry it when the cause is mended."
    )
    return Failure("WORKER_DIED", message, (("deaths", str(deaths)),))
