"""Opens the journal: one connection, the streams, and the ports on them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fabula.journal import streams, subjects
from fabula.journal.blobs import JetStreamBlobs
from fabula.journal.connection import ApiFault, Link, unavailable
from fabula.journal.endings import JetStreamEndings
from fabula.journal.events import JetStreamEventLog
from fabula.journal.job_queue import JetStreamJobQueue
from fabula.journal.paging import Pager
from fabula.journal.previews import JetStreamPreviews
from fabula.journal.records import JetStreamRecords
from fabula.journal.settings import JournalSettings


@dataclass(frozen=True, slots=True)
class Journal:
    """The engine's ports on one connection to NATS.

    Attributes:
        events: The logs of all generations.
        queue: The generations that wait for a worker.
        endings: The runs that have ended, for those who tell others.
        records: Small named values.
        blobs: Bytes of any size.
        previews: The newest preview of each generation.
        link: The connection, for those who measure it.
    """

    events: JetStreamEventLog
    queue: JetStreamJobQueue
    endings: JetStreamEndings
    records: JetStreamRecords
    blobs: JetStreamBlobs
    previews: JetStreamPreviews
    link: Link

    async def ping(self) -> float:
        """Return how many seconds JetStream takes to answer. Raises `Unavailable` where it does not."""
        began = time.monotonic()
        try:
            await self.link.ask(f"STREAM.INFO.{subjects.EVENTS_STREAM}", {})
        except ApiFault as fault:
            raise unavailable(fault) from fault
        return time.monotonic() - began


@asynccontextmanager
async def connect(settings: JournalSettings) -> AsyncIterator[Journal]:
    """Open the journal for as long as the block lasts; declare the streams where they are missing.

    Raises:
        Unavailable: no server lets us in, or it has no JetStream.
    """
    link = Link(settings)
    await link.open()
    try:
        await streams.declare_all(link)
        pager = Pager(link)
        queue = JetStreamJobQueue(link, pager)
        async with pager.running():
            try:
                yield Journal(
                    events=JetStreamEventLog(link, pager),
                    queue=queue,
                    endings=JetStreamEndings(link),
                    records=JetStreamRecords(link, pager),
                    blobs=JetStreamBlobs(link, pager),
                    previews=JetStreamPreviews(link),
                    link=link,
                )
            finally:
                await queue.close()
    finally:
        await link.close()
