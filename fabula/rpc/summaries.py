"""Generations in short: what lists, feeds and answers to commands show. Told from a log's first and last event."""

from __future__ import annotations

import hashlib
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import structlog

from fabula.api.generation.v1 import generation_pb2 as pb
from fabula.engine.events import Accepted, Event, Failed
from fabula.engine.ports import Address, EventLog, FirstRecord, GenerationId, Record, Tag
from fabula.errors import InvalidRequest, LogCorrupted, NotFound
from fabula.rpc.codec import PENDING, STATES, ProtoCodec, fill_failure, fill_progress, timestamp
from fabula.rpc.kinds import Kind

DEFAULT_PAGE = 20
LARGEST_PAGE = 100

_log = structlog.get_logger(__name__)

FEED_SECONDS = 0.25
"""How often a feed tells of the same generation's text and progress at most."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some generations, newest first, and the token of those that follow; empty after the last."""

    generations: Sequence[pb.Generation]
    next_token: str


class Summaries:
    """Reads generations in short.

    Args:
        kind: Which generator.
        codec: Its events.
        log: Where they are stored.
    """

    def __init__(self, kind: Kind, codec: ProtoCodec, log: EventLog) -> None:
        self._kind = kind
        self._codec = codec
        self._log = log

    def message(self, id_: GenerationId, first: Event, last: Event) -> pb.Generation:
        """Return a generation as its first and last event tell it."""
        generation = pb.Generation(
            id=id_,
            kind=self._kind.name,
            state=STATES[last.state],
            create_time=timestamp(first.time),
            update_time=timestamp(last.time),
            last_sequence=last.sequence,
            pending_request=PENDING[last.pending],
            run=last.run,
        )
        if isinstance(first.body, Accepted):
            generation.request_id = first.body.request_id
            generation.title = self._codec.outputs.title(first.body.request)
        fill_progress(generation.progress, last.progress)
        if isinstance(last.body, Failed):
            fill_failure(generation.failure, last.body.failure)
        return generation

    async def first(self, address: Address) -> Event:
        """Return a log's first event. Raises `NotFound` if there is none."""
        record = await self._log.first(address)
        if record is None:
            raise NotFound("there is no such generation", id=address.id)
        return self._codec.decode(record.entries[0])

    async def page(self, owner: str, size: int, token: str, states: set[Any]) -> Page:
        """Return a page of the owner's generations, in any of `states` (all if empty)."""
        size = min(size or DEFAULT_PAGE, LARGEST_PAGE)
        scope = _scope(owner, states)
        listing = _older_than(await self._log.listing(self._kind.name, owner), token, scope)
        found: list[tuple[int, pb.Generation]] = []
        for start in range(0, len(listing), LARGEST_PAGE):
            for first, generation in await self._read(listing[start : start + LARGEST_PAGE]):
                if not states or generation.state in states:
                    found.append((first.record.revision, generation))
            if len(found) > size:
                break
        token = f"{found[size - 1][0]}-{scope}" if len(found) > size else ""
        return Page([generation for _, generation in found[:size]], token)

    async def _read(self, firsts: Sequence[FirstRecord]) -> list[tuple[FirstRecord, pb.Generation]]:
        lasts = await self._log.lasts([first.address for first in firsts])
        pairs = zip(firsts, lasts, strict=True)
        shorts = [(first, self._short(first.address.id, first.record, last)) for first, last in pairs if last]
        return [(first, short) for first, short in shorts if short is not None]

    def _short(self, id_: GenerationId, first: Record, last: Record) -> pb.Generation | None:
        """Return a generation in short; None if it cannot be read: all the others still can."""
        try:
            return self.message(id_, self._codec.decode(first.entries[0]), self._codec.decode(last.entries[-1]))
        except LogCorrupted as error:
            _log.error("log_corrupted", generation_id=id_, reason=error.message)
            return None

    async def watch(self, owner: str) -> AsyncGenerator[tuple[pb.Generation, bool], None]:
        """Yield the owner's generations, newest first, then each that changes; True: it was deleted."""
        feed = _Feed()
        async with aclosing(self._log.feed(self._kind.name, owner)) as changes:
            async for change in changes:
                if change is None:
                    for told in feed.catch_up(await self._all(owner)):
                        yield told
                    continue
                id_, record = change
                if record is None:
                    for told in feed.deleted(id_):
                        yield told
                elif feed.wants(id_, record):
                    first = await self._log.first(Address(self._kind.name, owner, id_))
                    if first is not None and (short := self._short(id_, first, record)) is not None:
                        yield feed.tell(short)

    async def _all(self, owner: str) -> list[pb.Generation]:
        listing = await self._log.listing(self._kind.name, owner)
        return [generation for _, generation in await self._read(listing)]


class _Feed:
    """What one watcher of an owner's generations has been told."""

    def __init__(self) -> None:
        self._sequences: dict[str, int] = {}
        self._times: dict[str, float] = {}

    def catch_up(self, generations: Sequence[pb.Generation]) -> list[tuple[pb.Generation, bool]]:
        """Return what is news in a list of all there are."""
        gone = self._sequences.keys() - {generation.id for generation in generations}
        news = [one for one in generations if self._sequences.get(one.id, 0) < one.last_sequence]
        return [self.tell(one) for one in news] + [told for id_ in gone for told in self.deleted(id_)]

    def wants(self, id_: GenerationId, record: Record) -> bool:
        """Whether a record is news. Text and progress are so only now and then; every change of state is."""
        if record.last_sequence <= self._sequences.get(id_, 0):
            return False
        passing = all(entry.tag in (Tag.TEXT, Tag.PROGRESS) for entry in record.entries)
        return not passing or time.monotonic() - self._times.get(id_, 0.0) >= FEED_SECONDS

    def tell(self, generation: pb.Generation) -> tuple[pb.Generation, bool]:
        """Note that the watcher is told of this."""
        self._sequences[generation.id] = generation.last_sequence
        self._times[generation.id] = time.monotonic()
        return generation, False

    def deleted(self, id_: str) -> list[tuple[pb.Generation, bool]]:
        """Return that a generation is gone, if the watcher knew of it."""
        self._times.pop(id_, None)
        return [(pb.Generation(id=id_), True)] if self._sequences.pop(id_, None) else []


def _older_than(listing: Sequence[FirstRecord], token: str, scope: str) -> Sequence[FirstRecord]:
    """Return what follows the page that gave this token. Its scope tells a token of this list from any other."""
    if not token:
        return listing
    revision, _, of = token.partition("-")
    if of != scope or not (revision.isascii() and revision.isdigit()):
        problem = "not a page token of this list: give the one that came with the page before, and the same states"
        raise InvalidRequest(problem, (("page_token", problem),))
    return [first for first in listing if first.record.revision < int(revision)]


def _scope(owner: str, states: set[Any]) -> str:
    return hashlib.sha256(f"{owner}\0{sorted(states)}".encode()).hexdigest()[:16]
