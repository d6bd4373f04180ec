"""Clients that do not read, or hardly: what they cost, what others notice, how they come back or are sent away."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from gateway import protocols
from gateway.fan import MOST_BYTES
from gateway.protocols import PipedWebSocket
from tests.integration.gateway.clients import Gateway, sequences
from tests.integration.gateway.conftest import OpenGateway
from tests.integration.gateway.test_limits import met
from tests.scripted_service import ScriptedServer, ScriptedStories, until

HIGH_WATER_BYTES = 64 * 1024
"""What a transport of asyncio and uvloop takes before it says that it is full."""
PIECE_BYTES = 20_000


class Unread:
    """A WebSocket that reads exactly what the test reads, and whose system buffers hardly anything for it."""

    def __init__(self, connection: socket.socket, protocol: ClientProtocol) -> None:
        self._connection = connection
        self._protocol = protocol
        self.frames: list[dict[str, Any]] = []
        self.pongs: list[bytes] = []
        self.answers = True

    @classmethod
    @asynccontextmanager
    async def to(cls, gateway: Gateway) -> AsyncIterator[Unread]:
        """Open one, for as long as the block lasts."""
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", gateway.house.settings.http_port))
            unread = cls(connection, ClientProtocol(parse_uri(f"ws://{gateway.host}/v1/ws"), max_size=None))
            unread._protocol.send_request(unread._protocol.connect())
            await unread._flush()
            while unread._protocol.state is State.CONNECTING:
                await unread.read(1)
            yield unread

    async def subscribe(self, generation_id: str) -> None:
        """Subscribe to all of a generation."""
        self._protocol.send_text(json.dumps({"subscribe": {"generationId": generation_id}}).encode())
        await self._flush()

    async def ping(self, data: bytes) -> None:
        """Send a ping."""
        self._protocol.send_ping(data)
        await self._flush()

    @property
    def close_code(self) -> int | None:
        """The code with which the socket was closed."""
        return self._protocol.close_code

    async def read(self, most: int) -> bool:
        """Read so many bytes at most; return whether the server has closed."""
        data = await asyncio.get_running_loop().sock_recv(self._connection, most)
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        for event in self._protocol.events_received():
            if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self.frames.append(json.loads(bytes(event.data)))
            elif isinstance(event, Frame) and event.opcode is Opcode.PONG:
                self.pongs.append(bytes(event.data))
        if self.answers:
            await self._flush()
        return not data

    async def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data:
                with suppress(ConnectionError):  # an answer to who has gone
                    await asyncio.get_running_loop().sock_sendall(self._connection, data)

    @property
    def ended(self) -> bool:
        """Whether everything was sent."""
        return bool(self.frames) and "ended" in self.frames[-1]


def most_buffered(gateway: Gateway) -> int:
    """Return what the gateway holds for the client for which it holds most."""
    return max(each.transport.get_write_buffer_size() for each in gateway.server.server_state.connections)


async def test_who_reads_nothing_costs_a_bounded_buffer_and_delays_nobody(
    gateway: Gateway, stories: ScriptedStories
) -> None:
    """Megabytes pass to another watcher meanwhile; then everything comes, in order, though memory has let it go."""
    log, count = stories.new(), 200
    async with Unread.to(gateway) as unread, gateway.socket() as fast:
        await unread.subscribe(log.id)
        await fast.subscribe(log.id)
        for _ in range(count):
            log.write("x" * PIECE_BYTES)
            assert await fast.take(1)
            assert most_buffered(gateway) <= HIGH_WATER_BYTES + MOST_BYTES
        log.append(succeeded={})
        assert count + 2 == sequences(await fast.until_end())[-1]
        assert most_buffered(gateway) > HIGH_WATER_BYTES
        while not unread.ended:
            await unread.read(65536)

    assert list(range(1, count + 3)) == sequences(unread.frames)


async def test_who_reads_byte_by_byte_sees_every_event_once(gateway: Gateway, stories: ScriptedStories) -> None:
    """A reader that is always behind, never quite still, is written to as it makes room, and catches up in the end."""
    log, count = stories.new(), 100
    async with Unread.to(gateway) as unread:
        await unread.subscribe(log.id)
        for number in range(count):
            log.write("x" * PIECE_BYTES)
            await unread.read(1)
            if number % 10 == 0:
                await unread.read(65536)
            assert most_buffered(gateway) <= HIGH_WATER_BYTES + MOST_BYTES
        log.append(succeeded={})
        while not unread.ended:
            await unread.read(65536)

    assert list(range(1, count + 3)) == sequences(unread.frames)


def ping_all(gateway: Gateway) -> None:
    """Have the gateway ping all its WebSockets now: when it would is a matter of how busy the machine is."""
    for connection in tuple(gateway.server.server_state.connections):
        if isinstance(connection, PipedWebSocket):
            connection.send_keepalive_ping()


async def test_who_reads_nothing_is_cut_off_when_it_answers_no_ping(
    open_gateway: OpenGateway, server: ScriptedServer, stories: ScriptedStories, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its socket, its watch and what was buffered for it are given back, though it never reads the close frame."""
    monkeypatch.setattr("gateway.server.PING_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(protocols, "ABORT_SECONDS", 0.2)
    log = stories.new()
    async with open_gateway(server.address, keepalive_seconds=600) as gateway, Unread.to(gateway) as unread:
        await unread.subscribe(log.id)
        for _ in range(200):
            log.write("x" * PIECE_BYTES)
        await until(lambda: most_buffered(gateway) > HIGH_WATER_BYTES)
        ping_all(gateway)
        await until(lambda: not gateway.server.server_state.connections)
        await until(lambda: gateway.house.connections == 0)

        assert 0 == gateway.house.metrics.registry.get_sample_value("fabula_gateway_watches")


async def test_who_answers_no_ping_but_reads_is_told_to_come_back(
    open_gateway: OpenGateway, server: ScriptedServer, stories: ScriptedStories, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The close code is 1011: reconnect with your cursor."""
    monkeypatch.setattr("gateway.server.PING_TIMEOUT_SECONDS", 0.2)
    log = stories.new()
    async with open_gateway(server.address, keepalive_seconds=600) as gateway, Unread.to(gateway) as unread:
        await unread.subscribe(log.id)
        while not sequences(unread.frames):
            await unread.read(1)
        unread.answers = False
        ping_all(gateway)
        await until(lambda: gateway.house.connections == 0)
        while not await unread.read(65536):
            pass

    assert 1011 == unread.close_code
    assert [1] == sequences(unread.frames)


async def test_who_reads_slowly_has_the_time_it_needs_to_come_to_a_ping(
    open_gateway: OpenGateway, server: ScriptedServer, stories: ScriptedStories, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as it takes what was sent before the ping, it is not gone."""
    monkeypatch.setattr("gateway.server.PING_TIMEOUT_SECONDS", 0.25)
    log, count = stories.new(), 200
    async with open_gateway(server.address, keepalive_seconds=600) as gateway, Unread.to(gateway) as unread:
        await unread.subscribe(log.id)
        for _ in range(count):
            log.write("x" * PIECE_BYTES)
        await until(lambda: most_buffered(gateway) > HIGH_WATER_BYTES)
        ping_all(gateway)
        begun = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < begun + 1.5:
            await unread.read(16_384)
            await asyncio.sleep(0.01)
        log.append(succeeded={})
        while not unread.ended:
            await unread.read(65536)

    assert list(range(1, count + 3)) == sequences(unread.frames)


async def test_who_takes_nothing_for_too_long_is_sent_away(
    open_gateway: OpenGateway, server: ScriptedServer, stories: ScriptedStories
) -> None:
    """Whether it answers pings does not matter; if it reads on, it finds the reason: come back later."""
    log = stories.new()
    settings: dict[str, Any] = {"keepalive_seconds": 600, "stalled_seconds": 0.4}
    async with open_gateway(server.address, **settings) as gateway, Unread.to(gateway) as unread:
        await unread.subscribe(log.id)
        for _ in range(200):
            log.write("x" * PIECE_BYTES)
        await until(lambda: gateway.house.connections == 0)
        while not await unread.read(65536):
            pass

        assert 1013 == unread.close_code
        assert 1 == met(gateway, "stalled_seconds")
        assert 0 == gateway.house.metrics.registry.get_sample_value("fabula_gateway_watches")


async def test_who_takes_little_now_and_then_is_not_sent_away(
    open_gateway: OpenGateway, server: ScriptedServer, stories: ScriptedStories
) -> None:
    """Each byte counts."""
    log = stories.new()
    settings: dict[str, Any] = {"keepalive_seconds": 600, "stalled_seconds": 0.6}
    async with open_gateway(server.address, **settings) as gateway, Unread.to(gateway) as unread:
        await unread.subscribe(log.id)
        for _ in range(200):
            log.write("x" * PIECE_BYTES)
        await until(lambda: most_buffered(gateway) > HIGH_WATER_BYTES)
        for _ in range(15):
            await unread.read(8192)
            await asyncio.sleep(0.1)
        assert 1 == gateway.house.connections
        assert 0 == met(gateway, "stalled_seconds")


@pytest.mark.parametrize(("pieces", "limit"), [(200, 1), (20, 0)])
async def test_an_event_stream_of_which_nothing_is_taken_is_cut_off(
    open_gateway: OpenGateway, server: ScriptedServer, stories: ScriptedStories, pieces: int, limit: int
) -> None:
    """Where the gateway holds what waits it says so; what the system holds it looks after itself."""
    log = stories.new()
    for _ in range(pieces):
        log.write("x" * PIECE_BYTES)
    async with open_gateway(server.address, stalled_seconds=0.4) as gateway:
        with socket.socket() as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(connection, ("127.0.0.1", gateway.house.settings.http_port))
            head = f"GET /v1/generations/{log.id}/events HTTP/1.1\r\nhost: {gateway.host}\r\n\r\n"
            await loop.sock_sendall(connection, head.encode())
            await until(lambda: gateway.house.connections == 1)
            await until(lambda: gateway.house.connections == 0)

        assert limit == met(gateway, "stalled_seconds")
        assert 0 == gateway.house.metrics.registry.get_sample_value("fabula_gateway_watches")


async def test_pongs_for_who_does_not_read_are_not_gathered(
    open_gateway: OpenGateway, server: ScriptedServer, stories: ScriptedStories
) -> None:
    """Of many pings only the last is answered, once there is room."""
    log = stories.new()
    settings: dict[str, Any] = {"messages_at_once": 100_000, "messages_per_second": 100_000}
    async with open_gateway(server.address, **settings) as gateway, Unread.to(gateway) as unread:
        await unread.subscribe(log.id)
        for _ in range(200):
            log.write("x" * PIECE_BYTES)
        await until(lambda: most_buffered(gateway) > HIGH_WATER_BYTES)
        held = most_buffered(gateway)
        for number in range(2000):
            await unread.ping(f"{number:0125}".encode())
        await asyncio.sleep(0.2)
        assert held == most_buffered(gateway)
        log.append(succeeded={})
        while not (unread.ended and unread.pongs):
            await unread.read(65536)

    assert [f"{1999:0125}".encode()] == unread.pongs


async def test_an_idle_watcher_is_one_task(gateway: Gateway, stories: ScriptedStories) -> None:
    """What a watcher costs while nothing happens is its connection, whatever it watches."""
    logs = [stories.new(number) for number in range(1, 4)]
    async with gateway.socket() as first, gateway.socket() as second:
        for log in logs:
            await first.subscribe(log.id)
            await first.take(1)
            await second.subscribe(log.id)
            await second.take(1)

        await until(lambda: subscription_tasks() == 0)


def subscription_tasks() -> int:
    """Return how many tasks the gateway's subscriptions run."""
    return sum("Subscription" in str(task.get_coro()) for task in asyncio.all_tasks())
