"""The limit of a broadcast in Python: uvloop's `transport.write` of one ready-made message to every client, no more.

Clients that ask for a WebSocket get the message in a frame, all others in a chunk of an answer without end.
"""

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

SOCKETS: set[asyncio.Transport] = set()
STREAMS: set[asyncio.Transport] = set()


class Endpoint(asyncio.Protocol):
    """Says yes to a handshake, and listens to nothing after it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer the handshake."""
        if self._transport in SOCKETS or self._transport in STREAMS:
            return
        if key := _KEY.search(data):
            accept = base64.b64encode(hashlib.sha1(key[1] + _GUID).digest())  # noqa: S324 - RFC 6455, section 4.2.2
            self._transport.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
            )
            SOCKETS.add(self._transport)
        else:
            self._transport.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            STREAMS.add(self._transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget the transport."""
        SOCKETS.discard(self._transport)
        STREAMS.discard(self._transport)


async def serve(port: int, trigger_port: int, message: str) -> None:
    """Serve until ended."""
    frame = frame_bytes(message)
    chunk = b"%x\r\n%s\r\n" % (len(message.encode()), message.encode())

    async def broadcast() -> None:
        for transport in SOCKETS:
            transport.write(frame)
        for transport in STREAMS:
            transport.write(chunk)

    await listen(trigger_port, broadcast)
    server = await asyncio.get_running_loop().create_server(Endpoint, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
