"""Lists an owner's generations, and the newest record of many logs, with few requests."""

from __future__ import annotations

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from fabula.engine.ports import Address, FirstRecord, GenerationId, Purpose, Record
from fabula.journal import subjects
from fabula.journal.paging import Pager
from fabula.journal.reading import is_tombstone
from fabula.journal.stored import StoredMessage, record_of

_CACHE_BYTES = 64 << 20
_ENTRY_BYTES = 512
"""What a remembered record costs beside its data, roughly."""
_OWNER_BYTES = 1024
"""What is kept of an owner who has no generations, roughly: a token may name anybody."""
_LOGS_PER_REQUEST = 128
"""Each log has up to four subjects, and JetStream answers for 1,024 at once."""


@dataclass(slots=True)
class _OwnersLogs:
    """What is known of one owner's generations of one kind.

    Attributes:
        firsts: The first record of each, oldest first.
        scanned: Everything queued up to this revision has been seen.
        buried: Every tombstone up to this revision has been seen.
        size_bytes: What all this costs, roughly.
        counted_bytes: How much of that is in the sum of all owners.
    """

    firsts: dict[GenerationId, FirstRecord] = field(default_factory=dict)
    scanned: int = 0
    buried: int = 0
    size_bytes: int = _OWNER_BYTES
    counted_bytes: int = 0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Listings:
    """Remembers what it has listed and reads only what is new; forgets the owners unheard of for longest."""

    def __init__(self, pager: Pager, cache_bytes: int = _CACHE_BYTES) -> None:
        self._pager = pager
        self._cache_bytes = cache_bytes
        self._known: OrderedDict[tuple[str, str], _OwnersLogs] = OrderedDict()
        self._total_bytes = 0

    def __len__(self) -> int:
        """Return how many owners are remembered."""
        return len(self._known)

    async def of_owner(self, kind: str, owner: str) -> list[FirstRecord]:
        """Return the first record of each generation, newest first."""
        key = (kind, owner)
        logs = self._known.setdefault(key, _OwnersLogs())
        self._known.move_to_end(key)
        try:
            async with logs.lock:
                await self._learn_new(logs, kind, owner)
                await self._forget_deleted(logs, kind, owner)
                return list(reversed(logs.firsts.values()))
        finally:
            if self._known.get(key) is logs:  # else forgotten meanwhile
                self._count(logs)

    async def _learn_new(self, logs: _OwnersLogs, kind: str, owner: str) -> None:
        topic = subjects.of_owner(kind, owner, Purpose.QUEUE.value)
        async for message in self._pager.all_from(subjects.EVENTS_STREAM, topic, logs.scanned + 1):
            logs.scanned = message.revision
            record = record_of(message)
            if record.first_sequence == 1:
                generation_id = subjects.generation_of(message.subject)
                logs.firsts[generation_id] = FirstRecord(Address(kind, owner, generation_id), record)
                logs.size_bytes += _size(record)

    async def _forget_deleted(self, logs: _OwnersLogs, kind: str, owner: str) -> None:
        topic = subjects.of_owner(kind, owner, subjects.TOMBSTONE)
        async for message in self._pager.all_from(subjects.EVENTS_STREAM, topic, logs.buried + 1):
            logs.buried = message.revision
            gone = logs.firsts.pop(subjects.generation_of(message.subject), None)
            if gone is not None:
                logs.size_bytes -= _size(gone.record)

    def _count(self, logs: _OwnersLogs) -> None:
        """Count what is known of an owner now, and forget others where that is too much."""
        self._total_bytes += logs.size_bytes - logs.counted_bytes
        logs.counted_bytes = logs.size_bytes
        while self._total_bytes > self._cache_bytes and self._known:
            _, forgotten = self._known.popitem(last=False)
            self._total_bytes -= forgotten.counted_bytes


async def lasts(pager: Pager, addresses: Sequence[Address]) -> list[Record | None]:
    """Return the newest record of each address, in the order given; None where there is none."""
    newest: dict[str, StoredMessage] = {}
    topics = [subjects.whole_log(address) for address in addresses]
    remaining = iter(dict.fromkeys(topics))
    while some := list(itertools.islice(remaining, _LOGS_PER_REQUEST)):
        page = await pager.lasts(subjects.EVENTS_STREAM, some)
        for message in page.messages:  # oldest first
            newest[message.subject.rsplit(".", 1)[0] + ".*"] = message
    return [_record(newest.get(topic)) for topic in topics]


def _record(message: StoredMessage | None) -> Record | None:
    return None if message is None or is_tombstone(message) else record_of(message)


def _size(record: Record) -> int:
    return sum(len(entry.data) for entry in record.entries) + _ENTRY_BYTES
