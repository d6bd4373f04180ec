"""The engine's `EventLog` on JetStream: one stream, one message per record, the fence checked by the server."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from urllib.parse import quote

from fabula.engine.ports import Address, Entry, FirstRecord, GenerationId, Purpose, Record
from fabula.errors import InvalidRequest, Superseded, Unavailable
from fabula.journal import announcements, framing, subjects
from fabula.journal.connection import ApiFault, Link, unavailable
from fabula.journal.following import Follower
from fabula.journal.listing import Listings, lasts
from fabula.journal.paging import Pager
from fabula.journal.reading import LogReader, is_tombstone
from fabula.journal.stored import APPEND, OWNER, SEQUENCE, record_of

_FENCE = "Nats-Expected-Last-Subject-Sequence"
_FENCE_SUBJECT = "Nats-Expected-Last-Subject-Sequence-Subject"
_NAMED_REVISION = re.compile(r"wrong last sequence: (\d+)")
_PAUSE_SECONDS = 0.005
_UNDECIDED = 10164
_REFUSED_BY_FENCE = frozenset({10071, _UNDECIDED})
"""JetStream's codes for a lost fence; the second while a cluster has not yet agreed on the write before."""


class JetStreamEventLog:
    """Implements `fabula.engine.ports.EventLog`."""

    def __init__(self, link: Link, pager: Pager) -> None:
        self._link = link
        self._pager = pager
        self._reader = LogReader(link, pager)
        self._follower = Follower(link, self._reader)
        self._listings = Listings(pager)

    async def append(
        self,
        address: Address,
        entries: Sequence[Entry],
        *,
        after: int,
        append_id: str,
        purpose: Purpose = Purpose.NOTE,
    ) -> int:
        """Append a record; see the port."""
        _check_consecutive(entries)
        payload = framing.encode(entries)
        headers = _headers(address, entries[0].sequence, after, append_id, purpose)
        self._check_size(payload, headers)
        deadline = asyncio.get_running_loop().time() + self._link.settings.answer_seconds
        while asyncio.get_running_loop().time() < deadline:
            try:
                return await self._link.store(subjects.log(address, purpose), payload, headers)
            except ApiFault as fault:
                if fault.err_code not in _REFUSED_BY_FENCE:
                    raise unavailable(fault) from fault
                undecided = fault.err_code == _UNDECIDED
            revision = await self._already_stored(address, after, append_id, undecided=undecided)
            if revision is not None:
                return revision
            await asyncio.sleep(_PAUSE_SECONDS)
        raise Unavailable("The cluster does not decide on the write before this one; call again.")

    async def first(self, address: Address) -> Record | None:
        """Return the oldest record; see the port."""
        oldest = await self._reader.next_after(address, 0)
        return None if oldest is None or is_tombstone(oldest) else record_of(oldest)

    async def last(self, address: Address) -> Record | None:
        """Return the newest record; see the port."""
        newest = await self._reader.newest(address)
        return None if newest is None or is_tombstone(newest) else record_of(newest)

    def read(self, address: Address, after_sequence: int = 0) -> AsyncGenerator[Record, None]:
        """Yield what is stored now; see the port."""
        return self._reader.read(address, after_sequence)

    def follow(self, address: Address, after_sequence: int = 0) -> AsyncGenerator[Record, None]:
        """Yield what is stored and then what comes; see the port."""
        return self._follower.follow(address, after_sequence)

    def controls(self, kind: str) -> AsyncGenerator[GenerationId | None, None]:
        """Yield the id of each generation with a new control record, None first; see the port."""
        return announcements.controls(self._link, kind)

    def feed(self, kind: str, owner: str) -> AsyncGenerator[tuple[GenerationId, Record | None] | None, None]:
        """Yield each new record of an owner's logs, None first; see the port."""
        return announcements.feed(self._link, kind, owner)

    async def delete(self, address: Address, *, after: int | None = None) -> None:
        """Remove the log for good; see the port.

        The tombstone comes first: from then on every append fails its fence, so nothing can be stored between it
        and the purge of all that lies below it. Who dies in between has deleted the log already; calling again
        removes the bytes.
        """
        newest = await self._reader.newest(address)
        if newest is None:
            return
        if is_tombstone(newest):
            revision = newest.revision
        elif after is not None:
            revision = await self._bury_behind(address, after)
        else:
            revision = await self._bury(address, newest.revision)
        everything_below = {"filter": subjects.whole_log(address), "seq": revision}
        try:
            await self._link.ask(f"STREAM.PURGE.{subjects.EVENTS_STREAM}", everything_below)
        except ApiFault as fault:
            raise unavailable(fault) from fault

    async def deleted(self, address: Address) -> bool:
        """Tell whether there was such a log, and it was deleted; see the port."""
        newest = await self._reader.newest(address)
        return newest is not None and is_tombstone(newest)

    async def listing(self, kind: str, owner: str) -> Sequence[FirstRecord]:
        """Return the first record of each of the owner's generations, newest first; see the port."""
        return await self._listings.of_owner(kind, owner)

    async def lasts(self, addresses: Sequence[Address]) -> Sequence[Record | None]:
        """Return the newest record of each address; see the port."""
        return await lasts(self._pager, addresses)

    async def _bury(self, address: Address, after: int) -> int:
        """Store the tombstone behind whatever is newest, and return its revision.

        It may follow anything, so a single server needs no fence. A cluster does: it compares an append's fence with
        what is being written at that moment only if that was fenced by the same filter; without, one append could
        slip in behind the tombstone, and its writer would go on.
        """
        fenced = await self._is_replicated()
        deadline = asyncio.get_running_loop().time() + self._link.settings.answer_seconds
        while asyncio.get_running_loop().time() < deadline:
            headers = {_FENCE: str(after), _FENCE_SUBJECT: subjects.whole_log(address)} if fenced else {}
            try:
                return await self._link.store(subjects.tombstone(address), b"", headers)
            except ApiFault as fault:
                if fault.err_code not in _REFUSED_BY_FENCE:
                    raise unavailable(fault) from fault
                after = await self._newest_revision(address, fault)
            await asyncio.sleep(random.uniform(0, _PAUSE_SECONDS))  # not in step with a busy writer
        raise Unavailable(f"The log of {address.id} is written to without a pause; delete it again.")

    async def _bury_behind(self, address: Address, after: int) -> int:
        """Store the tombstone behind this revision or not at all, and return its own."""
        headers = {_FENCE: str(after), _FENCE_SUBJECT: subjects.whole_log(address)}
        try:
            return await self._link.store(subjects.tombstone(address), b"", headers)
        except ApiFault as fault:
            if fault.err_code not in _REFUSED_BY_FENCE:
                raise unavailable(fault) from fault
        newest = await self._reader.newest(address)
        if newest is not None and is_tombstone(newest):  # ours, and only its answer was lost; or another's
            return newest.revision
        raise Superseded(f"Somebody wrote to the log of {address.id} meanwhile.", generation_id=address.id)

    async def _is_replicated(self) -> bool:
        try:
            info = await self._link.ask(f"STREAM.INFO.{subjects.EVENTS_STREAM}", {})
        except ApiFault as fault:
            raise unavailable(fault) from fault
        return int(info["config"]["num_replicas"]) > 1

    async def _newest_revision(self, address: Address, refusal: ApiFault) -> int:
        """Return the newest revision: from the refusal, which names it as a rule, for a busy writer leaves no time."""
        if named := _NAMED_REVISION.search(str(refusal)):
            return int(named[1])
        newest = await self._reader.newest(address)
        return newest.revision if newest else 0

    async def _already_stored(self, address: Address, after: int, append_id: str, *, undecided: bool) -> int | None:
        """Return the revision under which this very append was stored before its answer was lost.

        None: the cluster is still deciding on what will follow `after`; it may be this very append.

        The server compares fences before it could know a duplicate, so a repeated append is refused as well. What
        follows `after` tells the two apart, even if others have written since.
        """
        following = await self._reader.next_after(address, after)
        if following is not None and following.headers.get(APPEND) == append_id:
            return following.revision
        if following is None and undecided:
            return None
        raise Superseded(
            f"Somebody else wrote to the log of {address.id} after revision {after}: read on and decide again.",
            generation_id=address.id,
        )

    def _check_size(self, payload: bytes, headers: Mapping[str, str]) -> None:
        size_bytes = len(payload) + sum(len(name) + len(value) + 4 for name, value in headers.items()) + 16
        if size_bytes > self._link.max_payload:
            raise InvalidRequest(
                f"The record is too large for the journal: {size_bytes} of at most {self._link.max_payload} bytes. "
                "Append fewer events at once, or put large data into blobs."
            )


def _headers(address: Address, first: int, after: int, append_id: str, purpose: Purpose) -> Mapping[str, str]:
    headers = {
        _FENCE: str(after),
        _FENCE_SUBJECT: subjects.whole_log(address),
        SEQUENCE: str(first),
        APPEND: append_id,
    }
    if purpose in (Purpose.QUEUE, Purpose.END):
        headers[OWNER] = quote(address.owner, safe="")
    return headers


def _check_consecutive(entries: Sequence[Entry]) -> None:
    first = entries[0].sequence if entries else 0
    if first < 1 or any(entry.sequence != first + index for index, entry in enumerate(entries)):
        raise ValueError("a record needs entries with consecutive sequences from 1")
