"""The worker: claims generations, keeps its claims alive, runs them, and gives them back when it must stop."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from dataclasses import dataclass

import structlog

from fabula.engine.forecast import Forecast
from fabula.engine.history import History
from fabula.engine.paces import ALIVE_SECONDS, PaceBook, SignOfLife
from fabula.engine.ports import GenerationId, Job, JobQueue, Records
from fabula.engine.run import Claim, Outcome, Run, Workshop, cause_of
from fabula.engine.writer import LogEnd, describe
from fabula.errors import FabulaError, LogCorrupted, Unavailable

CLAIM_SECONDS = 5.0
"""How long one request for a job waits; a shutdown interrupts it."""

RETRY_SECONDS = 0.5
"""Wait before the journal is asked again after it did not answer."""

FAULT_SECONDS = 15.0
"""Wait before a job is handed out again that has met a fault nobody foresaw."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Held:
    """A job in hand. A redelivery of the same job replaces `job`, and the work goes on."""

    job: Job
    run: Run | None = None


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How a worker works.

    Attributes:
        slots: Generations it runs at the same time.
        lease_seconds: How long a claim holds without being renewed; renewed three times as often.
    """

    slots: int = 4
    lease_seconds: float = 2.0


class Worker:
    """Runs the generations of one kind until it is stopped.

    Args:
        kind: Which kind.
        workshop: What all runs share.
        queue: Where jobs come from.
        records: Where paces and the sign of life are kept.
        settings: How it works.
    """

    def __init__(
        self, kind: str, workshop: Workshop, queue: JobQueue, records: Records, settings: WorkerSettings
    ) -> None:
        self._kind = kind
        self._shop = workshop
        self._queue = queue
        self._paces = PaceBook(records, kind)
        self._settings = settings
        self._held: dict[int, _Held] = {}  # by revision: a generation that is queued again is another job
        self._free = asyncio.Semaphore(settings.slots)
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Claim nothing more, hand back what is in hand; `run` returns when that is done."""
        self._stopping.set()
        for held in self._held.values():
            if held.run is not None:
                held.run.release()

    async def run(self) -> None:
        """Work until stopped."""
        async with asyncio.TaskGroup() as tasks:
            background = [tasks.create_task(self._listen()), tasks.create_task(self._show_life())]
            async with asyncio.TaskGroup() as jobs:
                await self._claim_jobs(jobs)
            for task in background:
                task.cancel()

    async def _claim_jobs(self, jobs: asyncio.TaskGroup) -> None:
        stopping = jobs.create_task(self._stopping.wait())
        while not self._stopping.is_set():
            claiming = jobs.create_task(self._claim())
            await asyncio.wait({claiming, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if claiming.done() and (job := claiming.result()) is not None:
                jobs.create_task(self._handle(job))
            elif not claiming.done():
                claiming.cancel()

    async def _claim(self) -> Job | None:
        """Wait for a free slot and a job; the slot is the job's until `_handle` ends."""
        await self._free.acquire()
        job = None
        try:
            job = await self._queue.claim(self._kind, CLAIM_SECONDS)
        except Exception as error:  # noqa: BLE001 - those that are at work must not suffer from it
            _warn("claim_waits", error)
            await asyncio.sleep(RETRY_SECONDS)
        finally:
            if job is None:
                self._free.release()
        return job

    async def _handle(self, job: Job) -> None:
        """Do what one delivery asks for. Nothing that goes wrong in it reaches the other jobs."""
        try:
            if (held := self._held.get(job.revision)) is not None:
                held.job = job  # our own claim had lapsed; the work goes on under the new one
            else:
                await self._hold(_Held(job))
        except* Unavailable as errors:  # the lease lapses, and the job is delivered again
            _warn("job_dropped", cause_of(errors), generation_id=job.address.id)
        except* Exception as errors:  # noqa: BLE001 - logged once, here; every other job goes on
            _log.error("job_failed", generation_id=job.address.id, exc_info=errors)
            with suppress(Unavailable):
                await job.give_back(FAULT_SECONDS)
        finally:
            self._free.release()

    async def _hold(self, held: _Held) -> None:
        """Work at a job, and keep the claim to it alive meanwhile."""
        self._held[held.job.revision] = held
        try:
            async with asyncio.TaskGroup() as tasks:
                renewing = tasks.create_task(self._renew(held))
                await self._work(held)
                renewing.cancel()
        finally:
            del self._held[held.job.revision]

    async def _work(self, held: _Held) -> None:
        if self._stopping.is_set():
            await held.job.give_back()
            return
        try:
            claim = await self._read(held.job)
        except LogCorrupted as error:
            _log.error("log_corrupted", generation_id=held.job.address.id, reason=error.message)
            claim = None
        if claim is None:
            await held.job.done()
            return
        paces = await self._paces.read(self._shop.pipeline.model)
        held.run = Run(self._shop, claim, Forecast(paces))
        if self._stopping.is_set():
            held.run.release()
        outcome = await held.run.execute()
        _log.info("turn_ended", generation_id=claim.address.id, outcome=outcome.value)
        match outcome:
            case Outcome.DONE:
                await held.job.done()
            case Outcome.RELEASED:
                await held.job.give_back()
            case Outcome.LOST:
                return
        await self._paces.keep(self._shop.pipeline.model, held.run.measured)

    async def _read(self, job: Job) -> Claim | None:
        """Fold the log; None if the job is stale: ended, paused, deleted, or queued again since."""
        history, head, revision, queued = History(), None, 0, 0
        async with aclosing(self._shop.log.read(job.address)) as records:
            async for record in records:
                for entry in record.entries:
                    head = self._shop.codec.decode(entry)
                    history.apply(head)
                    if history.queued_sequence == entry.sequence:
                        queued = record.revision
                revision = record.revision
        if head is None or queued != job.revision or not head.state.workable:
            return None
        return Claim(history.snapshot(), LogEnd(job.address, head, revision))

    async def _renew(self, held: _Held) -> None:
        while True:
            await asyncio.sleep(self._settings.lease_seconds / 3)
            with suppress(Unavailable):
                await held.job.renew()

    async def _listen(self) -> None:
        """Pass on requests of users to the runs they concern, for as long as the worker works."""
        while True:
            try:
                async with aclosing(self._shop.log.controls(self._kind)) as news:
                    async for id_ in news:
                        self._look(id_)
            except Unavailable as error:
                _warn("listening_waits", error)
            await asyncio.sleep(RETRY_SECONDS)

    def _look(self, concerned: GenerationId | None) -> None:
        """Have the runs of a generation look for requests; all runs if it is None."""
        for held in self._held.values():
            if held.run is not None and concerned in (None, held.job.address.id):
                held.run.look()

    async def _show_life(self) -> None:
        sign = SignOfLife(self._shop.worker, self._shop.pipeline.model, self._settings.slots)
        while True:
            with suppress(Unavailable):
                await self._paces.show_life(sign)
            await asyncio.sleep(ALIVE_SECONDS / 3)


def _warn(event: str, error: BaseException, **fields: str) -> None:
    """Log what a later try can mend; with its traceback if nobody foresaw it."""
    foreseen = isinstance(error, FabulaError)
    _log.warning(event, reason=describe(error), exc_info=None if foreseen else error, **fields)
