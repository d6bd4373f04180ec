"""Which jobs of a kind are not done, whose turn it is, and whose worker is silent: as this process knows it.

All tickets are read once and then kept up to date from what is announced. Nothing rests on it being up to date: who
changes a ticket names the place in the store from which it goes, and is refused if there is a newer one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import structlog
from nats.aio.msg import Msg

from fabula.engine.ids import owner_token
from fabula.engine.ports import Address, GenerationId, Purpose
from fabula.engine.turns import Order, Turns
from fabula.errors import LogCorrupted
from fabula.journal import subjects
from fabula.journal.connection import Link
from fabula.journal.leases import Leases
from fabula.journal.paging import Pager
from fabula.journal.stored import StoredMessage, from_delivery
from fabula.journal.tickets import Ticket, ticket_of

_GONE_KEPT = 1000
_EXPECTED_SECONDS = 5.0
"""So long a generation counts as waiting whose ticket has not come: it comes within milliseconds."""

_log = structlog.get_logger(__name__)


class WaitingLine:
    """The tickets of one kind.

    Attributes:
        turns: Who is next.
        leases: Whose worker is silent.
        epoch: Counts how often the connection came back: what was known before may have changed unheard.
        version: Counts what was heard, workers that fell silent, and delays that ended.
    """

    def __init__(self, link: Link, pager: Pager, kind: str) -> None:
        self._link = link
        self._pager = pager
        self._kind = kind
        self._tickets: dict[int, Ticket] = {}
        self._owned: dict[str, set[int]] = {}
        self._expected: dict[int, tuple[str, float]] = {}
        self._places: dict[int, int] = {}
        self._gone: dict[int, None] = {}
        self._buried: list[Ticket] = []
        self._newest = 0
        self._read_to = 0
        self._complete = False
        self._reading = asyncio.Lock()
        self._changed = asyncio.Event()
        self._order: tuple[float, Order] | None = None
        self.turns = Turns(link.settings.owner_running)
        self.leases = Leases(link.settings.lease_seconds)
        self.epoch = 0
        self.version = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[WaitingLine]:
        """Keep the line up to date while the block lasts."""
        queued, buried = (
            subjects.live_of_kind(self._kind, purpose) for purpose in (Purpose.QUEUE.value, subjects.TOMBSTONE)
        )
        async with (
            self._link.listening(subjects.jobs(self._kind), heard=self._heard, reconnected=self._forget),
            self._link.listening(queued, heard=self._heard_queued),
            self._link.listening(buried, heard=self._heard_buried),
        ):
            yield self

    async def ready(self) -> None:
        """Return when every ticket is known. Raises `Unavailable`."""
        async with self._reading:
            while not self._complete:
                epoch = self.epoch
                await self._link.round_trip()
                topic = subjects.tickets(self._kind)
                async for message in self._pager.all_from(subjects.QUEUE_STREAM, topic, self._read_to + 1):
                    self._take(message)
                    self._read_to = message.revision  # who gives up waiting has not read in vain
                self._complete = epoch == self.epoch

    async def catch_up(self) -> None:
        """Take in what was stored and, against all expectation, not heard of. Raises `Unavailable`."""
        await self.ready()
        await self._read(subjects.tickets(self._kind), self._newest + 1)

    async def look_again(self, ticket: Ticket) -> None:
        """Read the tickets of one owner, after a refusal said that not all is known. Raises `Unavailable`."""
        owned = [self._tickets[revision] for revision in self._owned.get(ticket.owner, ())]
        known = {each.revision: each.place for each in owned}
        found = await self._read(subjects.tickets_of(self._kind, ticket.address.owner), 1)
        for revision, place in known.items():
            if revision not in found:
                self.remove(place)

    def get(self, revision: int) -> Ticket | None:
        """Return the ticket of a job; None if none is known."""
        return self._tickets.get(revision)

    def newest_of(self, owner: str) -> int:
        """Return the newest place of an owner's tickets: the fence of who counts them."""
        return max((self._tickets[revision].place for revision in self._owned.get(owner, ())), default=0)

    def next(self, now: float) -> Ticket | None:
        """Return the ticket to be taken next: one whose worker is silent, else the one whose turn it is."""
        for revision in self.leases.silent(now):
            return self._tickets[revision]
        for revision in self.leases.rested(now):
            self.turns.wait(self._tickets[revision].waiting())
        chosen = self.turns.next()
        return None if chosen is None else self._tickets[chosen]

    async def until_changed(self, version: int, until: float) -> None:
        """Wait until the line is another than this version of it; at most until this time."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                while self.version == version:
                    self._changed.clear()
                    await self._changed.wait()

    async def watch(self) -> None:
        """Look after silent workers until cancelled."""
        while True:
            await asyncio.sleep(self.leases.look_seconds)
            if self.leases.look(asyncio.get_running_loop().time()):
                self._note_change()

    def buried(self) -> Sequence[Ticket]:
        """Return the tickets of generations that were deleted since this was asked last."""
        buried, self._buried = self._buried, []
        return buried

    def waiting(self, owner: str) -> int:
        """Return how many of an owner's jobs wait, those whose tickets are still to come among them."""
        now = asyncio.get_running_loop().time()
        token = owner_token(owner)
        for revision in [revision for revision, (_, until) in self._expected.items() if until < now]:
            del self._expected[revision]
        coming = sum(each == token for each, _ in self._expected.values())
        delayed = sum(self._tickets[revision].owner == token for revision in self.leases.delayed())
        return self.turns.waiting(token) + delayed + coming

    def expect(self, owner: str, revision: int) -> None:
        """Count a job whose ticket is about to come."""
        if revision not in self._tickets:
            until = asyncio.get_running_loop().time() + _EXPECTED_SECONDS
            self._expected[revision] = owner_token(owner), until

    def depth(self) -> int:
        """Return how many jobs wait."""
        return len(self.turns) + len(self.leases.delayed())

    def ahead(self, revision: int) -> int:
        """Return how many jobs go before one; 0 if it does not wait."""
        now = asyncio.get_running_loop().time()
        if self._order is None or now - self._order[0] >= self._link.settings.queue_info_seconds:
            self._order = now, self.turns.order()
        return self._order[1].ahead(revision) or 0

    def of_generation(self, address: Address) -> Sequence[Ticket]:
        """Return the tickets of a generation."""
        owned = self._owned.get(owner_token(address.owner), ())
        return [self._tickets[each] for each in owned if self._tickets[each].address.id == address.id]

    def put(self, ticket: Ticket) -> None:
        """Take in a ticket as it was stored."""
        self._newest = max(self._newest, ticket.place)
        known = self._tickets.get(ticket.revision)
        if ticket.place in self._gone or (known is not None and known.place >= ticket.place):
            return
        if known is not None:
            del self._places[known.place]
        self._tickets[ticket.revision] = ticket
        self._places[ticket.place] = ticket.revision
        self._owned.setdefault(ticket.owner, set()).add(ticket.revision)
        self._expected.pop(ticket.revision, None)
        now = asyncio.get_running_loop().time()
        self.leases.forget(ticket.revision)
        if ticket.held:
            self.turns.hold(ticket.waiting(), ticket.place)
            self.leases.hold(ticket.revision, now)
        elif ticket.delay_seconds > 0:
            self.turns.drop(ticket.revision)
            self.leases.delay(ticket.revision, now + ticket.delay_seconds)
        else:
            self.turns.wait(ticket.waiting())
        self._note_change()

    def remove(self, place: int) -> None:
        """Forget the ticket that was stored at this place, if it was not stored again."""
        self._gone[place] = None
        if len(self._gone) > _GONE_KEPT:
            del self._gone[next(iter(self._gone))]
        revision = self._places.pop(place, None)
        if revision is None:
            return
        ticket = self._tickets.pop(revision)
        owned = self._owned[ticket.owner]
        owned.discard(revision)
        if not owned:
            del self._owned[ticket.owner]
        self.turns.drop(revision)
        self.leases.forget(revision)
        self._note_change()

    async def _read(self, topic: str, place: int) -> set[int]:
        found: set[int] = set()
        async for message in self._pager.all_from(subjects.QUEUE_STREAM, topic, place):
            found |= self._take(message)
        return found

    def _take(self, message: StoredMessage) -> frozenset[int]:
        try:
            ticket = ticket_of(message)
        except LogCorrupted as error:
            _log.error("ticket_unreadable", reason=error.message)
            return frozenset()
        self.put(ticket)
        return frozenset({ticket.revision})

    def _note_change(self) -> None:
        self.version += 1
        self._changed.set()

    def _heard(self, message: Msg) -> None:
        if message.subject == subjects.job_held(self._kind):
            self._heard_of(int(message.data))
        elif message.subject == subjects.job_gone(self._kind):
            self.remove(int(message.data))
        else:
            self._take(from_delivery(message.headers, message.data))

    def _heard_of(self, place: int) -> None:
        revision = self._places.get(place)
        if revision is not None and self._tickets[revision].held:
            self.leases.hold(revision, asyncio.get_running_loop().time())

    def _heard_queued(self, message: Msg) -> None:
        stored = from_delivery(message.headers, b"")
        if stored.revision not in self._tickets:
            until = asyncio.get_running_loop().time() + _EXPECTED_SECONDS
            self._expected[stored.revision] = message.subject.split(".")[3], until

    def _heard_buried(self, message: Msg) -> None:
        token, generation = message.subject.split(".")[3], GenerationId(subjects.generation_of(message.subject))
        for revision in list(self._owned.get(token, ())):
            ticket = self._tickets[revision]
            if ticket.address.id == generation and not ticket.held:
                self.turns.drop(revision)
                self.leases.forget(revision)
                self._buried.append(ticket)

    def _forget(self) -> None:
        """The connection was lost: anything may have been said meanwhile."""
        self.epoch += 1
        self._complete = False
        self._tickets.clear()
        self._owned.clear()
        self._places.clear()
        self._gone.clear()
        self._read_to = 0
        self._buried.clear()
        self._newest = 0
        self._order = None
        self.turns = Turns(self._link.settings.owner_running)
        self.leases = Leases(self._link.settings.lease_seconds)
        self._note_change()
