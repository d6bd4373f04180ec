"""A crowd of clients as a benchmark sees it, and the servers that it listens to."""

from __future__ import annotations

import asyncio
import json
import secrets
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Self

from bench.crowd import MARK, Orders
from bench.processes import end
from bench.stage import Stage, bodies, encoded, free_port, new_address, start
from fabula.engine.events import State, TextDelta
from fabula.engine.ports import Address, Entry, Purpose

PIECE = f"Once upon a time{MARK.decode()}"
"""What is told in one event."""

_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Broadcaster:
    """A server that sends an event to all its sockets when it is told to.

    Attributes:
        pid: Its process.
        port: Where its WebSockets are.
        send: Has one event sent.
    """

    pid: int
    port: int
    send: Callable[[], Awaitable[None]]


class Crowd:
    """Many clients of one server, in a process of their own.

    Attributes:
        seconds: How long it took all of them to connect and to be greeted.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._all_have = 0
        self.seconds = 0.0

    @property
    def all_have(self) -> int:
        """Events that every client is known to have."""
        return self._all_have

    async def until_all_have(self, events: int) -> None:
        """Wait until every client has so many events."""
        while self._all_have < events:
            self._all_have = int(await self._line())

    async def _line(self) -> bytes:
        if self._process.stdout is None:
            raise ValueError("a crowd has to be started with a pipe")
        line = await asyncio.wait_for(self._process.stdout.readline(), _PATIENCE_SECONDS)
        if not line:
            raise ConnectionError("the crowd has ended")
        return line

    @classmethod
    @asynccontextmanager
    async def of(cls, orders: Orders) -> AsyncIterator[Crowd]:
        """Open a crowd's sockets, for as long as the block lasts."""
        words = ("-m", "bench.crowd", json.dumps(asdict(orders)))
        process = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=asyncio.subprocess.PIPE)
        crowd = cls(process)
        try:
            word, _, seconds = (await crowd._line()).partition(b" ")
            if word != b"ready":
                raise ConnectionError("the crowd could not connect")
            crowd.seconds = float(seconds)
            yield crowd
        finally:
            await end(process)


class Telling:
    """A generation whose text grows by a piece each time."""

    def __init__(self, stage: Stage, address: Address, revision: int) -> None:
        self._stage = stage
        self.address = address
        self._revision = revision
        self.sequence = 4
        self._offset = 0

    @classmethod
    async def begin(cls, stage: Stage) -> Self:
        """Begin one."""
        address = new_address()
        first, *rest = encoded(address, bodies(0)[:3])
        events = stage.journal.events
        # As a server and a worker would: listings look for what was queued.
        revision = await events.append(address, [first], after=0, append_id=_append_id(), purpose=Purpose.QUEUE)
        return cls(stage, address, await events.append(address, rest, after=revision, append_id=_append_id()))

    def piece(self) -> Entry:
        """Return the next event."""
        (entry,) = encoded(self.address, [TextDelta("write-1", self._offset, PIECE)], self.sequence, State.RUNNING)
        return entry

    async def tell(self) -> None:
        """Append the next event; return when it is stored."""
        events, entry = self._stage.journal.events, self.piece()
        self.sequence, self._offset = self.sequence + 1, self._offset + len(PIECE)
        self._revision = await events.append(self.address, [entry], after=self._revision, append_id=_append_id())

    def watchers(self, port: int, count: int) -> Orders:
        """Return the orders of a crowd that watches what is told."""
        greeting = json.dumps({"subscribe": {"generationId": self.address.id, "afterSequence": 3}})
        return Orders(port, "/v1/ws", count, greeting, '"done"')


def _append_id() -> str:
    return secrets.token_hex(8)


@asynccontextmanager
async def gateway(stage: Stage, telling: Telling) -> AsyncIterator[Broadcaster]:
    """Run a gateway before the stage's story server, for as long as the block lasts."""
    port = free_port()
    environment = {
        "FABULA_HTTP_PORT": str(port),
        "FABULA_STORY_ADDRESS": stage.story_address,
        "FABULA_MAX_WATCHERS": "100000",
        "FABULA_LOG_LEVEL": "error",
    }
    process = await start("-m", "gateway", **environment)
    try:
        await _answers(port)
        yield Broadcaster(process.pid, port, telling.tell)
    finally:
        await end(process)


@asynccontextmanager
async def peer(module: str, message: str) -> AsyncIterator[Broadcaster]:
    """Run a peer of `bench.peers` that sends this message, for as long as the block lasts."""
    port, trigger_port = free_port(), free_port()
    process = await start("-m", f"bench.peers.{module}", str(port), str(trigger_port), message)
    try:
        await _answers(port)
        _, writer = await asyncio.open_connection("127.0.0.1", trigger_port)

        async def send() -> None:
            writer.write(b"!")

        yield Broadcaster(process.pid, port, send)
        writer.close()
    finally:
        await end(process)


@asynccontextmanager
async def idle_endpoint() -> AsyncIterator[Broadcaster]:
    """Run the smallest WebSocket endpoint under uvicorn, for as long as the block lasts."""
    port = free_port()
    process = await start("-m", "bench.peers.idle_endpoint", str(port))

    async def send() -> None:
        raise NotImplementedError("it never sends anything")

    try:
        await _answers(port)
        yield Broadcaster(process.pid, port, send)
    finally:
        await end(process)


async def _answers(port: int) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
