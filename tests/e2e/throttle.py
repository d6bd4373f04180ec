"""A cable between a client and a server that can be squeezed: nothing passes, a byte a second, or everything."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
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
    _relays: set[asyncio.Task[None]] = field(default_factory=set)

    def open(self) -> None:
        """Let everything pass from now on."""
        self.bytes_per_second = None
        self._opened.set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection of a client."""
        relay = asyncio.create_task(self._relay(reader, writer))
        self._relays.add(relay)
        relay.add_done_callback(self._relays.discard)

    async def close(self) -> None:
        """Cut what is still connected."""
        for relay in (relays := list(self._relays)):
            relay.cancel()
        await asyncio.gather(*relays, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(_closed, writer)
            plug = socket.socket()
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            plug.setblocking(False)
            stack.callback(plug.close)
            with suppress(OSError):
                await asyncio.get_running_loop().sock_connect(plug, (self.host, self.port))
                upstream, downstream = await asyncio.open_connection(sock=plug, limit=BUFFER_BYTES)
                stack.push_async_callback(_closed, downstream)
                there = asyncio.create_task(_pass_on(reader, downstream))
                stack.callback(there.cancel)
                await self._squeeze(upstream, writer)

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


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()


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
    async with await asyncio.start_server(throttle.accept, "127.0.0.1") as server:
        throttle.own_port = server.sockets[0].getsockname()[1]
        yield throttle
        await throttle.close()
