"""Many gRPC streams that are read in a process of their own: it counts what comes, and says when all have it.

Run as `python -m bench.readers` it takes its orders from standard input, as one line of JSON (see `Orders`). It prints
"ready" when all streams stand, then a number each time every stream has so many messages, and "ended" behind the last.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import TypeAlias

import grpc
import uvloop

from bench.processes import end
from fabula.rpc.client import open_channel
from fabula.rpc.kinds import STORY

PER_CHANNEL = 100
"""Streams that share a connection: what a careful client does, whatever the server allows."""

WATCH = STORY.path("WatchProgress")

_PATIENCE_SECONDS = 120.0

Call: TypeAlias = "grpc.aio.UnaryStreamCall[bytes, bytes]"


@dataclass(frozen=True, slots=True)
class Orders:
    """What is read.

    Attributes:
        address: Of which server.
        path: Which method.
        requests: The request of each stream, in hexadecimal.
    """

    address: str
    path: str
    requests: Sequence[str]


class Readers:
    """The streams, as the benchmark sees them."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def until_all_have(self, messages: int) -> None:
        """Wait until every stream has so many messages."""
        while int(await self._line()) < messages:
            pass

    async def until_ended(self) -> None:
        """Wait until every stream has come to its end."""
        while await self._line() != b"ended":
            pass

    async def _line(self) -> bytes:
        assert self._process.stdout is not None  # noqa: S101 - it was started with a pipe
        line = await asyncio.wait_for(self._process.stdout.readline(), _PATIENCE_SECONDS)
        if not line:
            raise ConnectionError("the readers have ended")
        return line.strip()

    @classmethod
    @asynccontextmanager
    async def of(cls, address: str, path: str, requests: Sequence[bytes]) -> AsyncIterator[Readers]:
        """Open a stream for each request, for as long as the block lasts."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.readers", stdin=pipe, stdout=pipe, limit=2**20
        )
        readers = cls(process)
        try:
            assert process.stdin is not None  # noqa: S101 - it was started with a pipe
            orders = Orders(address, path, [request.hex() for request in requests])
            process.stdin.write(json.dumps(asdict(orders)).encode() + b"\n")
            process.stdin.close()
            if await readers._line() != b"ready":
                raise ConnectionError("the readers could not connect")
            yield readers
        finally:
            await end(process)


class _Counter:
    def __init__(self, streams: int) -> None:
        self._streams = streams
        self._having: dict[int, int] = {}

    def count(self, message: int) -> None:
        """Take in that one more stream has so many messages."""
        having = self._having.get(message, 0) + 1
        if having < self._streams:
            self._having[message] = having
            return
        self._having.pop(message, None)
        _say(str(message))


async def _read_all(orders: Orders) -> None:
    counter = _Counter(len(orders.requests))
    calls: list[Call] = []
    channels = []
    for first in range(0, len(orders.requests), PER_CHANNEL):
        # One connection after the other: a grpc server refuses some of more than 1,000 calls that come at once.
        channels.append(channel := open_channel(orders.address))
        requests = map(bytes.fromhex, orders.requests[first : first + PER_CHANNEL])
        opened = [channel.unary_stream(orders.path, None, None)(request) for request in requests]
        await asyncio.gather(*(call.initial_metadata() for call in opened))
        calls += opened
    _say("ready")
    await asyncio.gather(*(_read(call, counter) for call in calls))
    _say("ended")


async def _read(call: Call, counter: _Counter) -> None:
    number = 0
    async for _ in call:
        number += 1
        counter.count(number)


def _say(word: str) -> None:
    os.write(1, f"{word}\n".encode())


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_read_all(Orders(**json.loads(sys.stdin.readline()))))
