"""Many clients of a server in one process, as cheap as Python allows: they count events, and say when all have one.

Clients are WebSockets, or requests whose answers never end. Reads its orders from the command line, as one JSON object
(see `Orders`). Prints "ready" and the seconds that took when all are connected and greeted, then a line for each event
once the last client has it: how many events all have.
"""

from __future__ import annotations

import base64
import json
import os
import select
import socket
import sys
import time
from dataclasses import dataclass

MARK = b"@@"
"""Stands once in every event that is counted."""

_CHUNK = 16 * 1024
_AT_A_TIME = 64
"""Clients that connect at once."""
_LONGEST_SIGN = 32
"""Bytes of a stream's piece that are kept for the next: a sign may be cut in two."""
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


@dataclass(frozen=True, slots=True)
class Orders:
    """What a crowd does.

    Attributes:
        port: Where the server is, on loopback.
        path: What is asked for.
        count: How many sockets.
        greeting: Sent as a text message by each socket once it is open; empty: nothing.
        greeted: Stands in the answer to it; empty: there is none.
        body: Body of a POST, in base64, whose answer is the stream of events; empty: there is none.
        media_type: Of the body, or of the stream that is asked for without one; empty: clients are WebSockets.
    """

    port: int
    path: str
    count: int
    greeting: str = ""
    greeted: str = ""
    body: str = ""
    media_type: str = ""


def masked(opcode: int, payload: bytes) -> bytes:
    """Return a client's frame; the mask is all zeros, which is legal and changes nothing."""
    size = len(payload)
    head = bytes((0x80 | opcode, 0x80 | size)) if size < 126 else bytes((0x80 | opcode, 0xFE)) + size.to_bytes(2, "big")
    return head + bytes(4) + payload


class Member:
    """One client, with a WebSocket."""

    def __init__(self, orders: Orders) -> None:
        self.socket = socket.create_connection(("127.0.0.1", orders.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.seen = 0
        self.sign = orders.greeted.encode()
        self.greeted = not orders.greeted
        self._greeting = masked(_TEXT, orders.greeting.encode()) if orders.greeting else b""
        self._rest = b""
        self.socket.sendall(self._request(orders))

    def _request(self, orders: Orders) -> bytes:
        return (
            f"GET {orders.path} HTTP/1.1\r\nHost: 127.0.0.1:{orders.port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ).encode()

    def begin(self) -> None:
        """Read the head of the answer, and greet."""
        answer = b""
        while b"\r\n\r\n" not in answer:
            data = self.socket.recv(4096)
            if not data:
                raise ConnectionError("a server has closed its socket")
            answer += data
        head, _, self._rest = answer.partition(b"\r\n\r\n")
        if head.split()[1] not in (b"101", b"200"):
            raise ConnectionError(answer.decode())
        if self._greeting:
            self.socket.sendall(self._greeting)
        self._take(self._rest)

    def read(self) -> int:
        """Read what is there; return how many events were in it."""
        data = self.socket.recv(_CHUNK)
        if not data:
            raise ConnectionError("a server has closed its socket")
        return self._take(self._rest + data if self._rest else data)

    def _take(self, data: bytes) -> int:
        events = at = 0
        end = len(data)
        while end - at >= 2:
            size, body = data[at + 1], at + 2
            if size == 126:
                size, body = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            elif size == 127:
                size, body = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
            if body + size > end:
                break
            if data.find(MARK, body, body + size) >= 0:
                events += 1
            else:
                self._heed(data[at] & 0x0F, data[body : body + size])
            at = body + size
        self._rest = data[at:]
        self.seen += events
        return events

    def _heed(self, opcode: int, payload: bytes) -> None:
        if opcode == _PING:
            self.socket.sendall(masked(_PONG, payload))
        elif opcode == _CLOSE:
            raise ConnectionError(f"a server has closed its socket: {payload!r}")
        elif payload == b"2":  # Engine.IO's ping
            self.socket.sendall(masked(_TEXT, b"3"))
        elif not self.greeted:
            self.greeted = self.sign in payload


class Reader(Member):
    """One client, with a request whose answer is a stream."""

    def _request(self, orders: Orders) -> bytes:
        head = f"Host: 127.0.0.1:{orders.port}\r\nAccept: {orders.media_type}\r\n"
        if not orders.body:
            return f"GET {orders.path} HTTP/1.1\r\n{head}\r\n".encode()
        body = base64.b64decode(orders.body)
        head += f"Content-Type: {orders.media_type}\r\nContent-Length: {len(body)}\r\n"
        return f"POST {orders.path} HTTP/1.1\r\n{head}\r\n".encode() + body

    def _take(self, data: bytes) -> int:
        self.greeted = self.greeted or self.sign in data
        events = data.count(MARK)
        self._rest = data[data.rfind(MARK) + len(MARK) :][-_LONGEST_SIGN:] if events else data[-_LONGEST_SIGN:]
        self.seen += events
        return events


def gather(orders: Orders) -> None:
    """Open all sockets, then count until ended."""
    poll = select.epoll()
    members: dict[int, Member] = {}
    begun = time.perf_counter()
    for first in range(0, orders.count, _AT_A_TIME):
        some = [(Reader if orders.media_type else Member)(orders) for _ in range(min(_AT_A_TIME, orders.count - first))]
        for member in some:
            member.begin()
        members |= {member.socket.fileno(): member for member in some}
    for number in members:
        poll.register(number, select.EPOLLIN)
    while not all(member.greeted for member in members.values()):
        for number, _ in poll.poll():
            members[number].read()
    _say(f"ready {time.perf_counter() - begun}")
    _count(poll, members)


def _count(poll: select.epoll, members: dict[int, Member]) -> None:
    reached = [member.seen for member in members.values()]
    having: dict[int, int] = {}
    for seen in reached:
        for event in range(1, seen + 1):
            having[event] = having.get(event, 0) + 1
    everybody = len(members)
    while True:
        for number, _ in poll.poll(maxevents=everybody):
            member = members[number]
            before = member.seen
            for event in range(before + 1, before + 1 + member.read()):
                having[event] = having.get(event, 0) + 1
                if having[event] == everybody:
                    del having[event]
                    _say(str(event))


def _say(word: str) -> None:
    os.write(1, f"{word}\n".encode())


if __name__ == "__main__":
    gather(Orders(**json.loads(sys.argv[1])))
