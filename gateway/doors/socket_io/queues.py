"""What is sent to one client, with a bound: without it, who does not read would be given memory without end.

Who polls has a queue. To who has a WebSocket packets are written at once, as frames, between those of the fans: so
there is one order of all that a client is sent.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Protocol

from engineio import packet as engine_packet

from gateway.frames import frame_bytes
from gateway.pipe import ClientGone, Pipe

MOST_BYTES = 64 * 1024
"""So much may wait for a client before who has more for it has to wait; a single packet may be larger."""

BYTES_OF_A_PACKET = 64
"""What a packet counts beside its content."""


class Packets(Protocol):
    """The way to one client, as those see it who send. Messages wait for room; the protocol's own packets do not."""

    @property
    def pipe(self) -> Pipe | None:
        """The way of finished frames, if there is one."""
        ...

    @property
    def waiting_bytes(self) -> int:
        """How much waits for the client here."""
        ...

    @property
    def released(self) -> bool:
        """Whether nobody reads any more."""
        ...

    async def room(self) -> None:
        """Wait until there is room, or nobody reads any more. Returns without giving way if there is."""
        ...

    async def put(self, item: Any) -> None:
        """Send a packet, a message once there is room for it."""
        ...

    def put_nowait(self, item: Any) -> None:
        """Send a packet, without waiting."""
        ...

    def release(self) -> None:
        """Let everyone go who waits for room: the client is gone."""
        ...


class PacketQueue(asyncio.Queue[Any]):
    """The queue of a client that polls, as the Engine.IO server uses it; see `Packets`."""

    pipe = None

    def __init__(self) -> None:
        super().__init__()
        self._bytes = 0
        self._room: asyncio.Event | None = None
        self._released = False
        self._heir: Packets | None = None

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
        if self._heir is None:
            self.put_nowait(item)
        else:
            await self._heir.put(item)

    def leave_to(self, heir: Packets) -> None:
        """Have packets go another way from now on: first those that wait, then those of who waits for room."""
        self._heir = heir
        while not self.empty():
            heir.put_nowait(self.get_nowait())
            self.task_done()
        self.put_nowait(engine_packet.Packet(engine_packet.NOOP))  # for a poll that has just been told to look here
        self._wake()

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


class PacketPipe:
    """The way to a client with a WebSocket; see `Packets`.

    Args:
        pipe: The pipe to it.
    """

    __slots__ = ("pipe",)

    waiting_bytes = 0

    def __init__(self, pipe: Pipe) -> None:
        self.pipe = pipe

    @property
    def released(self) -> bool:
        """Whether nobody reads any more."""
        return self.pipe.closed

    async def room(self) -> None:
        """Wait until there is room; see `Packets`."""
        with suppress(ClientGone):
            await self.pipe.room()

    async def put(self, item: Any) -> None:
        """Send a packet; see `Packets`."""
        if item.packet_type == engine_packet.MESSAGE:
            await self.room()
        self.put_nowait(item)

    def put_nowait(self, item: Any) -> None:
        """Write a packet. What was to end a poll is left over from an upgrade, and not sent."""
        if item.packet_type != engine_packet.NOOP and not self.pipe.closed:
            self.pipe.write(frame_bytes(item.encode()))

    def release(self) -> None:
        """Nothing: who waits is let go when the pipe is closed."""

    def get_nowait(self) -> Any:
        """Raise `QueueEmpty`: the poll that the upgrade has ended may still look for more."""
        raise asyncio.QueueEmpty

    def task_done(self) -> None:
        """Nothing: see `get_nowait`."""


def _size(item: Any) -> int:
    data = None if item is None else item.data
    return BYTES_OF_A_PACKET + (len(data) if isinstance(data, str | bytes) else 0)
