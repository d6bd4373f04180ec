"""The engine's `Previews` on JetStream: a stream in memory that keeps one message for each generation.

Best effort throughout: a preview that cannot be published is dropped, for the next one replaces it anyway.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

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
        """Replace the preview; see the port."""
        payload = framing.encode([entry])
        if len(payload) + _HEADROOM_BYTES > self._link.max_payload:
            raise InvalidRequest(f"The preview is too large: {len(payload)} bytes. Make the picture smaller.")
        try:
            await self._publish(subjects.preview(address), payload)
        except Unavailable as error:
            logger.debug("preview_dropped", generation_id=address.id, reason=str(error))

    async def follow(self, address: Address) -> AsyncGenerator[Entry, None]:
        """Yield the newest preview and those that replace it; see the port."""
        slot = _Slot()

        def heard(message: Msg) -> None:
            slot.put(message.data)

        async with self._link.listening(subjects.preview(address), heard=heard, reconnected=slot.look):
            slot.look()
            while True:
                await slot.filled.wait()
                if slot.must_look:
                    slot.must_look = False
                    slot.offer(await self._newest(address))
                if (payload := slot.take()) is not None:
                    yield framing.decode(payload, 0)[0]

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

    async def _newest(self, address: Address) -> bytes | None:
        try:
            message = await leader.newest(self._link, subjects.PREVIEWS_STREAM, subjects.preview(address))
        except Unavailable:
            return None
        return None if message is None else message.data


class _Slot:
    """Room for the one preview that is newest: what a slow reader did not take is replaced."""

    def __init__(self) -> None:
        self.filled = asyncio.Event()
        self.must_look = False
        self._payload: bytes | None = None

    def put(self, payload: bytes) -> None:
        """Replace what is there."""
        self._payload = payload
        self.filled.set()

    def offer(self, payload: bytes | None) -> None:
        """Put it there unless something newer has come."""
        if self._payload is None and payload is not None:
            self.put(payload)

    def look(self) -> None:
        """Have the reader look for the stored preview."""
        self.must_look = True
        self.filled.set()

    def take(self) -> bytes | None:
        """Return what is there, and empty the slot."""
        payload, self._payload = self._payload, None
        self.filled.clear()
        return payload
