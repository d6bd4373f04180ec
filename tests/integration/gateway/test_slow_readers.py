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
from tests.integration.gateway.clients import Gateway, sequences
from tests.integration.gateway.conftest import OpenGateway
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


async def test_who_reads_nothing_is_cut_off_when_it_answers_no_ping(
    open_gateway: OpenGateway,
    server: ScriptedServer,
    stories: ScriptedStories,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its socket, its watch and what was buffered for it are given back, though it never reads the close frame."""
    monkeypatch.setattr("gateway.server.PING_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(protocols, "ABORT_SECONDS", 0.2)
    log = stories.new()
    async with open_gateway(server.address, keepalive_seconds=0.1) as gateway, Unread.to(gateway) as unread:
        await unread.subscribe(log.id)
        for _ in range(200):
            log.write("x" * PIECE_BYTES)
        await until(lambda: most_buffered(gateway) > HIGH_WATER_BYTES)
        await until(lambda: not gateway.server.server_state.connections)
        await until(lambda: gateway.house.connections == 0)

        assert 0 == gateway.house.metrics.registry.get_sample_value("fabula_gateway_watches")


async def test_who_answers_no_ping_but_reads_is_told_to_come_back(
    open_gateway: OpenGateway, server: ScriptedServer, stories: ScriptedStories, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The close code is 1011: reconnect with your cursor."""
    monkeypatch.setattr("gateway.server.PING_TIMEOUT_SECONDS", 0.2)
    log = stories.new()
    async with open_gateway(server.address, keepalive_seconds=0.1) as gateway, Unread.to(gateway) as unread:
        await unread.subscribe(log.id)
        await until(lambda: gateway.house.connections == 0)
        while not await unread.read(65536):
            pass

    assert 1011 == unread._protocol.close_code
    assert [1] == sequences(unread.frames)


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
