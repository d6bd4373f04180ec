"""What waits for one client, with a bound: without it, who does not read would be given memory without end."""

from __future__ import annotations

import asyncio
from typing import Any

from engineio import packet as engine_packet

MOST_BYTES = 64 * 1024
"""So much may wait for a client before who has more for it has to wait; a single packet may be larger."""

BYTES_OF_A_PACKET = 64
"""What a packet counts beside its content."""


class PacketQueue(asyncio.Queue[Any]):
    """A client's queue, as the Engine.IO server uses it. Messages wait for room; the protocol's own packets do not."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes = 0
        self._room: asyncio.Event | None = None
        self._released = False

    @property
    def waiting_bytes(self) -> int:
        """How much waits for the client."""
        return self._bytes

    @property
    def released(self) -> bool:
        """Whether nobody reads it any more."""
        return self._released

    async def room(self) -> None:
        """Wait until there is room, or nobody reads any more. Returns without giving way if there is."""
        while self._bytes >= MOST_BYTES and not self._released:
            if self._room is None:
                self._room = asyncio.Event()
            await self._room.wait()

    async def put(self, item: Any) -> None:
        """Put a packet into the queue, a message once there is room for it."""
        if item is not None and item.packet_type == engine_packet.MESSAGE:
            await self.room()
        self.put_nowait(item)

    def release(self) -> None:
        """Let everyone go who waits for room: the client is gone."""
        self._released = True
        self._wake()

    def _put(self, item: Any) -> None:
        super()._put(item)
        self._bytes += _size(item)

    def _get(self) -> Any:
        item = super()._get()
        self._bytes -= _size(item)
        if self._bytes < MOST_BYTES:
            self._wake()
        return item

    def _wake(self) -> None:
        if self._room is not None:
            self._room.set()
            self._room = None


def _size(item: Any) -> int:
    data = None if item is None else item.data
    return BYTES_OF_A_PACKET + (len(data) if isinstance(data, str | bytes) else 0)
