"""Hands work to the model's process, one piece at a time; requests that fit together share a batch.

A batch keeps its shape until it ends: who leaves it leaves slots that are computed on, so that the others' bits do not
change. When the last one has left, the run is cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field

from fabula.backends.host import Host, Item, JsonObject
from fabula.backends.image import Part
from fabula.backends.painting.batching import Company, Rank, Ticket, choose, wakes_at
from fabula.backends.painting.inbox import Inbox
from fabula.backends.painting.requests import DenoiseRequest, Member, StepItem, Terms
from fabula.errors import FabulaError, InvalidRequest, ModelOutOfMemory, ModelOutputInvalid, ModelUnavailable

_CLASSES: dict[str, type[FabulaError]] = {cls.code: cls for cls in (InvalidRequest, ModelOutputInvalid)}


@dataclass(eq=False, slots=True)
class Job:
    """A piece of work, and where its output goes.

    Attributes:
        ticket: How it waits.
        request: Of what runs alone.
        payload: The same.
        terms: Of what may share a batch.
        member: The same.
        inbox: Takes its items.
    """

    ticket: Ticket
    request: JsonObject = field(default_factory=dict)
    payload: bytes = b""
    terms: Terms | None = None
    member: Member | None = None
    inbox: Inbox[Item] = field(default_factory=Inbox)


class Dispatcher:
    """Serves jobs by rank and order of arrival.

    Args:
        host: Holds the model.
        limit: Most pictures of a batch, as far as is known when one is formed.
        wait_seconds: How long a request that comes to an idle model waits at most for company that is expected.
    """

    def __init__(self, host: Host, limit: Callable[[], int], wait_seconds: float) -> None:
        self._host = host
        self._limit = limit
        self._wait_seconds = wait_seconds
        self._company = Company(wait_seconds)
        self._memory_holds: int | None = None  # pictures of a batch, once more have been found too many
        self._waiting: list[Job] = []
        self._running: list[Job] = []
        self._run: asyncio.Task[None] | None = None
        self._serving: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._count = 0
        self._closed = False

    async def ask(self, rank: Rank, request: JsonObject, payload: bytes = b"") -> AsyncGenerator[Item, None]:
        """Do what is asked, alone, and yield what comes of it; errors are those of `Host.run`."""
        job = Job(Ticket(self._next_number(), rank), request, payload)
        async with aclosing(self._output(job)) as items:
            async for item in items:
                yield item
        if rank is Rank.ENCODE:
            self._company.expect(_now())

    async def denoise(self, terms: Terms, member: Member) -> AsyncGenerator[StepItem, None]:
        """Denoise a member's pictures, in a batch with others where some fit, and yield its steps.

        Closing the generator takes the member out; see the module. Errors are those of `Host.run`.
        """
        rank = Rank.BASE if terms.part is Part.BASE else Rank.REFINER
        alone = bool(member.state)  # it goes on in a batch of the shape that it had
        self._company.arrived(_now())
        waits_until = 0.0
        if not alone and not any(job.terms for job in self._running):
            waits_until = _now() + self._wait_seconds
        ticket = Ticket(self._next_number(), rank, None if alone else terms, len(member.seeds), waits_until)
        async with aclosing(self._output(Job(ticket, terms=terms, member=member))) as items:
            async for item in items:
                if "failed" in item.data:
                    raise _CLASSES[item.data["failed"]](item.data["message"])
                yield StepItem.from_wire(item.data, item.payload)
        if terms.part is Part.BASE and terms.handover is not None:
            self._company.expect(_now())

    async def close(self) -> None:
        """End the run that is under way, and serve no more. Idempotent."""
        self._closed = True
        for task in (self._serving, self._run):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        for job in (*self._running, *self._waiting):
            job.inbox.abort(ModelUnavailable("The model was closed."))

    def _next_number(self) -> int:
        self._count += 1
        return self._count

    async def _output(self, job: Job) -> AsyncGenerator[Item, None]:
        if self._closed:
            raise ModelUnavailable("The model is closed.")
        self._waiting.append(job)
        self._news.set()
        if self._serving is None or self._serving.done():
            self._serving = asyncio.create_task(self._serve(), name="dispatcher of an image model")
        try:
            async with aclosing(job.inbox.read()) as items:
                async for item in items:
                    yield item
        finally:
            self._leave(job)

    def _leave(self, job: Job) -> None:
        job.inbox.leave()
        if job in self._waiting:
            self._waiting.remove(job)
            self._news.set()
        if self._run is not None and job in self._running and all(other.inbox.has_left for other in self._running):
            self._run.cancel()

    async def _serve(self) -> None:
        """Serve until nobody waits any more."""
        while self._waiting:
            self._news.clear()
            tickets = {job.ticket: job for job in self._waiting}
            limit = min(self._limit(), self._memory_holds or self._limit())
            somebody_comes = self._company.until(now := _now())
            at = now if somebody_comes > now else math.inf  # nobody waits for nobody
            chosen = [tickets[ticket] for ticket in choose(list(tickets), limit, at)]
            if not chosen:
                await self._wait_for_company(min(somebody_comes, wakes_at(list(tickets))))
                continue
            for job in chosen:
                self._waiting.remove(job)
            self._running = chosen
            self._run = asyncio.create_task(self._run_jobs(chosen), name="run of an image model")
            await asyncio.wait([self._run])
            self._run, self._running = None, []

    async def _wait_for_company(self, until: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                await self._news.wait()

    async def _run_jobs(self, jobs: list[Job]) -> None:
        """Run a batch, or a piece of work that runs alone, and tell every reader how it ended."""
        try:
            await self._forward(jobs)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who asked raise it
            if isinstance(error, ModelOutOfMemory):
                self._note_memory(jobs)
            for job in jobs:
                await job.inbox.end(error)
        else:
            for job in jobs:
                await job.inbox.end()

    async def _forward(self, jobs: list[Job]) -> None:
        request, payload = _to_wire(jobs)
        async with aclosing(self._host.run(request, payload)) as items:
            async for item in items:
                await jobs[item.data.get("member", 0)].inbox.put(item)

    def _note_memory(self, jobs: list[Job]) -> None:
        """Form smaller batches from now on: all would be tried again, and fail again."""
        pictures = sum(job.ticket.pictures for job in jobs)
        if len(jobs) > 1:
            self._memory_holds = max(1, pictures // 2)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _to_wire(jobs: list[Job]) -> tuple[JsonObject, bytes]:
    terms = jobs[0].terms
    if terms is None:
        return jobs[0].request, jobs[0].payload
    return DenoiseRequest(terms, tuple(job.member for job in jobs if job.member is not None)).to_wire()
