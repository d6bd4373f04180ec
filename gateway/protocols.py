"""uvicorn's protocols, with a pipe to the client in each scope."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.guard import Guard, StallWatch, taken_by, unread_by
from gateway.limits import Bucket
from gateway.pipe import EXTENSION, Pipe
from gateway.strict_websocket import StrictWebSocket, TooManyFrames

ABORT_SECONDS = 10.0
"""How long a client may take to read what was sent before the close frame. uvicorn would wait for it for ever."""

CLOSE_LATER = 1013
"""Close code: try again later (IANA WebSocket Close Code registry)."""


class PipedWebSocket(StrictWebSocket):
    """A WebSocket to which whole frames may be written, besides what the application sends.

    uvicorn sends every message as one frame, at once, and without compression keeps nothing between messages. So
    frames may be written to the transport in between, from the handshake's end until a close frame is sent.
    """

    pipe: Pipe
    abort_timer: asyncio.TimerHandle | None = None
    stall: StallWatch | None = None
    late_pong: bytes = b""
    taken_at_ping = 0

    def __init__(self, *, guard: Guard, **rest: Any) -> None:
        super().__init__(**rest)
        self.guard = guard
        self.conn.allowance = Bucket(guard.settings.messages_per_second, guard.settings.messages_at_once)

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
        self._see_it_read()

    def resume_writing(self) -> None:
        """It has read."""
        super().resume_writing()
        if self.late_pong and not self.close_sent:
            self.transport.write(self.late_pong)
        self.late_pong = b""
        self.pipe.go_on()

    async def send(self, message: Any) -> None:
        """Send what the application wants."""
        if message["type"] == "websocket.close":
            self._begin_to_close()
        await super().send(message)
        if message["type"] == "websocket.accept":
            del self.request, self.response  # kilobytes for each socket that nobody asks for after the handshake

    def eof_received(self) -> None:
        """The client sends no more. asyncio ends the connection once the client has read, which may be never."""
        self._begin_to_close()

    def shutdown(self) -> None:
        """The server ends."""
        self._begin_to_close()
        super().shutdown()

    def handle_close(self, event: Any) -> None:
        """The client closes, or answers our close frame."""
        self._begin_to_close()
        super().handle_close(event)

    def handle_parser_exception(self) -> None:
        """The client has sent what is no WebSocket, or too much of it."""
        if isinstance(self.conn.parser_exc, TooManyFrames):
            self.guard.on_limit("messages")
        self._begin_to_close()
        super().handle_parser_exception()

    def handle_ping(self) -> None:
        """Answer a ping; where the client does not read only the last of several (RFC 6455, section 5.5.3)."""
        if self.conn.parser_exc is not None:
            return  # the answer goes before the close frame that is to be written
        pongs = self.conn.data_to_send()  # those of all pings that have come together; then none for the others
        if self.writable.is_set():
            self.transport.write(b"".join(pongs))
        elif pongs:
            self.late_pong = pongs[-1]

    def send_keepalive_ping(self) -> None:
        """Ask whether the client is there."""
        self.taken_at_ping = taken_by(self.transport)
        super().send_keepalive_ping()

    def keepalive_timeout(self) -> None:
        """The client has answered no ping. uvicorn would tell the application when the connection is lost.

        Who has taken something meanwhile of what was sent before the ping, and not yet all, is only slow.
        """
        taken = taken_by(self.transport)
        if taken != self.taken_at_ping and unread_by(self.transport) and self.ping_timeout is not None:
            self.taken_at_ping = taken
            self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)
            return
        self._begin_to_close()
        super().keepalive_timeout()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": 1011, "reason": "keepalive ping timeout"})

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self.pipe.close()
        if self.abort_timer is not None:
            self.abort_timer.cancel()
        if self.stall is not None:
            self.stall.end()
            self.stall = None
        self.guard.leave(self.transport)
        super().connection_lost(exc)

    def _see_it_read(self) -> None:
        """Look on until the client has read what waits for it."""
        if self.stall is None:
            self.stall = StallWatch(self.transport, self.guard.settings.stalled_seconds, self._stalled)
        self.stall.begin()

    def _stalled(self) -> None:
        """The client has taken nothing for too long."""
        if not self.close_sent and not self.transport.is_closing():
            self.guard.on_limit("stalled_seconds")
            self._fail(CLOSE_LATER, "nothing was read for too long: connect again, with your cursors")

    def _fail(self, code: int, reason: str) -> None:
        """Close for a reason; the application is told at once, the client when it reads."""
        self._begin_to_close()
        self.stop_keepalive()
        self.conn.fail(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.close()

    def _begin_to_close(self) -> None:
        """Let nothing follow the close frame; see that the connection ends."""
        self.pipe.close()
        if self.abort_timer is None:
            self.abort_timer = self.loop.call_later(ABORT_SECONDS, self.transport.abort)
