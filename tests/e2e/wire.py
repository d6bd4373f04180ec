"""A wire between one watcher and the doors of a system, which can be cut at any moment, in the middle of a frame."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.e2e.observer import Observer
from tests.system import System

PIECE_BYTES = 1 << 16
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing throws away what is not sent, and tells the other end by RST."""


@dataclass
class Wire:
    """Relays TCP to the gateway and the story server.

    Attributes:
        url, story_address: What the watcher takes for the system's.
        cuts: The last sequence that the watcher had, for each cut while something was connected.
    """

    url: str = ""
    story_address: str = ""
    cuts: list[int] = field(default_factory=list)
    _ends: set[asyncio.StreamWriter] = field(default_factory=set)
    _used: asyncio.Event = field(default_factory=asyncio.Event)

    async def until_used(self) -> None:
        """Wait until somebody is connected."""
        await self._used.wait()

    def cut(self, *, by_reset: bool) -> bool:
        """Cut all connections, both ends at once; what is on its way is lost. Return whether there was any."""
        connected = bool(self._ends)
        for end in self._ends:
            if by_reset:
                end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            end.transport.abort()
        self._ends.clear()
        self._used.clear()
        return connected

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
        """Carry one connection, from its beginning on a victim of `cut`."""
        mine = {writer}
        self._ends.add(writer)
        self._used.set()
        try:
            from_door, to_door = await asyncio.open_connection(host, port)
            if writer not in self._ends:  # cut in the meantime
                to_door.transport.abort()
                return
            mine.add(to_door)
            self._ends.add(to_door)
            await asyncio.gather(_carry(reader, to_door), _carry(from_door, writer))
        except OSError:  # the door is closed
            writer.transport.abort()
        finally:
            self._ends -= mine
            if not self._ends:
                self._used.clear()


async def _carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Pass on what comes, then the end."""
    with suppress(OSError):
        while piece := await source.read(PIECE_BYTES):
            sink.write(piece)
            await sink.drain()
    sink.close()


@asynccontextmanager
async def wired(system: System) -> AsyncIterator[Wire]:
    """Lay a wire to a system, for as long as the block lasts."""
    wire = Wire()
    gateway, story = urlsplit(system.url), urlsplit(f"//{system.story_address}")

    async def to_gateway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await wire.relay(reader, writer, gateway.hostname or "", gateway.port or 0)

    async def to_story(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await wire.relay(reader, writer, story.hostname or "", story.port or 0)

    async with (
        await asyncio.start_server(to_gateway, "127.0.0.1", 0) as first,
        await asyncio.start_server(to_story, "127.0.0.1", 0) as second,
    ):
        wire.url = f"http://127.0.0.1:{first.sockets[0].getsockname()[1]}"
        wire.story_address = f"127.0.0.1:{second.sockets[0].getsockname()[1]}"
        try:
            yield wire
        finally:
            wire.cut(by_reset=False)


async def cut_at_random(wire: Wire, observer: Observer, chance: random.Random, count: int, seconds: float) -> None:
    """Cut a watcher's connections at random moments, so often at most, until it has been told of the end.

    Args:
        wire: What to cut; it counts.
        observer: The watcher on it.
        chance: Draws the moments, evenly.
        count: How many.
        seconds: In how much time from now.
    """
    clock = asyncio.get_running_loop().time
    began = clock()
    for moment in sorted(chance.uniform(0, seconds) for _ in range(count)):
        await asyncio.sleep(began + moment - clock())
        await wire.until_used()  # it comes back just now: then it is cut while it connects
        if not observer.ended and wire.cut(by_reset=chance.random() < 0.5):
            wire.cuts.append(observer.cursor)
