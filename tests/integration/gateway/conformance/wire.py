"""A client that writes bytes: what libraries would never send, and what they would not tell of an answer."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

PATIENCE_SECONDS = 15.0

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of HTTP/1.1: its status, its headers by lower-case name, its body."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class End:
    """What came until the connection ended.

    Attributes:
        code: The code of the close frame; None without a frame, 0 where it has none.
        clean: Whether the connection was ended rather than reset.
        frames: Opcode and payload of the messages and pongs before.
    """

    code: int | None = None
    clean: bool = True
    frames: list[tuple[int, bytes]] = field(default_factory=list)

    def of(self, opcode: int) -> list[bytes]:
        """Return the payloads of the frames of a kind."""
        return [payload for kind, payload in self.frames if kind == opcode]


class Wire:
    """One TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str) -> None:
        self._reader = reader
        self._writer = writer
        self.host = host

    async def send(self, data: bytes, piece: int = 0) -> None:
        """Send bytes, in pieces of this size if one is given; that nobody takes them is no error."""
        try:
            for begin in range(0, len(data), piece or len(data) or 1):
                self._writer.write(data[begin : begin + (piece or len(data))])
                await self._writer.drain()
                if piece:
                    await asyncio.sleep(0)
        except ConnectionError:
            pass

    def end_sending(self) -> None:
        """Close our side of the connection."""
        self._writer.write_eof()

    def stop_reading(self) -> None:
        """Take nothing any more."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined]

    def reset(self) -> None:
        """End the connection as a process that dies does."""
        found: socket.socket = self._writer.get_extra_info("socket")
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def answer(self) -> Answer:
        """Return the next answer."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = await self._reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:-2])}
            body = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(lines[0].split()[1]), headers, body)

    async def all(self) -> bytes:
        """Return all that comes until the connection ends."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._reader.read()

    async def ended(self) -> bool:
        """Wait until the connection has ended, and say whether nothing came before."""
        try:
            return not await self.all()
        except ConnectionError:
            return True

    async def frame(self) -> tuple[int, bytes]:
        """Return the opcode and the payload of the next frame, which has to be a good one of a server's."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            first, second = await self._reader.readexactly(2)
            length = second
            if second == 126:
                (length,) = struct.unpack("!H", await self._reader.readexactly(2))
            elif second == 127:
                (length,) = struct.unpack("!Q", await self._reader.readexactly(8))
            assert first & 0xF0 == 0x80, f"not a whole message without reserved bits: {first:#x}"
            assert not second & 0x80, "servers mask nothing"
            return first & 15, await self._reader.readexactly(length)

    async def next(self, opcode: int) -> bytes:
        """Return the payload of the next frame of a kind."""
        while (found := await self.frame())[0] != opcode:
            pass
        return found[1]

    async def rest(self) -> End:
        """Return what comes until the connection ends; nothing may come behind a close frame."""
        end = End()
        try:
            while True:
                opcode, payload = await self.frame()
                assert end.code is None, f"behind the close frame: {opcode} {payload[:20]!r}"
                if opcode == CLOSE:
                    end.code = struct.unpack("!H", payload[:2])[0] if payload else 0
                    assert len(payload) <= 125
                    await self.send(close(end.code or None))
                else:
                    end.frames.append((opcode, payload))
        except asyncio.IncompleteReadError as cut:
            if cut.partial:
                raise AssertionError("the connection ended inside a frame") from cut
        except ConnectionError:
            end.clean = False
        return end


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True, length: int | None = None
) -> bytes:
    """Return a client's frame; it may lie about its length."""
    size = len(payload) if length is None else length
    head = bytes([fin << 7 | rsv << 4 | opcode])
    bit = masked << 7
    if size < 126:
        head += bytes([bit | size])
    elif size < 1 << 16:
        head += bytes([bit | 126]) + struct.pack("!H", size)
    else:
        head += bytes([bit | 127]) + struct.pack("!Q", size)
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(each ^ mask[place % 4] for place, each in enumerate(payload))


def close(code: int | None = None, reason: bytes = b"") -> bytes:
    """Return a client's close frame."""
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


def handshake(path: str, host: str, *more: str, **headers: str | None) -> bytes:
    """Return a handshake of a WebSocket.

    Args:
        path: Where.
        host: Whose.
        more: Further lines.
        headers: Headers that differ from a good one's, with "_" for "-"; None: without.
    """
    good: dict[str, str | None] = {
        "Host": host, "Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Key": KEY,
        "Sec_WebSocket_Version": "13",
    }  # fmt: skip
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in {**good, **headers}.items() if value is not None]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, *more, "", ""]).encode()


def accept_of(key: str) -> str:
    """Return what a server has to say to a key (RFC 6455, section 4.2.2)."""
    return base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()  # noqa: S324 - the protocol's


@asynccontextmanager
async def wire(host: str) -> AsyncIterator[Wire]:
    """Open a connection."""
    name, port = host.rsplit(":", 1)
    connection = socket.socket()
    connection.setblocking(False)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)  # or the system would take megabytes for us
    await asyncio.get_running_loop().sock_connect(connection, (name, int(port)))
    reader, writer = await asyncio.open_connection(sock=connection, limit=1 << 20)
    try:
        yield Wire(reader, writer, host)
    finally:
        writer.transport.abort()


@asynccontextmanager
async def socket_wire(host: str, path: str) -> AsyncIterator[Wire]:
    """Open a WebSocket."""
    async with wire(host) as opened:
        await opened.send(handshake(path, host))
        answer = await opened.answer()
        assert 101 == answer.status, answer
        yield opened
