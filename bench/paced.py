"""Watchers of one generation in one process, each reading at its own pace; what they get is checked.

Reads its orders from the command line, as one JSON object (see `Orders`), then commands from standard input, one a
line; answers with a line of JSON each (see `Report`):

- `tell`: how things are, and forget the ages that were noted.
- `finish SEQUENCE SHARE`: keep one of so many watchers of each pace, read as fast as possible until all have that
  event, tell, and end.

It ends with an error when a watcher gets an event twice, out of order, or other bytes of it than the others, and when
one that reads fast is sent away. Others come back with their cursor if the close code says that they may.
"""

from __future__ import annotations

import base64
import json
import os
import re
import select
import socket
import sys
import time
import zlib
from array import array
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field

from bench.crowd import masked
from bench.figures import quantile

STAMP = b"@@"
"""Stands in each event before the time at which it was made, as `stamp` writes it."""

FAST, IDLE, TRICKLE, HALTING = "fast", "idle", "trickle", "halting"
"""Reads what there is; nothing; 1 KiB a second; everything for half a second, then nothing for one and a half."""

_STAMP_SIZE = 18
_TICKS = 10
"""Of a second."""
_TRICKLE_BYTES = 1024
_GO_TICKS, _HALT_TICKS = 5, 15
_SLOW_BUFFER_BYTES = 4096
_SLOW_SEGMENT_BYTES = 1460
"""As on Ethernet: loopback's segments of 64 KiB let a server's system keep 2.5 MiB for each client."""
_CHUNK = 64 * 1024
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10
_COME_BACK = {1011, 1012, 1013}
"""Close codes after which a client comes back with its cursor: docs/gateway.md."""
_SEQUENCE = re.compile(rb'"sequence": ?"?(\d+)')
_PATIENCE_SECONDS = 20.0


def stamp() -> str:
    """Return what marks an event as made now; the clock is the machine's, the same in all processes."""
    return f"{STAMP.decode()}{time.perf_counter():0{_STAMP_SIZE}.6f}"


@dataclass(frozen=True, slots=True)
class Orders:
    """Who watches what.

    Attributes:
        port: Where the gateway is, on loopback.
        generation_id: What is watched.
        after: Cursor at which all begin.
        paces: How many of each pace.
    """

    port: int
    generation_id: str
    after: int
    paces: dict[str, int]


@dataclass(frozen=True, slots=True)
class Report:
    """What watchers have got.

    Attributes:
        p50, p99: Ages in ms of the events that the fast ones got since the last report; 0 if there were none.
        least, most: Of each pace the lowest and the highest cursor.
        sums: A checksum of each event that somebody has got, by its sequence.
        came_back: How many connections were taken up again, by the close code (0: without one).
    """

    p50: float = 0.0
    p99: float = 0.0
    least: dict[str, int] = field(default_factory=dict)
    most: dict[str, int] = field(default_factory=dict)
    sums: dict[str, int] = field(default_factory=dict)
    came_back: dict[str, int] = field(default_factory=dict)


class Ended(Exception):
    """The gateway has ended a connection.

    Attributes:
        code: The close code; 0: there was none.
    """

    def __init__(self, code: int) -> None:
        super().__init__(f"a watcher was sent away with {code}")
        self.code = code


class Watcher:
    """One watcher.

    Args:
        orders: Of all.
        pace: How it reads.
        sums: Checksums that all share.
        ages: Of events, for the fast.
    """

    def __init__(self, orders: Orders, pace: str, sums: dict[int, int], ages: array[float]) -> None:
        self.pace = pace
        self.sequence = orders.after
        self.subscribed = False
        self.socket = socket.socket()
        self._orders = orders
        self._sums = sums
        self._ages = ages
        self._rest = b""

    def open(self) -> None:
        """Connect and subscribe behind the cursor; the answer is read with the rest."""
        self.socket = socket.socket()
        self.socket.settimeout(_PATIENCE_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.pace != FAST:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SLOW_BUFFER_BYTES)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, _SLOW_SEGMENT_BYTES)
        self.socket.connect(("127.0.0.1", self._orders.port))
        self.socket.sendall(self._handshake())
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self._received(_CHUNK)
        head, _, self._rest = answer.partition(b"\r\n\r\n")
        if head.split()[1] != b"101":
            raise ConnectionError(answer.decode())
        subscribe = {"generationId": self._orders.generation_id, "afterSequence": self.sequence}
        self.socket.sendall(masked(_TEXT, json.dumps({"subscribe": subscribe}).encode()))
        self.subscribed = False

    def _handshake(self) -> bytes:
        key = base64.b64encode(os.urandom(16)).decode()
        return (
            f"GET /v1/ws HTTP/1.1\r\nHost: 127.0.0.1:{self._orders.port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: fabula.v1.json\r\n"
            f"Sec-WebSocket-Key: {key}\r\n\r\n"
        ).encode()

    def read(self, most: int = _CHUNK) -> None:
        """Read so much at most of what is there. Raises `Ended`."""
        data = self._received(most)
        self._rest = self._take(self._rest + data if self._rest else data)

    def _received(self, most: int) -> bytes:
        try:
            data = self.socket.recv(most)
        except ConnectionResetError:
            data = b""
        if not data:
            raise Ended(0)
        return data

    def _take(self, data: bytes) -> bytes:
        """Take whole frames; return the rest."""
        at, end = 0, len(data)
        while end - at >= 2:
            size, body = data[at + 1], at + 2
            if size == 126:
                size, body = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            elif size == 127:
                size, body = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
            if body + size > end:
                break
            self._heed(data[at] & 0x0F, data[body : body + size])
            at = body + size
        return data[at:]

    def _heed(self, opcode: int, payload: bytes) -> None:
        if opcode == _TEXT:
            if payload.startswith(b'{"event"'):
                self._keep(payload)
            elif b'"done"' in payload:
                self.subscribed = True
            elif b'"keepAlive"' not in payload:
                raise ValueError(f"a watcher was told {payload[:200]!r}")
        elif opcode == _PING:
            self.socket.sendall(masked(_PONG, payload))
        elif opcode == _CLOSE:
            raise Ended(int.from_bytes(payload[:2], "big"))

    def _keep(self, payload: bytes) -> None:
        found = _SEQUENCE.search(payload, 0, 200)
        sequence = int(found[1]) if found else 0
        if sequence != self.sequence + 1:
            raise ValueError(f"a {self.pace} watcher got {sequence} behind {self.sequence}")
        self.sequence = sequence
        total = zlib.crc32(payload)
        if self._sums.setdefault(sequence, total) != total:
            raise ValueError(f"watchers got different bytes of {sequence}")
        if self.pace == FAST:
            at = payload.find(STAMP) + len(STAMP)
            self._ages.append((time.perf_counter() - float(payload[at : at + _STAMP_SIZE])) * 1000)


class Paced:
    """All watchers of a process."""

    def __init__(self, orders: Orders) -> None:
        self._sums: dict[int, int] = {}
        self._ages = array("d")
        self._came_back: dict[str, int] = {}
        self._poll = select.epoll()
        self._reading: dict[int, Watcher] = {}
        self._all = [
            Watcher(orders, pace, self._sums, self._ages) for pace, count in orders.paces.items() for _ in range(count)
        ]
        self._tick = 0

    def come_in(self) -> None:
        """Connect all, and subscribe."""
        for watcher in self._all:
            watcher.open()
        for watcher in self._all:
            while not watcher.subscribed:
                watcher.read(_TRICKLE_BYTES)
        self._read_only(watcher for watcher in self._all if watcher.pace == FAST)

    def read_on(self, timeout: float) -> bool:
        """Read what comes, each watcher at its pace, for so many seconds at most; say whether there is a command."""
        next_tick = time.monotonic() // (1 / _TICKS) / _TICKS + 1 / _TICKS
        commanded = False
        for number, _ in self._poll.poll(min(timeout, max(0.0, next_tick - time.monotonic())), len(self._all) + 1):
            if number:
                self._read(self._reading[number])
            else:
                commanded = True
        if (tick := int(time.monotonic() * _TICKS)) != self._tick:
            self._tick = tick
            self._keep_pace()
        return commanded

    def heed_commands(self) -> None:
        """Be told by standard input, too."""
        self._poll.register(0, select.EPOLLIN)

    def finish(self, sequence: int, share: int) -> None:
        """Have one of so many of each pace read on until all have this event; the others leave."""
        kept = [watcher for pace in {each.pace for each in self._all} for watcher in self._of(pace)[::share]]
        self._read_only(())
        for watcher in set(self._all).difference(kept):
            watcher.socket.close()
        self._all = kept
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while behind := [watcher for watcher in kept if watcher.sequence < sequence]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(behind)} of {len(kept)} did not get everything in time")
            self._read_only(behind)
            for number, _ in self._poll.poll(0.1, len(behind)):
                if number in self._reading:
                    self._read(self._reading[number])

    def report(self) -> Report:
        """Return how things are; ages are forgotten."""
        paces = {watcher.pace: [each.sequence for each in self._of(watcher.pace)] for watcher in self._all}
        p50, p99 = (quantile(list(self._ages), share) if self._ages else 0.0 for share in (0.5, 0.99))
        del self._ages[:]
        return Report(
            p50,
            p99,
            {pace: min(sequences) for pace, sequences in paces.items()},
            {pace: max(sequences) for pace, sequences in paces.items()},
            {str(sequence): total for sequence, total in self._sums.items()},
            self._came_back,
        )

    def _of(self, pace: str) -> list[Watcher]:
        return [watcher for watcher in self._all if watcher.pace == pace]

    def _read(self, watcher: Watcher, most: int = _CHUNK) -> None:
        try:
            watcher.read(most)
        except Ended as ended:
            if watcher.pace == FAST or (ended.code and ended.code not in _COME_BACK):
                raise
            self._came_back[str(ended.code)] = self._came_back.get(str(ended.code), 0) + 1
            reading = watcher.socket.fileno() in self._reading
            self._stop(watcher)
            watcher.socket.close()
            watcher.open()
            if reading:
                self._start(watcher)

    def _keep_pace(self) -> None:
        for number, watcher in enumerate(self._all):
            if watcher.pace == TRICKLE and (number + self._tick) % _TICKS == 0:
                if select.select([watcher.socket], [], [], 0)[0]:
                    self._read(watcher, _TRICKLE_BYTES)
            elif watcher.pace == HALTING:
                phase = (number + self._tick) % (_GO_TICKS + _HALT_TICKS)
                if phase == 0:
                    self._start(watcher)
                elif phase == _GO_TICKS:
                    self._stop(watcher)

    def _read_only(self, watchers: Iterable[Watcher]) -> None:
        wanted = {watcher.socket.fileno(): watcher for watcher in watchers}
        for number, watcher in list(self._reading.items()):
            if wanted.get(number) is not watcher:
                self._stop(watcher)
        for watcher in wanted.values():
            self._start(watcher)

    def _start(self, watcher: Watcher) -> None:
        if (number := watcher.socket.fileno()) not in self._reading:
            self._reading[number] = watcher
            self._poll.register(number, select.EPOLLIN)

    def _stop(self, watcher: Watcher) -> None:
        if self._reading.pop(number := watcher.socket.fileno(), None) is not None:
            self._poll.unregister(number)


def main(orders: Orders) -> None:
    """Watch until told to finish."""
    paced = Paced(orders)
    paced.come_in()
    _say(paced.report())
    paced.heed_commands()
    while True:
        if not paced.read_on(1.0):
            continue
        match sys.stdin.readline().split():
            case ["tell"]:
                _say(paced.report())
            case ["finish", sequence, share]:
                paced.finish(int(sequence), int(share))
                _say(paced.report())
                return
            case _:
                return


def _say(report: Report) -> None:
    sys.stdout.write(json.dumps(asdict(report)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Orders(**json.loads(sys.argv[1])))
