"""Many WebSocket clients in one process, as cheap as Python allows: they count events, and say when all have one.

Reads its orders from the command line, as one JSON object (see `Orders`). Prints "ready" when all sockets are open and
greeted, then a line for each event once the last socket has it: how many events all have.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
from dataclasses import dataclass

MARK = b"@@"
"""Stands once in every event that is counted."""

_CHUNK = 16 * 1024
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
    """

    port: int
    path: str
    count: int
    greeting: str = ""
    greeted: str = ""


def masked(opcode: int, payload: bytes) -> bytes:
    """Return a client's frame; the mask is all zeros, which is legal and changes nothing."""
    size = len(payload)
    head = bytes((0x80 | opcode, 0x80 | size)) if size < 126 else bytes((0x80 | opcode, 0xFE)) + size.to_bytes(2, "big")
    return head + bytes(4) + payload


class Member:
    """One client."""

    def __init__(self, orders: Orders) -> None:
        self.socket = socket.create_connection(("127.0.0.1", orders.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.seen = 0
        self._rest = b""
        self._shake_hands(orders)
        if orders.greeting:
            self.socket.sendall(masked(_TEXT, orders.greeting.encode()))
        self.greeted = not orders.greeted

    def _shake_hands(self, orders: Orders) -> None:
        request = (
            f"GET {orders.path} HTTP/1.1\r\nHost: 127.0.0.1:{orders.port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        self.socket.sendall(request.encode())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.socket.recv(4096)
        head, _, self._rest = answer.partition(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise ConnectionError(head.decode())

    def read(self, greeted: bytes) -> int:
        """Read what is there; return how many events were in it."""
        data = self._rest + self.socket.recv(_CHUNK) if self._rest else self.socket.recv(_CHUNK)
        if not data:
            raise ConnectionError("a server has closed its socket")
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
                self._heed(data[at] & 0x0F, data[body : body + size], greeted)
            at = body + size
        self._rest = data[at:]
        self.seen += events
        return events

    def _heed(self, opcode: int, payload: bytes, greeted: bytes) -> None:
        if opcode == _PING:
            self.socket.sendall(masked(_PONG, payload))
        elif opcode == _CLOSE:
            raise ConnectionError(f"a server has closed its socket: {payload!r}")
        elif payload == b"2":  # Engine.IO's ping
            self.socket.sendall(masked(_TEXT, b"3"))
        elif not self.greeted:
            self.greeted = greeted in payload


def gather(orders: Orders) -> None:
    """Open all sockets, then count until ended."""
    greeted = orders.greeted.encode()
    poll = select.epoll()
    members: dict[int, Member] = {}
    for _ in range(orders.count):
        member = Member(orders)
        members[member.socket.fileno()] = member
    for number in members:
        poll.register(number, select.EPOLLIN)
    while not all(member.greeted for member in members.values()):
        for number, _ in poll.poll():
            members[number].read(greeted)
    _say("ready")
    _count(poll, members, greeted)


def _count(poll: select.epoll, members: dict[int, Member], greeted: bytes) -> None:
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
            for event in range(before + 1, before + 1 + member.read(greeted)):
                having[event] = having.get(event, 0) + 1
                if having[event] == everybody:
                    del having[event]
                    _say(str(event))


def _say(word: str) -> None:
    os.write(1, f"{word}\n".encode())


if __name__ == "__main__":
    gather(Orders(**json.loads(sys.argv[1])))
