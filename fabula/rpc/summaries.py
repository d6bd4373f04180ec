"""Generations in short: what lists, feeds and answers to commands show. Told from a log's first and last event."""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from fabula.api.generation.v1 import generation_pb2 as pb
from fabula.engine.events import Accepted, Event, Failed
from fabula.engine.ports import Address, EventLog, FirstRecord, GenerationId, Record
from fabula.errors import InvalidRequest, NotFound
from fabula.rpc.codec import PENDING, STATES, ProtoCodec, fill_failure, fill_progress, timestamp
from fabula.rpc.kinds import Kind

DEFAULT_PAGE = 20
LARGEST_PAGE = 100

FEED_SECONDS = 0.25
"""How often a feed tells of the same generation at most."""


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
        async with aclosing(self._log.read(address)) as records:
            async for record in records:
                return self._codec.decode(record.entries[0])
        raise NotFound("there is no such generation", id=address.id)

    async def page(self, owner: str, size: int, token: str, states: set[Any]) -> Page:
        """Return a page of the owner's generations, in any of `states` (all if empty)."""
        size = min(size or DEFAULT_PAGE, LARGEST_PAGE)
        listing = _older_than(await self._log.listing(self._kind.name, owner), token)
        found: list[tuple[int, pb.Generation]] = []
        for start in range(0, len(listing), LARGEST_PAGE):
            for first, generation in await self._read(listing[start : start + LARGEST_PAGE]):
                if not states or generation.state in states:
                    found.append((first.record.revision, generation))
            if len(found) > size:
                break
        token = _token(found[size - 1][0]) if len(found) > size else ""
        return Page([generation for _, generation in found[:size]], token)

    async def _read(self, firsts: Sequence[FirstRecord]) -> list[tuple[FirstRecord, pb.Generation]]:
        lasts = await self._log.lasts([first.address for first in firsts])
        return [
            (first, self._short(first, last)) for first, last in zip(firsts, lasts, strict=True) if last is not None
        ]

    def _short(self, first: FirstRecord, last: Record) -> pb.Generation:
        decode = self._codec.decode
        return self.message(first.address.id, decode(first.record.entries[0]), decode(last.entries[-1]))

    async def watch(self, owner: str) -> AsyncGenerator[tuple[pb.Generation, bool], None]:
        """Yield the owner's generations, newest first, then each that changes; True: it was deleted."""
        changed: set[GenerationId | None] = {None}
        news = asyncio.Event()
        news.set()
        async with asyncio.TaskGroup() as tasks:
            feeding = tasks.create_task(self._feed(owner, changed, news))
            try:
                known: set[GenerationId] = set()
                while True:
                    await news.wait()
                    news.clear()
                    ids, everything = {id_ for id_ in changed if id_}, None in changed
                    changed.clear()
                    for generation, deleted in await self._changes(owner, None if everything else ids, known):
                        yield generation, deleted
                    await asyncio.sleep(FEED_SECONDS)
            finally:
                feeding.cancel()

    async def _feed(self, owner: str, changed: set[GenerationId | None], news: asyncio.Event) -> None:
        async with aclosing(self._log.feed(self._kind.name, owner)) as feed:
            async for change in feed:
                changed.add(change[0] if change is not None else None)
                news.set()

    async def _changes(
        self, owner: str, ids: set[GenerationId] | None, known: set[GenerationId]
    ) -> list[tuple[pb.Generation, bool]]:
        listing = await self._log.listing(self._kind.name, owner)
        wanted = [first for first in listing if ids is None or first.address.id in ids]
        found = [generation for _, generation in await self._read(wanted)]
        there = {first.address.id for first in listing}
        gone = (known if ids is None else known & ids) - there
        known.update(there)
        known.difference_update(gone)
        return [(generation, False) for generation in found] + [(pb.Generation(id=id_), True) for id_ in gone]


def _older_than(listing: Sequence[FirstRecord], token: str) -> Sequence[FirstRecord]:
    if not token:
        return listing
    try:
        revision = int(base64.urlsafe_b64decode(token.encode("ascii")))
    except (ValueError, binascii.Error):
        problem = "not a page token: give `next_page_token` of the page before, as it was"
        raise InvalidRequest(problem, (("page_token", problem),)) from None
    return [first for first in listing if first.record.revision < revision]


def _token(revision: int) -> str:
    return base64.urlsafe_b64encode(str(revision).encode()).decode("ascii")
