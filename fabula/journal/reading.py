"""Reads one generation's log: the newest record, a stretch, the record that holds a given event."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator
from contextlib import aclosing

from fabula.engine.ports import Address, Record
from fabula.journal import leader, subjects
from fabula.journal.connection import Link
from fabula.journal.paging import Page, Pager
from fabula.journal.recent import RecentStretches, Stretch
from fabula.journal.stored import StoredMessage, record_of

_SHORT_SEQUENCES = 256
"""So many events are read over rather than searched through."""

_HALF = 0.5


class LogReader:
    """Reads the messages of one log at a time."""

    def __init__(self, link: Link, pager: Pager) -> None:
        self._link = link
        self._pager = pager
        self._recent = RecentStretches(self._stretch)

    async def newest(self, address: Address) -> StoredMessage | None:
        """Return the newest message as the stream's leader knows it, a tombstone too; None if there is none."""
        return await leader.newest(self._link, subjects.EVENTS_STREAM, subjects.whole_log(address))

    async def next_after(self, address: Address, revision: int) -> StoredMessage | None:
        """Return the message that follows a revision, as the stream's leader knows it; None if none does."""
        return await leader.next_after(self._link, subjects.EVENTS_STREAM, subjects.whole_log(address), revision)

    async def page_after(self, address: Address, revision: int) -> Page:
        """Return the messages that follow a revision: a page of them, from any replica."""
        return await self._pager.from_revision(subjects.EVENTS_STREAM, subjects.whole_log(address), revision + 1)

    async def read(self, address: Address, after_sequence: int) -> AsyncGenerator[Record, None]:
        """Yield what is stored now, from the record that holds `after_sequence + 1`."""
        newest = await self.newest(address)
        if newest is None or is_tombstone(newest) or record_of(newest).last_sequence <= after_sequence:
            return
        revision = await self.revision_before(address, after_sequence, newest)
        async with aclosing(self._stretches(address, revision, newest.revision)) as stretches:
            async for stretch in stretches:
                for record in stretch.records:
                    if record.last_sequence > after_sequence:
                        yield record

    async def revision_before(self, address: Address, after_sequence: int, newest: StoredMessage) -> int:
        """Return a revision before the record that holds `after_sequence + 1`, and close to it.

        Narrows the part of the stream in which the record must lie, with single reads, until few events are left: the
        stream may hold millions of other logs' records between those of this one.
        """
        high, high_sequence = newest.revision, record_of(newest).first_sequence
        if high_sequence <= after_sequence + 1:
            return high - 1
        low, low_sequence = 0, 0
        for attempt in itertools.count():
            if after_sequence - low_sequence <= _SHORT_SEQUENCES or high - low <= 1:
                break
            share = _HALF if attempt % 3 == 2 else _share(after_sequence, low_sequence, high_sequence)
            middle = min(max(low + int((high - low) * share), low + 1), high - 1)
            page = await self._pager.from_revision(subjects.EVENTS_STREAM, subjects.whole_log(address), middle, count=1)
            found = page.messages[0] if page.messages else newest
            if is_tombstone(found):
                return found.revision - 1
            sequence = record_of(found).first_sequence
            if sequence <= after_sequence:
                low, low_sequence = found.revision, sequence
            else:
                high, high_sequence = middle, sequence
        return max(low - 1, 0)

    async def _stretches(self, address: Address, after: int, until: int) -> AsyncGenerator[Stretch, None]:
        """Yield what lies behind `after`, up to the revision `until` at least; stop at a tombstone.

        While one stretch is read by our reader, the next one is on its way.
        """
        reading = self._recent.begin(address, after)
        while True:
            stretch = await asyncio.shield(reading)
            after = stretch.revision
            ended = stretch.deleted or not after or after >= until
            if not ended:
                reading = self._recent.begin(address, after)
            yield stretch
            if ended:
                return

    async def _stretch(self, address: Address, after: int) -> Stretch:
        page = await self.page_after(address, after)
        messages = page.messages or await self._lagging(address, after)
        deleted = bool(messages) and is_tombstone(messages[-1])
        records = tuple(record_of(message) for message in messages if not is_tombstone(message))
        size = sum(len(entry.data) for record in records for entry in record.entries)
        revision = messages[-1].revision if messages else 0
        return Stretch(records, revision, deleted, full=page.remaining > 0 and not deleted, size_bytes=size)

    async def _lagging(self, address: Address, after: int) -> tuple[StoredMessage, ...]:
        """Return what a replica that lags does not have yet: ask the leader."""
        following = await self.next_after(address, after)
        return (following,) if following else ()


def _share(after_sequence: int, low_sequence: int, high_sequence: int) -> float:
    """Return where between two records one a little before the cursor would lie if a log grew evenly (interpolation).

    A log does not, quite: every third attempt halves instead, so that the worst case is a search by halves.
    """
    wanted = after_sequence - _SHORT_SEQUENCES // 2
    return (wanted - low_sequence) / (high_sequence - low_sequence)


def is_tombstone(message: StoredMessage) -> bool:
    """Tell whether the message says that its log was deleted."""
    return subjects.purpose_of(message.subject) == subjects.TOMBSTONE
