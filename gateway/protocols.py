"""uvicorn's protocols, with a pipe to the client in each scope."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from gateway.pipe import EXTENSION, Pipe

ABORT_SECONDS = 10.0
"""How long a client may take to read what was sent before the close frame. uvicorn would wait for it for ever."""


class PipedWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket to which whole frames may be written, besides what the application sends.

    uvicorn sends every message as one frame, at once, and without compression keeps nothing between messages. So
    frames may be written to the transport in between, from the handshake's end until a close frame is sent.
    """

    pipe: Pipe
    abort_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Make the pipe."""
        super().connection_made(transport)
        self.pipe = Pipe(self.transport.write)

    def handle_connect(self, event: Any) -> None:
        """Put the pipe into the scope."""
        super().handle_connect(event)
        if not self.handshake_complete:  # else the handshake was refused
            self.scope["extensions"][EXTENSION] = self.pipe  # type: ignore[index, assignment, unused-ignore]

    def pause_writing(self) -> None:
        """The client does not read as fast as we write."""
        super().pause_writing()
        self.pipe.stop()

    def resume_writing(self) -> None:
        """It has read."""
        super().resume_writing()
        self.pipe.go_on()

    async def send(self, message: Any) -> None:
        """Send what the application wants."""
        if message["type"] == "websocket.close":
            self._begin_to_close()
        await super().send(message)
        if message["type"] == "websocket.accept":
            del self.request, self.response  # kilobytes for each socket that nobody asks for after the handshake

    def shutdown(self) -> None:
        """The server ends."""
        self._begin_to_close()
        super().shutdown()

    def handle_close(self, event: Any) -> None:
        """The client closes, or answers our close frame."""
        self._begin_to_close()
        super().handle_close(event)

    def handle_parser_exception(self) -> None:
        """The client has sent what is no WebSocket."""
        self._begin_to_close()
        super().handle_parser_exception()

    def keepalive_timeout(self) -> None:
        """The client has answered no ping. uvicorn would tell the application when the connection is lost."""
        self._begin_to_close()
        super().keepalive_timeout()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": 1011, "reason": "keepalive ping timeout"})

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self.pipe.close()
        if self.abort_timer is not None:
            self.abort_timer.cancel()
        super().connection_lost(exc)

    def _begin_to_close(self) -> None:
        """Let nothing follow the close frame; see that the connection ends."""
        self.pipe.close()
        if self.abort_timer is None:
            self.abort_timer = self.loop.call_later(ABORT_SECONDS, self.transport.abort)
