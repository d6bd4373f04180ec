"""The limit of a broadcast in Python: uvloop's `transport.write` of one ready-made frame to every socket, no more."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import sys
from typing import cast

import uvloop

from bench.peers.trigger import listen
from gateway.frames import frame_bytes

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY = re.compile(rb"sec-websocket-key: *(\S+)", re.IGNORECASE)

OPEN: set[asyncio.Transport] = set()


class Endpoint(asyncio.Protocol):
    """Says yes to a handshake, and listens to nothing after it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer the handshake."""
        if (key := _KEY.search(data)) and self._transport not in OPEN:
            accept = base64.b64encode(hashlib.sha1(key[1] + _GUID).digest())  # noqa: S324 - RFC 6455, section 4.2.2
            self._transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
            )
            OPEN.add(self._transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget the transport."""
        OPEN.discard(self._transport)


async def serve(port: int, trigger_port: int, message: str) -> None:
    """Serve until ended."""
    frame = frame_bytes(message)

    async def broadcast() -> None:
        for transport in OPEN:
            transport.write(frame)

    await listen(trigger_port, broadcast)
    server = await asyncio.get_running_loop().create_server(Endpoint, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
