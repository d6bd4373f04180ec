"""Lets the benchmark tell a peer when to send: one byte on a connection of its own, one broadcast."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

Broadcast = Callable[[], Awaitable[None]]


async def listen(port: int, broadcast: Broadcast) -> asyncio.Server:
    """Broadcast once for each byte that comes to this port, one after the other."""

    async def obey(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while orders := await reader.read(64):
            for _ in orders:
                await broadcast()
        writer.close()

    return await asyncio.start_server(obey, "127.0.0.1", port)
