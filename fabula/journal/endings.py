"""Queues of what somebody outside is to be told: the runs that have ended, and records that wait to be seen to.

Neither is a second store: the record that ends a run is its place in the queue of endings, as the record that queues a
generation is its place in that of the workers; and a record behind a prefix waits until whoever sees to it has written
it as it is then, and has taken the old one off.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote

from fabula.engine.ports import Address, Record, Stored
from fabula.journal import subjects
from fabula.journal.connection import Link
from fabula.journal.pulling import Handed, PullQueue
from fabula.journal.stored import OWNER, StoredMessage, record_of


@dataclass(frozen=True, slots=True)
class Ending:
    """A run that has ended, handed to this process for as long as it renews its claim.

    Attributes:
        address: Of which generation.
    """

    address: Address
    handed: Handed

    @property
    def record(self) -> Record:
        """The record that ends it. Raises `LogCorrupted` where it cannot be read."""
        handed = self.handed
        return record_of(StoredMessage(handed.subject, handed.revision, handed.headers, handed.data))

    async def done(self) -> None:
        """Take it off the queue: who is to be told of it is noted."""
        await self.handed.done()

    async def give_back(self, delay_seconds: float = 0.0) -> None:
        """Have it handed out again, after the delay."""
        await self.handed.give_back(delay_seconds)


@dataclass(frozen=True, slots=True)
class Errand:
    """A record that waits to be seen to, handed to this process for as long as it renews its claim.

    Attributes:
        key: The record's key.
        stored: Its value and revision.
    """

    key: str
    stored: Stored
    handed: Handed

    async def renew(self) -> None:
        """Keep it for another lease time."""
        await self.handed.renew()

    async def done(self) -> None:
        """Take it off the queue: it is seen to, or has been written anew, which queues it again."""
        await self.handed.done()

    async def give_back(self, delay_seconds: float = 0.0) -> None:
        """Have it handed out again, after the delay."""
        await self.handed.give_back(delay_seconds)


class JetStreamEndings:
    """The runs that have ended, and the errands that follow from them."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._queues: dict[str, PullQueue] = {}

    async def claim_ending(self, kind: str, timeout_seconds: float) -> Ending | None:
        """Wait for a run of this kind that has ended; None if there is none within the timeout. `Unavailable`.

        Runs whose log was deleted before they were handed out are not.
        """
        name = f"fabula-endings-{subjects.token(kind, 'kind')}"
        description = f"Fabula: runs of {kind} that have ended, for webhooks"
        topic = subjects.ended(kind)
        handed = await self._queue(subjects.EVENTS_STREAM, topic, name, description).claim(timeout_seconds)
        if handed is None:
            return None
        owner = unquote(handed.headers.get(OWNER, ""))
        return Ending(Address(kind, owner, subjects.generation_of(handed.subject)), handed)

    async def claim_errand(self, prefix: str, timeout_seconds: float) -> Errand | None:
        """Wait for a record whose key goes on behind `prefix`; None if there is none in time. Raises `Unavailable`.

        Every record that is put there is handed out, until it is done; one that is written anew takes the place of the
        one before.
        """
        topic = subjects.records_behind(prefix)
        name = f"fabula-records-{subjects.token(prefix, 'prefix')}"
        description = f"Fabula: records behind {prefix} that are to be seen to"
        handed = await self._queue(subjects.RECORDS_STREAM, topic, name, description).claim(timeout_seconds)
        if handed is None:
            return None
        return Errand(subjects.key_of(handed.subject), Stored(handed.data, handed.revision), handed)

    def _queue(self, stream: str, topic: str, name: str, description: str) -> PullQueue:
        if name not in self._queues:
            self._queues[name] = PullQueue(self._link, stream, topic, name, description)
        return self._queues[name]
