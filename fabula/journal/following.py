"""Follows one generation's log: what is stored, then what comes, without gap or overlap.

The live subject is heard first and the log read second, so nothing falls between. From then on every live record
must continue the last one. Whatever is in doubt (a gap, a reconnect, too much at once, silence for a while) has one
cure: read the log from where we stand.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import structlog
from nats.aio.msg import Msg

from fabula.engine.ports import Address, Record
from fabula.errors import LogCorrupted, NotFound, Unavailable
from fabula.journal import subjects
from fabula.journal.connection import Link
from fabula.journal.paging import Page
from fabula.journal.reading import LogReader, is_tombstone
from fabula.journal.stored import StoredMessage, from_delivery, record_of
from fabula.journal.window import Window

logger = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Place:
    """How far a follower has come.

    Attributes:
        revision: Everything up to it has been read.
        sequence: Of the last event it has; None before the first record where that is in the middle of the log.
    """

    revision: int
    sequence: int | None

    def continues(self, record: Record) -> bool:
        """Tell whether the record is the one that comes next, as far as we know."""
        return self.sequence is None or record.first_sequence == self.sequence + 1

    def advance(self, record: Record) -> None:
        """Take the record as the last one."""
        self.revision = record.revision
        self.sequence = record.last_sequence


class Follower:
    """Follows logs, each with a subscription of its own."""

    def __init__(self, link: Link, reader: LogReader) -> None:
        self._link = link
        self._reader = reader
        self._idle_seconds = link.settings.idle_check_seconds

    async def follow(self, address: Address, after_sequence: int) -> AsyncGenerator[Record, None]:
        """Yield the records behind `after_sequence`, stored and to come. The contract is `EventLog.follow`'s."""
        window: Window[Msg] = Window()

        def heard(message: Msg) -> None:
            window.push(message, len(message.data))

        topic = subjects.live_log(address)
        async with self._link.listening(topic, heard=heard, reconnected=window.forget):
            place = await self._start(address, after_sequence)
            page = await self._reader.page_after(address, place.revision)
            while True:
                for message in page.messages:
                    record = await self._from_log(address, place, message)
                    if record.last_sequence > after_sequence:
                        yield record
                while not page.remaining and (live := await self._heard(address, place, window)) is not None:
                    if live.last_sequence > after_sequence:
                        yield live
                page = await self._next_page(address, place, window)

    async def _start(self, address: Address, after_sequence: int) -> _Place:
        newest = await self._reader.newest(address)
        if newest is None:
            return _Place(0, 0)
        _check_exists(address, newest)
        if record_of(newest).last_sequence == after_sequence:
            return _Place(newest.revision, after_sequence)
        revision = await self._reader.revision_before(address, after_sequence, newest)
        return _Place(revision, None if revision else 0)

    async def _next_page(self, address: Address, place: _Place, window: Window[Msg]) -> Page:
        """Read on from the log; while the store is away, wait for it rather than end."""
        while True:
            try:
                return await self._reader.page_after(address, place.revision)
            except Unavailable as error:
                if self._link.is_closed:
                    raise
                logger.debug("follower_waits_for_journal", generation_id=address.id, reason=str(error))
                await window.take(self._idle_seconds)

    async def _from_log(self, address: Address, place: _Place, message: StoredMessage) -> Record:
        _check_exists(address, message)
        record = record_of(message)
        if not place.continues(record):
            newest = await self._reader.newest(address)
            if newest is not None:  # a deletion takes the records one by one
                _check_exists(address, newest)
            raise LogCorrupted(
                f"The log of {address.id} has a gap: {record.first_sequence} follows {place.sequence}.",
                generation_id=address.id,
            )
        place.advance(record)
        return record

    async def _heard(self, address: Address, place: _Place, window: Window[Msg]) -> Record | None:
        """Return the live record that continues the log; None where only the log can tell what is next."""
        while (delivery := await window.take(self._idle_seconds)) is not None:
            message = from_delivery(delivery.headers, delivery.data)
            if message.revision <= place.revision:
                continue
            _check_exists(address, message)
            record = record_of(message)
            if place.sequence is None or not place.continues(record):
                return None
            place.advance(record)
            return record
        return None


def _check_exists(address: Address, message: StoredMessage) -> None:
    if is_tombstone(message):
        raise NotFound(f"The generation {address.id} was deleted.", generation_id=address.id)
