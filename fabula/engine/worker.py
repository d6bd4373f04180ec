"""The worker: claims generations, keeps its claims alive, runs them, and gives them back when it must stop."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass

import structlog

from fabula.engine.forecast import Forecast, Pace
from fabula.engine.history import History
from fabula.engine.ports import GenerationId, Job, JobQueue, Records
from fabula.engine.run import Claim, Outcome, Run, Workshop
from fabula.engine.writer import LogEnd
from fabula.errors import LogCorrupted, Superseded, Unavailable

CLAIM_SECONDS = 5.0
"""How long one request for a job waits; a shutdown interrupts it."""

ALIVE_SECONDS = 10
"""A worker that has not said it is alive for this long is taken for dead."""

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
        self._records = records
        self._settings = settings
        self._held: dict[GenerationId, _Held] = {}
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
        except Unavailable as error:
            _log.warning("claim_waits", reason=error.message)
            await asyncio.sleep(0.5)
        finally:
            if job is None:
                self._free.release()
        return job

    async def _handle(self, job: Job) -> None:
        id_ = job.address.id
        try:
            if (held := self._held.get(id_)) is not None:
                held.job = job  # our own claim had lapsed; the work goes on under the new one
                return
            self._held[id_] = held = _Held(job)
            try:
                async with asyncio.TaskGroup() as tasks:
                    renewing = tasks.create_task(self._renew(held))
                    await self._work(held)
                    renewing.cancel()
            finally:
                del self._held[id_]
        except* Unavailable as errors:
            _log.warning("job_dropped", generation_id=id_, reason=str(errors.exceptions[0]))
        finally:
            self._free.release()

    async def _work(self, held: _Held) -> None:
        try:
            claim = await self._read(held.job)
        except LogCorrupted as error:
            _log.error("log_corrupted", generation_id=held.job.address.id, reason=error.message)
            claim = None
        if claim is None:
            await held.job.done()
            return
        paces = await self._paces()
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
        await self._keep_paces(held.run.measured)

    async def _read(self, job: Job) -> Claim | None:
        """Fold the log; None if the job is stale: ended, paused, deleted, or queued again since."""
        history, head, revision, queued = History(), None, 0, 0
        async for record in self._shop.log.read(job.address):
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
        """Pass on requests of users to the runs they concern."""
        async for id_ in self._shop.log.controls(self._kind):
            concerned = list(self._held.values()) if id_ is None else [self._held.get(id_)]
            for held in concerned:
                if held is not None and held.run is not None:
                    held.run.look()

    async def _show_life(self) -> None:
        while True:
            with suppress(Unavailable):
                await self._records.put(f"worker.{self._kind}", self._shop.worker.encode(), ttl_seconds=ALIVE_SECONDS)
            await asyncio.sleep(ALIVE_SECONDS / 3)

    def _pace_key(self) -> str:
        model = "".join(c if c.isalnum() else "-" for c in self._shop.pipeline.model.lower())
        return f"pace.{self._kind}.{model}"

    async def _paces(self) -> dict[str, Pace]:
        stored = await self._records.get(self._pace_key())
        roles = json.loads(stored.value) if stored is not None else {}
        return {role: Pace(tuple(samples)) for role, samples in roles.items()}

    async def _keep_paces(self, measured: list[tuple[str, float, int]]) -> None:
        """Add what was measured to what is known; another worker that writes at the same time goes first."""
        while measured:
            stored = await self._records.get(self._pace_key())
            paces = await self._paces()
            for role, seconds, units in measured:
                paces[role] = paces.get(role, Pace()).add(seconds, units)
            value = json.dumps({role: pace.samples for role, pace in paces.items()}).encode()
            with suppress(Superseded):
                await self._records.put(self._pace_key(), value, after=stored.revision if stored else 0)
                return
