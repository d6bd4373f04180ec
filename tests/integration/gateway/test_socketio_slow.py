"""Socket.IO clients that do not read: what they cost, what others notice, and that nothing is lost to them."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gateway.doors.socket_io.queues import MOST_BYTES
from gateway.doors.socket_io.server import Server
from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conftest import OpenGateway
from tests.integration.gateway.socket_io_clients import Packets, doors, packets, polling
from tests.scripted_service import ScriptedLog, ScriptedServer, ScriptedStories, until

NAMESPACE = "/stories"
RUNS = 800
MESSAGE = "x" * 10_000
LONGEST_PACKET = 11_000


def retried(stories: ScriptedStories) -> ScriptedLog:
    """Return a story with so many runs that what is told of it fills megabytes."""
    log = stories.new()
    for _ in range(RUNS):
        log.append(retried={"from_stage": "write-1"})
        log.responses[-1].event.progress.message = MESSAGE
    return log


@asynccontextmanager
async def unread(gateway: Gateway) -> AsyncIterator[Packets]:
    """Open a WebSocket for which hardly anything is buffered on the client's side."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", gateway.house.settings.http_port))
        async with packets(gateway, sock=connection, max_queue=1, ping_interval=None) as client:
            yield client


def waiting(gateway: Gateway) -> list[int]:
    """Return how many bytes wait for each client inside the gateway, before its transport."""
    return [each.queue.waiting_bytes for each in doors(gateway).eio.sockets.values()]


def is_held_up(gateway: Gateway) -> bool:
    """Say whether a client has to read before more is written to it."""
    server: Server = doors(gateway)
    return any(each.queue.pipe.full for each in server.eio.sockets.values())


def events(told: list[str]) -> list[Any]:
    """Return the events among packets."""
    return [json.loads(packet[packet.index("[") :]) for packet in told if packet.startswith("42")]


async def test_who_does_not_read_costs_a_bounded_queue_and_misses_nothing(
    gateway: Gateway, stories: ScriptedStories
) -> None:
    """Others are told meanwhile; then everything comes, in order, each once."""
    log = retried(stories)
    async with unread(gateway) as slow, packets(gateway) as fast:
        for client in (slow, fast):
            assert (await client.connect(NAMESPACE, {"after": {log.id: 0}})).startswith("40")
        told = [await fast.event() for _ in range(2 * (2 * RUNS + 1))]
        await until(lambda: is_held_up(gateway))
        assert max(each.transport.get_write_buffer_size() for each in gateway.server.server_state.connections) < 200_000
        late = [await slow.event() for _ in told]

    assert told == late
    cursors = [content["cursor"] for name, content in told if name == "story:cursor"]
    assert [1, *[each for n in range(2, RUNS + 2) for each in (f"{n - 1}.1", n)]] == cursors


async def test_who_does_not_poll_costs_a_bounded_queue_and_misses_nothing(
    gateway: Gateway, stories: ScriptedStories
) -> None:
    """What waits is fetched poll by poll."""
    log = retried(stories)
    session = await polling(gateway)
    await session.send(f"40/stories,{json.dumps({'after': {log.id: 0}})}")
    await until(lambda: max(waiting(gateway)) >= MOST_BYTES)
    await asyncio.sleep(0.2)
    assert max(waiting(gateway)) <= MOST_BYTES + LONGEST_PACKET

    told = events(await session.fetched(2 * (2 * RUNS + 1) + 1))
    assert RUNS + 1 == sum(name == "story:processing:start" for name, _ in told)
    assert RUNS + 1 == told[-1][1]["cursor"]


async def test_who_asks_much_and_fetches_nothing_is_read_no_more(
    open_gateway: OpenGateway, server: ScriptedServer
) -> None:
    """Acknowledgements are bounded as well: those who ask have to wait for their own answers."""
    asks = "\x1e".join(['42/stories,1["story:leave",{"storyId":"story-1"}]'] * 250)
    async with open_gateway(server.address, messages_at_once=10_000) as gateway:
        session = await polling(gateway)
        await session.send("40/stories,")

        async def ask() -> set[int]:
            return {(await session.send(asks)).status_code for _ in range(6)}

        asking = asyncio.create_task(ask())
        await until(lambda: max(waiting(gateway)) >= MOST_BYTES)
        await asyncio.sleep(0.3)
        assert max(waiting(gateway)) <= MOST_BYTES + LONGEST_PACKET
        assert not asking.done()

        assert 1501 == len(await session.fetched(1501))
        assert {200} == await asking


async def test_a_closing_gateway_does_not_wait_for_who_does_not_read(
    gateway: Gateway, stories: ScriptedStories
) -> None:
    """It ends in time."""
    log = retried(stories)
    async with unread(gateway) as client:
        await client.connect(NAMESPACE, {"after": {log.id: 0}})
        await until(lambda: is_held_up(gateway))
        async with asyncio.timeout(10):
            await gateway.end()
    assert 0 == gateway.house.connections
