"""Who waits in the queue of one kind, and how far ahead: for "you are third in line".

The consumer knows how far it has handed out; the revisions that wait behind that point are read once from the log and
then kept up to date from what is announced as stored. Questions cost the server one look a second, whoever asks.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nats.aio.msg import Msg

from fabula.engine.ports import GenerationId, Purpose
from fabula.journal import subjects
from fabula.journal.connection import ApiFault, Link, unavailable
from fabula.journal.paging import Pager
from fabula.journal.stored import from_delivery

_MAX_KNOWN = 20_000
"""A line longer than this is not kept in memory; the position is not known then."""


class WaitingLine:
    """The revisions that wait to be handed out, in order."""

    def __init__(self, link: Link, pager: Pager, kind: str, consumer: str) -> None:
        self._link = link
        self._pager = pager
        self._kind = kind
        self._consumer = consumer
        self._generations: dict[int, GenerationId] = {}
        self._revisions: list[int] = []
        self._complete = False
        self._disagreements = 0
        self._handed_out = 0
        self._waiting = 0
        self._looked_at = float("-inf")
        self._lock = asyncio.Lock()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[WaitingLine]:
        """Keep the line up to date while the block lasts."""
        queued, gone = (
            subjects.live_of_kind(self._kind, purpose) for purpose in (Purpose.QUEUE.value, subjects.TOMBSTONE)
        )
        async with self._link.listening(queued, gone, heard=self._heard, reconnected=self._forget):
            yield self

    async def position(self, revision: int) -> int | None:
        """Return how many will be handed out before `revision`; None when not known."""
        async with self._lock:
            await self._look()
            if revision <= self._handed_out:
                return 0
            if not self._complete and self._waiting <= _MAX_KNOWN:
                await self._read()
        return bisect_left(self._revisions, revision) if self._complete else None

    async def depth(self) -> int:
        """Return how many wait and have not been handed out."""
        async with self._lock:
            await self._look()
        return self._waiting

    async def _look(self) -> None:
        """Ask the consumer how far it is, unless we know."""
        now = asyncio.get_running_loop().time()
        if now - self._looked_at < self._link.settings.queue_info_seconds:
            return
        try:
            info = await self._link.ask(f"CONSUMER.INFO.{subjects.EVENTS_STREAM}.{self._consumer}", {})
        except ApiFault as fault:
            raise unavailable(fault) from fault
        self._looked_at = now
        self._handed_out = info["delivered"]["stream_seq"]
        self._waiting = info["num_pending"]
        self._drop_handed_out()

    def _drop_handed_out(self) -> None:
        served = bisect_right(self._revisions, self._handed_out)
        for revision in self._revisions[:served]:
            self._generations.pop(revision, None)
        del self._revisions[:served]
        # One more or less may be on its way; twice in a row, something was missed.
        self._disagreements = self._disagreements + 1 if len(self._revisions) != self._waiting else 0
        if self._disagreements > 1:
            self._forget()

    async def _read(self) -> None:
        """Read who waits; what is announced meanwhile is kept as well."""
        topic = subjects.queued(self._kind)
        async for message in self._pager.all_from(subjects.EVENTS_STREAM, topic, self._handed_out + 1):
            self._generations[message.revision] = subjects.generation_of(message.subject)
        self._revisions = sorted(self._generations)
        self._complete = True
        self._disagreements = 0

    def _heard(self, message: Msg) -> None:
        generation_id = subjects.generation_of(message.subject)
        if subjects.purpose_of(message.subject) == subjects.TOMBSTONE:
            self._remove(generation_id)
            return
        revision = from_delivery(message.headers, b"").revision
        self._generations[revision] = generation_id
        self._revisions.append(revision)  # announcements come in the order of the store
        if len(self._generations) > _MAX_KNOWN:
            self._forget()

    def _remove(self, generation_id: GenerationId) -> None:
        gone = {revision for revision, waits in self._generations.items() if waits == generation_id}
        for revision in gone:
            del self._generations[revision]
        self._revisions = [revision for revision in self._revisions if revision not in gone]

    def _forget(self) -> None:
        self._generations.clear()
        self._revisions.clear()
        self._complete = False
        self._disagreements = 0
