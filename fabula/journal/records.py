"""The engine's `Records` on JetStream: a stream that keeps one message for each key.

Not nats-py's key-value store: after a value has expired there, it reads as None but still stands in the way of
creating it anew. Here nothing is left of an expired or deleted value.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import uuid4

from fabula.engine.ports import Stored
from fabula.errors import Superseded
from fabula.journal import leader, subjects
from fabula.journal.connection import ApiFault, Link, unavailable
from fabula.journal.paging import Pager
from fabula.journal.stored import APPEND

_WRONG_LAST_SEQUENCE = frozenset({10071, 10164})


class JetStreamRecords:
    """Implements `fabula.engine.ports.Records`."""

    def __init__(self, link: Link, pager: Pager) -> None:
        self._link = link
        self._pager = pager

    async def get(self, key: str) -> Stored | None:
        """Return the value as the stream's leader knows it; see the port."""
        message = await leader.newest(self._link, subjects.RECORDS_STREAM, subjects.record(key))
        return None if message is None else Stored(message.data, message.revision)

    async def put(self, key: str, value: bytes, *, after: int | None = None, ttl_seconds: int | None = None) -> int:
        """Write the value; see the port."""
        write_id = uuid4().hex
        headers = {APPEND: write_id}
        if after is not None:
            headers["Nats-Expected-Last-Subject-Sequence"] = str(after)
        if ttl_seconds is not None:
            headers["Nats-TTL"] = f"{ttl_seconds}s"
        try:
            return await self._link.store(subjects.record(key), value, headers)
        except ApiFault as fault:
            if fault.err_code not in _WRONG_LAST_SEQUENCE:
                raise unavailable(fault) from fault
        present = await leader.newest(self._link, subjects.RECORDS_STREAM, subjects.record(key))
        if present is not None and present.headers.get(APPEND) == write_id:
            return present.revision  # the answer to the first attempt was lost
        raise Superseded(f"The record {key} is not at revision {after} any more.", key=key)

    async def delete(self, key: str) -> None:
        """Remove the value; see the port."""
        topic = subjects.record(key)
        try:
            await self._link.ask(f"STREAM.PURGE.{subjects.RECORDS_STREAM}", {"filter": topic})
        except ApiFault as fault:
            raise unavailable(fault) from fault

    async def all(self, prefix: str) -> Mapping[str, Stored]:
        """Return the values behind a prefix; see the port."""
        found: dict[str, Stored] = {}
        topic = subjects.records_behind(prefix)
        async for message in self._pager.all_from(subjects.RECORDS_STREAM, topic, 1):
            key = subjects.key_of(message.subject)
            found.pop(key, None)  # replaced while the pages were read: the new one has its place at the end
            found[key] = Stored(message.data, message.revision)
        return found
