"""The engine's `Previews` on JetStream: a stream in memory that keeps one message for each picture.

Best effort throughout: a preview that cannot be published is dropped, for the next one replaces it anyway.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace

import nats.errors
import structlog
from nats.aio.msg import Msg

from fabula.engine.ports import Address, Entry
from fabula.errors import InvalidRequest, Unavailable
from fabula.journal import framing, leader, streams, subjects
from fabula.journal.connection import Link

logger = structlog.get_logger(__name__)

_HEADROOM_BYTES = 1024
_PATIENCE_SECONDS = 1.0


class JetStreamPreviews:
    """Implements `fabula.engine.ports.Previews`."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def publish(self, address: Address, entry: Entry) -> None:
        """Replace the preview in this entry's place; see the port."""
        payload = framing.encode([entry])
        if len(payload) + _HEADROOM_BYTES > self._link.max_payload:
            raise InvalidRequest(f"The preview is too large: {len(payload)} bytes. Make the picture smaller.")
        try:
            await self._publish(subjects.preview(address, entry.place), payload)
        except Unavailable as error:
            logger.debug("preview_dropped", generation_id=address.id, reason=str(error))

    async def follow(self, address: Address) -> AsyncGenerator[Entry, None]:
        """Yield the newest preview in each place and those that replace them; see the port."""
        slots = _Slots()

        def heard(message: Msg) -> None:
            slots.put(message.subject, message.data)

        async with self._link.listening(subjects.previews(address), heard=heard, reconnected=slots.look):
            slots.look()
            while True:
                await slots.filled.wait()
                if slots.must_look:
                    slots.must_look = False
                    await self._offer_stored(address, slots)
                while (taken := slots.take()) is not None:
                    topic, payload = taken
                    yield replace(framing.decode(payload, 0)[0], place=subjects.place_of(topic))

    async def _publish(self, topic: str, payload: bytes) -> None:
        """Publish; where the stream is gone with the memory of a server that was restarted, declare it again."""

        async def once() -> bool:
            try:
                await self._link.request_once(topic, payload)
            except nats.errors.NoRespondersError:
                return False
            return True

        if not await self._link.until_answered(once, _PATIENCE_SECONDS):
            await streams.declare(self._link, streams.PREVIEWS)
            await self._link.until_answered(once, _PATIENCE_SECONDS)

    async def _offer_stored(self, address: Address, slots: _Slots) -> None:
        """Offer what is stored: one message for each place."""
        topic, revision = subjects.previews(address), 0
        with suppress(Unavailable):
            while (
                message := await leader.next_after(self._link, subjects.PREVIEWS_STREAM, topic, revision)
            ) is not None:
                slots.offer(message.subject, message.data)
                revision = message.revision


class _Slots:
    """Room for the newest preview in each place: what a slow reader did not take is replaced."""

    def __init__(self) -> None:
        self.filled = asyncio.Event()
        self.must_look = False
        self._payloads: dict[str, bytes] = {}

    def put(self, topic: str, payload: bytes) -> None:
        """Replace what is there."""
        self._payloads[topic] = payload
        self.filled.set()

    def offer(self, topic: str, payload: bytes) -> None:
        """Put it there unless something newer has come."""
        self._payloads.setdefault(topic, payload)
        self.filled.set()

    def look(self) -> None:
        """Have the reader look for the stored previews."""
        self.must_look = True
        self.filled.set()

    def take(self) -> tuple[str, bytes] | None:
        """Return what has waited longest, and empty its place; None if there is nothing, until `filled` says more."""
        if self._payloads:
            topic = next(iter(self._payloads))
            return topic, self._payloads.pop(topic)
        if not self.must_look:
            self.filled.clear()
        return None
