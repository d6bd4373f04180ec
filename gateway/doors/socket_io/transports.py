"""One WebSocket below a client's connection, which may be ended from either side at any time."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from starlette.types import Message, Receive, Send

from gateway.doors.socket_io.packets import CLOSE, NOOP, PONG, is_readable, without_content

CLOSE_NORMAL = 1000
CLOSE_UNREADABLE = 1007
"""Close code: a message that does not hold what its type promises (RFC 6455, section 7.4.1)."""
CLOSE_POLICY = 1008
"""Close code: against the rules (RFC 6455, section 7.4.1)."""
CLOSE_RESTART = 1012
"""Close code: the server is being restarted; come back (IANA WebSocket Close Code registry)."""

_GONE: Message = {"type": "websocket.disconnect", "code": 1006, "reason": ""}


class SocketTransport:
    """Stands between the web server and the Engine.IO server.

    Args:
        receive: ASGI's.
        send: ASGI's.

    Attributes:
        session_id: The session that it carries; empty before there is one.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self._asgi_receive = receive
        self._asgi_send = send
        self._accepted = False
        self.session_id = ""
        self._closed = False

    async def accept(self) -> None:
        """Let the WebSocket be open."""
        await self.receive()  # the handshake
        await self.send({"type": "websocket.accept"})

    async def packet(self) -> str | bytes | None:
        """Return the next packet; None when there are no more."""
        message = await self.receive()
        if message["type"] != "websocket.receive":
            return None
        data: bytes | None = message.get("bytes")
        return message["text"] if data is None else data

    async def receive(self) -> Message:
        """Return what comes next; what no client may send, and a goodbye, end the WebSocket."""
        message = _GONE if self._closed else await self._asgi_receive()
        if message["type"] != "websocket.receive":
            self._closed = self._closed or message["type"] == "websocket.disconnect"
            return message
        text = message.get("text")
        if text is None:
            return message  # a binary message of Engine.IO
        if not is_readable(text):
            await self.close(CLOSE_UNREADABLE, "no packet of Engine.IO")
            return _GONE
        if text == CLOSE:
            await self.close(CLOSE_NORMAL)
            return _GONE
        return {**message, "text": without_content(text)} if text.startswith(PONG) else message

    async def send(self, message: Any) -> None:
        """Send what the Engine.IO server wants, until the WebSocket is closed."""
        if self._closed:
            raise ConnectionResetError
        if message.get("text") == NOOP:
            return  # left over from the upgrade: it was to end a poll
        self._accepted = self._accepted or message["type"] == "websocket.accept"
        self._closed = message["type"] == "websocket.close"
        await self._asgi_send(message)

    async def close(self, code: int, reason: str = "") -> None:
        """Close the WebSocket; nothing happens if that is done, or if it has not been opened."""
        if self._accepted and not self._closed:
            self._closed = True
            with suppress(RuntimeError, OSError):
                await self._asgi_send({"type": "websocket.close", "code": code, "reason": reason})
