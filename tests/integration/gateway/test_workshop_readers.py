"""Sockets of family A whose clients read slowly, under servers with and without pipes, and when the gateway ends."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from fabula.api.generation.v1 import generation_pb2
from gateway.fan import MOST_BYTES
from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conftest import OpenGateway
from tests.integration.gateway.plain_clients import told
from tests.integration.gateway.test_slow_readers import HIGH_WATER_BYTES, most_buffered
from tests.scripted_service import ScriptedLog, ScriptedServer, ScriptedStories, until

PROGRESS = "/api/v1/stories/progress/"
LONG = "x" * 20_000
"""What agents are called, so that updates are large."""


def advance(log: ScriptedLog, number: int) -> None:
    """Append an event that brings a large update."""
    log.append(advanced={})
    event = log.responses[-1].event
    event.progress.fraction, event.progress.stage = number / 1000, "write-1"
    event.progress.active_agents.append(LONG)


async def connected(gateway: Gateway, address: str) -> tuple[socket.socket, ClientProtocol]:
    """Open a WebSocket whose system buffers hardly anything."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(connection, ("127.0.0.1", gateway.house.settings.http_port))
    protocol = ClientProtocol(parse_uri(f"ws://{gateway.host}{address}"), max_size=None)
    protocol.send_request(protocol.connect())
    await loop.sock_sendall(connection, b"".join(protocol.data_to_send()))
    while protocol.state is State.CONNECTING:
        protocol.receive_data(await loop.sock_recv(connection, 1))
    return connection, protocol


async def rest(connection: socket.socket, protocol: ClientProtocol) -> list[Any]:
    """Read everything that comes."""
    messages: list[Any] = []
    while data := await asyncio.get_running_loop().sock_recv(connection, 65536):
        protocol.receive_data(data)
        frames = [event for event in protocol.events_received() if isinstance(event, Frame)]
        messages += [json.loads(bytes(frame.data)) for frame in frames if frame.opcode is Opcode.TEXT]
        if protocol.close_rcvd is not None:
            break
    return messages


async def test_who_reads_nothing_costs_a_bounded_buffer_and_is_told_the_newest(
    gateway: Gateway, stories: ScriptedStories
) -> None:
    """Others are told everything meanwhile; who reads again is spared what was replaced, but never the end."""
    log, count = stories.new(), 400
    connection, protocol = await connected(gateway, f"{PROGRESS}{log.id}")
    with connection:
        async with told(gateway, f"{PROGRESS}{log.id}") as fast:
            await fast.next()
            for number in range(count):
                advance(log, number)
                assert number / 10 == (await fast.next())["progress"]
                assert most_buffered(gateway) <= HIGH_WATER_BYTES + MOST_BYTES
            assert most_buffered(gateway) > HIGH_WATER_BYTES
            log.append(succeeded={})
            assert ["completed"] == [update["stage"] for update in await fast.rest()]
        updates = await rest(connection, protocol)

    progress = [update["progress"] for update in updates[:-1]]
    assert sorted(progress) == progress
    assert "completed" == updates[-1]["stage"]
    assert len(updates) < count - HIGH_WATER_BYTES // len(LONG)
    assert protocol.close_rcvd is not None
    assert 1000 == protocol.close_rcvd.code


@pytest.mark.parametrize("plain", [False, True])
async def test_updates_come_with_and_without_pipes(
    open_gateway: OpenGateway, server: ScriptedServer, stories: ScriptedStories, *, plain: bool
) -> None:
    """Under any ASGI server: the newest first, then all, a clean close; and 1012 when the gateway ends."""
    log, lasting = stories.new(), stories.new(2)
    log.write("x")
    async with open_gateway(server.address, plain=plain, keepalive_seconds=0.2) as gateway:
        async with told(gateway, f"{PROGRESS}{log.id}") as first, told(gateway, f"{PROGRESS}{log.id}") as second:
            await first.next()
            await second.next()
            for number in range(3):
                advance(log, number)
            log.append(succeeded={})
            updates = await first.rest()
            assert [0, 0.1, 0.2, 0] == [update["progress"] for update in updates][-4:]
            assert updates == await second.rest()
            assert (1000, 1000) == (first.socket.close_code, second.socket.close_code)
        async with told(gateway, f"{PROGRESS}{lasting.id}") as client:
            await client.next()
            assert 1 == gateway.house.connections
            gateway.server.stop()
            assert 1012 == (await client.closed())[0]


async def test_an_entry_is_encoded_once_for_all(gateway: Gateway, stories: ScriptedStories) -> None:
    """The frames of all sockets are the same object, kept with the entry; they are counted under the door's name."""
    log = stories.new()
    async with told(gateway, f"{PROGRESS}{log.id}") as first, told(gateway, f"{PROGRESS}{log.id}") as second:
        await first.next()
        await second.next()
        ((shared),) = gateway.house.hub._shared.values()
        await until(lambda: len(next(iter(shared.fan._riders.values()), {})) == 2)
        advance(log, 1)
        assert await first.next() == await second.next()
        assert 1 == len([form for form, riders in shared.fan._riders.items() if riders])
    sent = gateway.house.metrics.registry.get_sample_value(
        "fabula_gateway_events_sent_total", {"door": "dialect_socket"}
    )
    assert 4 == sent


async def test_a_service_that_restarts_is_not_noticed(gateway: Gateway, stories: ScriptedStories) -> None:
    """The watch is taken up again behind the last event."""
    log = stories.new()
    async with told(gateway, f"{PROGRESS}{log.id}") as client:
        await client.next()
        log.cut()
        advance(log, 5)
        assert 0.5 == (await client.next())["progress"]


async def test_a_lost_cursor_is_answered_with_where_it_stands(gateway: Gateway, stories: ScriptedStories) -> None:
    """A cursor ahead of the log brings the newest state, not silence."""
    log = stories.new()
    async with told(gateway, f"{PROGRESS}{log.id}?after=77") as client:
        assert log.id == (await client.next())["generation_id"]
        log.append(failed={})
        assert ["failed"] == [update["stage"] for update in await client.rest()]


async def test_who_polls_is_told_the_place_in_the_queue(gateway: Gateway, stories: ScriptedStories) -> None:
    """The newest update, as a socket tells it, though it is in no log; also long after the socket was lost."""
    gateway.house.hub._linger_seconds = 0.2
    log = stories.new()
    log.responses[0].event.state = generation_pb2.STATE_QUEUED

    async def poll() -> dict[str, Any]:
        status: dict[str, Any] = (await gateway.http.get(f"/api/v1/stories/status/{log.id}")).json()
        assert "queued" == status.pop("status")
        return status

    async with told(gateway, f"{PROGRESS}{log.id}") as client:
        assert (await client.next())["stage_detail"] == (await poll())["stage_detail"] == "Waiting for a worker"
        log.show(waiting={})
        event = log.shown[-1].event
        event.state, event.progress.queue_position = generation_pb2.STATE_QUEUED, 2
        newest = await client.next()
        assert newest == await poll()
    for _ in range(10):  # each within the time that a watch is kept for who has left, all of them beyond it
        await asyncio.sleep(0.05)
        assert newest == await poll()

    assert "Waiting for a worker: 2 before this one" == newest["stage_detail"]
    await until(lambda: stories.open_watches == 0)


@pytest.mark.parametrize("query", ["", "?token=any", "?ticket=any", "?after="])
async def test_without_authentication_any_token_will_do(gateway: Gateway, stories: ScriptedStories, query: str) -> None:
    """And none, and parameters that nobody reads."""
    log = stories.new()
    for token in ("", "any token"):
        async with told(gateway, f"{PROGRESS}{log.id}{query}", token) as client:
            assert log.id == (await client.next())["generation_id"]
    answer = await gateway.http.get(f"/api/v1/stories/status/{log.id}", headers={"authorization": "Bearer any"})
    assert (200, "running") == (answer.status_code, answer.json()["status"])
