"""Reads many stored messages with one request: JetStream's batched direct get (ADR-31 of NATS).

nats-py has no call for it. All pages of a process share one subscription.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import nats.errors
from nats.aio.msg import Msg

from fabula.errors import LogCorrupted, Unavailable
from fabula.journal.connection import Link
from fabula.journal.stored import StoredMessage, from_delivery

PAGE_MESSAGES = 256
PAGE_BYTES = 256 << 10
"""A watcher that does not read holds two pages: the one it is in, and the one behind it."""

_END, _NOTHING, _NOBODY = "204", "404", "503"


@dataclass(frozen=True, slots=True)
class Page:
    """Some stored messages, oldest first.

    Attributes:
        messages: The messages.
        remaining: How many more matched when the page was read.
    """

    messages: tuple[StoredMessage, ...]
    remaining: int


class Pager:
    """Asks for pages and gathers what comes."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._inbox = link.new_inbox()
        self._numbers = itertools.count()
        self._open: dict[str, _Gathering] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Make pages readable while the block lasts."""
        async with self._link.listening(f"{self._inbox}.*", heard=self._heard):
            yield

    async def from_revision(
        self, stream: str, topic: str, revision: int, count: int = PAGE_MESSAGES, size_bytes: int = PAGE_BYTES
    ) -> Page:
        """Return the first messages on the filter `topic` at or after a revision.

        Messages come until there are `count`, or more than `size_bytes`; at least one if there is any.
        """
        question = {"seq": max(revision, 1), "next_by_subj": topic, "batch": count, "max_bytes": size_bytes}
        return await self._page(stream, question)

    async def lasts(self, stream: str, topics: list[str]) -> Page:
        """Return the newest message of every subject that matches one of the filters; at most 1,024."""
        return await self._page(stream, {"multi_last": topics, "batch": 1024})

    async def all_from(self, stream: str, topic: str, revision: int) -> AsyncGenerator[StoredMessage, None]:
        """Yield every message on the filter at or after a revision that is stored now, page by page."""
        more = True
        while more:
            page = await self.from_revision(stream, topic, revision)
            for message in page.messages:
                yield message
                revision = message.revision + 1
            more = page.remaining > 0 and bool(page.messages)

    async def _page(self, stream: str, question: Mapping[str, Any]) -> Page:
        payload = json.dumps(question).encode()

        async def ask() -> Page:
            number = str(next(self._numbers))
            gathering = self._open[number] = _Gathering()
            try:
                await self._link.publish(f"$JS.API.DIRECT.GET.{stream}", payload, f"{self._inbox}.{number}")
                return await gathering.page
            finally:
                del self._open[number]

        return await self._link.until_answered(ask)

    def _heard(self, message: Msg) -> None:
        gathering = self._open.get(message.subject.rsplit(".", 1)[1])
        if gathering is not None and not gathering.page.done():
            gathering.take(message)


@dataclass(slots=True)
class _Gathering:
    """A page that is being read."""

    messages: list[StoredMessage] = field(default_factory=list)
    page: asyncio.Future[Page] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def take(self, message: Msg) -> None:
        headers = message.headers or {}
        match headers.get("Status"):
            case None:
                self._keep(headers, message.data)
            case status if status == _END:
                self._done(int(headers.get("Nats-Num-Pending", "0")))
            case status if status == _NOTHING:
                self._done(0)
            case status if status == _NOBODY:
                self.page.set_exception(nats.errors.NoRespondersError())
            case status:
                reason = headers.get("Description", "")
                self.page.set_exception(Unavailable(f"The journal refused to read: {status} {reason}."))

    def _keep(self, headers: Mapping[str, str], data: bytes) -> None:
        try:
            self.messages.append(from_delivery(headers, data))
        except LogCorrupted as error:
            self.page.set_exception(error)

    def _done(self, remaining: int) -> None:
        self.page.set_result(Page(tuple(self.messages), remaining))
