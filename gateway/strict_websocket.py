"""uvicorn's WebSocket, held to RFC 6455 where it, or the library below, is lax."""

from __future__ import annotations

import codecs
import logging
from typing import Any

from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import ProtocolError
from websockets.frames import CTRL_OPCODES, CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from gateway.limits import Bucket

LINGER_SECONDS = 3.0
"""How long what a client sends is still read after it was told what is wrong. A TCP connection that is closed over
unread data is reset, and the reset may overtake the last words."""
VERSION = "13"
"""The version of the protocol (RFC 6455, section 4.1)."""
PIECE_BYTES = 4096
"""So much is read at a time of what has come together: what follows a message waits until the application has taken
that one, or tens of thousands of empty ones would be read first, and everybody else would wait for it."""
SMALL_BYTES = 64
"""Parts of a message that are smaller are counted: each costs as much as a message, and a message may have any number.
"""


class TooManyFrames(ProtocolError):
    """A client sends more frames than it may that are no messages."""


class _Connection(ServerProtocol):
    """Takes a close frame wherever it comes, and finds text that is no UTF-8 as soon as its frame is there."""

    allowance: Bucket | None = None
    """How many frames the client may send that are no messages, and none of their larger parts."""
    _text: codecs.IncrementalDecoder | None = None
    """Decodes the text message of which frames are still to come."""

    def accept(self, request: Request) -> Response:
        """Return the answer to a handshake; who speaks another version is told which one to speak (section 4.4)."""
        response = super().accept(request)
        versions = request.headers.get_all("Sec-WebSocket-Version")
        if response.status_code == 400 and versions and versions != [VERSION]:
            response = self.reject(426, f"version {VERSION} of the protocol is spoken here\n")
            response.headers["Upgrade"] = "websocket"
            response.headers["Sec-WebSocket-Version"] = VERSION
        return response

    def recv_frame(self, frame: Frame) -> None:
        """Take a frame. Raises `ProtocolError` or `UnicodeDecodeError`: they fail the connection with 1002 or 1007."""
        self._count(frame)
        within = self.current_size is not None
        if frame.opcode is Opcode.CLOSE:
            self.current_size = None  # it may come between the frames of a message (section 5.4)
        elif frame.opcode is Opcode.TEXT and not within:
            self._check(codecs.getincrementaldecoder("utf-8")(), frame)
        elif frame.opcode is Opcode.CONT and within and self._text is not None:
            self._check(self._text, frame)
        super().recv_frame(frame)

    def _count(self, frame: Frame) -> None:
        """Count what is no message; behind our close frame all. Raises `TooManyFrames`, having failed with 1008."""
        small = frame.opcode is Opcode.CONT and len(frame.data) < SMALL_BYTES
        counts = small or frame.opcode in CTRL_OPCODES or self.state is not OPEN
        if counts and self.allowance is not None and not self.allowance.take():
            reason = "too many pings, pongs or small fragments: connect again, and send fewer"
            self.fail(CloseCode.POLICY_VIOLATION, reason)
            raise TooManyFrames(reason)

    def _check(self, decoder: codecs.IncrementalDecoder, frame: Frame) -> None:
        decoder.decode(bytes(frame.data), frame.fin)
        self._text = None if frame.fin else decoder


class StrictWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket that fails as the RFC has it: with a close frame that arrives, and without an exception here."""

    conn: _Connection
    _failed = False
    _left = b""
    """What has come and is not read yet, as the application has not taken what came before."""

    def __init__(self, **rest: Any) -> None:
        super().__init__(**rest)
        # uvicorn's own has extensions, where the settings want any: none here.
        self.conn = _Connection(max_size=self.config.ws_max_size, logger=logging.getLogger("uvicorn.error"))

    def data_received(self, data: bytes) -> None:
        """Take what the client sends. What came before an error counts."""
        if self._failed:
            return
        if self.handshake_initiated and not self.handshake_complete:
            self._failed = True  # it has not waited for our answer (section 4.1)
            self.transport.close()
            return
        self._left += data
        self._go_on()

    def _go_on(self) -> None:
        """Read what has come until a message waits for the application."""
        data, self._left = self._left, b""
        for begin in range(0, len(data), PIECE_BYTES):
            if self._failed:
                return
            if self.read_paused:
                self._left = data[begin:]
                return
            self.conn.receive_data(data[begin : begin + PIECE_BYTES])
            self.handle_events()
            if self.conn.parser_exc is not None:
                self.handle_parser_exception()
            elif self.conn.handshake_exc is not None and not self.handshake_initiated:
                self._refuse()

    async def receive(self) -> Any:
        """Return what comes next."""
        message = await super().receive()
        if self._left:
            self._go_on()
        return message

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self._left = b""
        super().connection_lost(exc)

    def _refuse(self) -> None:
        """Answer a handshake that the library could not read."""
        self._failed = self.handshake_complete = self.close_sent = True
        answer = b"".join(self.conn.data_to_send())
        self.transport.write(answer or self.conn.reject(400, "this is no handshake of a WebSocket\n").serialize())
        self.transport.close()

    def handle_parser_exception(self) -> None:
        """The client has sent what is no WebSocket: tell it and the application."""
        self._failed = True
        sent = self.conn.close_sent
        code, reason = (1006, "") if sent is None else (sent.code, sent.reason)
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.stop_keepalive()
        self.linger()

    async def send(self, message: Any) -> None:
        """Send what the application wants. Raises `ClientDisconnected` where uvicorn would blame the application."""
        await self.writable.wait()
        if self.close_sent and self.initial_response is None:
            raise ClientDisconnected
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True  # it was refused; uvicorn would log that it was forgotten
        if self._left:
            self._go_on()  # behind our close frame the client's is waited for

    def linger(self) -> None:
        """End our side of the connection, and read on for a while."""
        self._failed = True
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        self.transport.write_eof()
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        if self.close_timer is None:  # while it runs, uvicorn does not close the connection when the application ends
            self.close_timer = self.loop.call_later(LINGER_SECONDS, self.transport.abort)
