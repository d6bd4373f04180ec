"""A cable between a client and a server that can be squeezed: nothing passes, a byte a second, or everything."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

BUFFER_BYTES = 16 * 1024
"""Of the kernel, on the side of the server: little is under way."""


@dataclass(slots=True)
class Throttle:
    """A TCP relay whose way from the server to the client can be narrowed. What the client sends always passes.

    Attributes:
        host, port: Where the server is.
        bytes_per_second: What passes towards the client; None: everything at once.
        own_port: Where the client connects.
    """

    host: str
    port: int
    bytes_per_second: float | None = None
    own_port: int = 0
    _opened: asyncio.Event = field(default_factory=asyncio.Event)

    def open(self) -> None:
        """Let everything pass from now on."""
        self.bytes_per_second = None
        self._opened.set()

    async def relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of a client."""
        plug = socket.socket()
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
        plug.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(plug, (self.host, self.port))
            upstream, downstream = await asyncio.open_connection(sock=plug, limit=BUFFER_BYTES)
        except OSError:
            writer.close()
            return
        there = asyncio.create_task(_pass_on(reader, downstream))
        try:
            await self._squeeze(upstream, writer)
        except (OSError, asyncio.CancelledError):
            return  # cut, or the test is over
        finally:
            there.cancel()
            writer.close()
            downstream.close()

    async def _squeeze(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            if self.bytes_per_second == 0:
                await self._opened.wait()
            data = await reader.read(1 if self.bytes_per_second else BUFFER_BYTES)
            if not data:
                return
            writer.write(data)
            await writer.drain()
            if self.bytes_per_second:
                try:
                    await asyncio.wait_for(self._opened.wait(), 1 / self.bytes_per_second)
                except TimeoutError:
                    continue


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(BUFFER_BYTES):
            writer.write(data)
            await writer.drain()
        writer.write_eof()


@asynccontextmanager
async def throttled(host: str, port: int, bytes_per_second: float | None) -> AsyncIterator[Throttle]:
    """Put a throttle before a server while the block lasts."""
    throttle = Throttle(host, port, bytes_per_second)
    async with await asyncio.start_server(throttle.relay, "127.0.0.1") as server:
        throttle.own_port = server.sockets[0].getsockname()[1]
        yield throttle
        throttle.open()
