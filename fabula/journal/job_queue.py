"""The engine's `JobQueue` on JetStream: a ticket for each job that is not done, taken by a fenced write.

Whose turn it is every worker works out for itself, from what it knows of the tickets; the fence decides between two
that choose at the same time, and keeps an owner within its limit.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import structlog

from fabula.engine.ports import Address, Job
from fabula.errors import Unavailable
from fabula.journal import subjects
from fabula.journal.connection import ApiFault, Link, unavailable
from fabula.journal.paging import Pager
from fabula.journal.tickets import Ticket
from fabula.journal.ushering import Usher
from fabula.journal.waiting import WaitingLine

_FENCE = "Nats-Expected-Last-Subject-Sequence"
_FENCE_SUBJECT = "Nats-Expected-Last-Subject-Sequence-Subject"
_REFUSED_BY_FENCE = frozenset({10071, 10164})
_NOT_THERE = frozenset({10037, 10043, 10057})
"""JetStream's codes for a message that is not, or not any more, where it was."""
_PAUSE_SECONDS = 0.002
_LAST_WORD_SECONDS = 0.5

_log = structlog.get_logger(__name__)


class JetStreamJobQueue:
    """Implements `fabula.engine.ports.JobQueue`."""

    def __init__(self, link: Link, pager: Pager) -> None:
        self._link = link
        self._pager = pager
        self._offices: dict[str, _Office] = {}
        self._open = AsyncExitStack()
        self._opening = asyncio.Lock()

    async def close(self) -> None:
        """Listen for nothing any more."""
        await self._open.aclose()

    async def claim(self, kind: str, timeout_seconds: float) -> Job | None:
        """Wait for a job of this kind; see the port."""
        deadline = asyncio.get_running_loop().time() + timeout_seconds
        office = await self._ready(kind)
        try:
            async with asyncio.timeout_at(deadline):
                await office.claiming.acquire()
        except TimeoutError:
            return None
        try:
            return await self._next(kind, deadline)
        finally:
            office.claiming.release()

    async def _next(self, kind: str, deadline: float) -> Job | None:
        while True:
            line = (office := await self._ready(kind)).line
            version = line.version
            if (job := await _to_the_end(office.take())) is not None:
                return job
            if asyncio.get_running_loop().time() >= deadline:
                await line.catch_up()
                return None
            await line.until_changed(version, deadline)

    async def position(self, kind: str, revision: int) -> int | None:
        """Return how many jobs will be handed out before this one; see the port."""
        office = await self._ready(kind)
        behind = await office.usher.behind()
        if office.line.get(revision) is None and behind:
            return None
        return office.line.ahead(revision)

    async def depth(self, kind: str) -> int:
        """Return how many jobs wait; see the port."""
        office = await self._ready(kind)
        return await office.usher.behind() + office.line.depth()

    async def waiting(self, kind: str, owner: str) -> int:
        """Return how many jobs of an owner wait; see the port."""
        return (await self._ready(kind)).line.waiting(owner)

    async def expect(self, address: Address, revision: int) -> None:
        """Count a job that was queued a moment ago; see the port."""
        (await self._ready(address.kind)).line.expect(address.owner, revision)

    async def withdraw(self, address: Address, before: int) -> None:
        """Take a generation off the queue; see the port."""
        office = await self._ready(address.kind)
        for ticket in office.line.of_generation(address):
            if not ticket.held and ticket.revision < before:
                await office.remove(ticket)

    async def _ready(self, kind: str) -> _Office:
        """Return what is known of a kind, when it is all there is. Raises `Unavailable`."""
        try:
            async with asyncio.timeout(self._link.settings.answer_seconds):
                office = await self._office(kind)
                await office.line.ready()
        except TimeoutError as error:
            raise Unavailable("The queue cannot be read at the moment; try again.") from error
        return office

    async def _office(self, kind: str) -> _Office:
        async with self._opening:
            if kind not in self._offices:
                office = _Office(self._link, self._pager, kind)
                await office.usher.declare()
                self._offices[kind] = await self._open.enter_async_context(office.running())
        return self._offices[kind]


class _Office:
    """What a process has of the queue of one kind.

    Attributes:
        line: The tickets.
        usher: Finds what is queued.
        claiming: Held by who waits for a ticket: others of this process would choose the same, and come after it.
    """

    def __init__(self, link: Link, pager: Pager, kind: str) -> None:
        self._link = link
        self._kind = kind
        self.line = WaitingLine(link, pager, kind)
        self.usher = Usher(link, kind, self._write)
        self.claiming = asyncio.Lock()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[_Office]:
        """Keep everything going while the block lasts."""
        async with self.line.running():
            tasks = [asyncio.create_task(run()) for run in (self.usher.run, self.line.watch, self._clear)]
            try:
                yield self
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def take(self) -> JetStreamJob | None:
        """Take the ticket whose turn it is; None if there is none."""
        loop = asyncio.get_running_loop()
        while (ticket := self.line.next(loop.time())) is not None:
            epoch = self.line.epoch
            if ticket.held:
                await self._link.round_trip()  # what its worker has said until now has been heard then
                if ticket.revision not in self.line.leases.silent(loop.time()):
                    continue
            taken = replace(ticket, held=True, begun=ticket.begun or ticket.held, delay_seconds=0.0)
            place = await self._store(taken, epoch)
            if place is not None:
                taken = replace(taken, place=place, arrived=ticket.arrived or ticket.place)
                self.line.put(taken)
                return JetStreamJob(self, taken)
            await self.line.look_again(ticket)
            await asyncio.sleep(_PAUSE_SECONDS)
        return None

    async def give_back(self, ticket: Ticket, delay_seconds: float) -> None:
        """Let somebody else take a ticket, unless somebody has."""
        back = replace(ticket, held=False, begun=True, delay_seconds=delay_seconds)
        try:
            place = await self._link.store(back.subject, back.encode(), {**back.headers, _FENCE: str(ticket.place)})
        except ApiFault as fault:
            if fault.err_code not in _REFUSED_BY_FENCE:
                raise unavailable(fault) from fault
            _log.info("job_unknown_to_queue", generation_id=ticket.address.id, revision=ticket.revision)
            return
        self.line.put(replace(back, place=place))

    async def remove(self, ticket: Ticket) -> None:
        """Remove a ticket, unless it was stored again since."""
        try:
            place = {"seq": ticket.place, "no_erase": True}
            await self._link.ask(f"STREAM.MSG.DELETE.{subjects.QUEUE_STREAM}", place)
        except ApiFault as fault:
            if fault.err_code not in _NOT_THERE:
                raise unavailable(fault) from fault
            _log.info("job_unknown_to_queue", generation_id=ticket.address.id, revision=ticket.revision)
        self.line.remove(ticket.place)
        await self._link.publish(subjects.job_gone(self._kind), str(ticket.place).encode())

    async def renew(self, ticket: Ticket) -> None:
        """Say that the worker that took a ticket is at work."""
        await self._link.publish(subjects.job_held(self._kind), str(ticket.place).encode())

    async def _store(self, ticket: Ticket, epoch: int) -> int | None:
        """Store a taken ticket in place of the one it was; None if that is not what it was thought to be.

        Asked once only: after an outage a worker that is thought to be silent must be heard first.
        """
        headers = {**ticket.headers, _FENCE: str(ticket.place)}
        if self._link.settings.owner_running:
            newest = self.line.newest_of(ticket.owner)
            topic = subjects.tickets_of(self._kind, ticket.address.owner)
            headers |= {_FENCE: str(newest), _FENCE_SUBJECT: topic}

        async def ask() -> int | None:
            if self.line.epoch != epoch:
                return None
            reply = await self._link.request_once(ticket.subject, ticket.encode(), headers)
            answer = json.loads(reply.data)
            if "error" in answer:
                fault = ApiFault(answer["error"])
                if fault.err_code not in _REFUSED_BY_FENCE:
                    raise unavailable(fault)
                return None
            return int(answer["seq"])

        return await self._link.until_answered(ask)

    async def _write(self, ticket: Ticket) -> None:
        """Store the ticket of a record that queues, unless there is one."""
        try:
            place = await self._link.store(ticket.subject, ticket.encode(), {**ticket.headers, _FENCE: "0"})
        except ApiFault as fault:
            if fault.err_code not in _REFUSED_BY_FENCE:
                raise
            return
        self.line.put(replace(ticket, place=place))

    async def _clear(self) -> None:
        """Remove the tickets of generations that are deleted, until cancelled."""
        while True:
            await asyncio.sleep(self.line.leases.look_seconds)
            for ticket in self.line.buried():
                with suppress(Unavailable):
                    await self.remove(ticket)


@dataclass(frozen=True, slots=True)
class JetStreamJob:
    """Implements `fabula.engine.ports.Job`: a ticket that this process has taken."""

    office: _Office
    ticket: Ticket

    @property
    def address(self) -> Address:
        """Which generation."""
        return self.ticket.address

    @property
    def revision(self) -> int:
        """Revision of the record that queued it."""
        return self.ticket.revision

    async def renew(self) -> None:
        """Keep the claim; see the port."""
        await self.office.renew(self.ticket)

    async def done(self) -> None:
        """Take the job off the queue; see the port.

        If somebody has taken it meanwhile, who thought this worker dead, it is theirs to find it finished.
        """
        await self.office.remove(self.ticket)

    async def give_back(self, delay_seconds: float = 0.0) -> None:
        """Let another worker have it; see the port."""
        await self.office.give_back(self.ticket, delay_seconds)


async def _to_the_end(taking: Coroutine[Any, Any, JetStreamJob | None]) -> JetStreamJob | None:
    """Await a taking; who is cancelled meanwhile gives back what was taken, for nobody else would know."""
    task = asyncio.create_task(taking)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        with suppress(TimeoutError, Unavailable):
            async with asyncio.timeout(_LAST_WORD_SECONDS):
                if (job := await task) is not None:
                    await job.give_back()
        raise
