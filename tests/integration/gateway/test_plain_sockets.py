"""The WebSocket door under a server without pipes: any ASGI server that knows WebSockets will do."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.integration.gateway.clients import PROTO, Gateway, sequences
from tests.integration.gateway.conftest import OpenGateway
from tests.integration.gateway.test_websocket import close_code
from tests.scripted_service import ScriptedServer, ScriptedStories


@pytest.fixture
async def plain(open_gateway: OpenGateway, server: ScriptedServer) -> AsyncIterator[Gateway]:
    """A gateway under uvicorn's own protocol."""
    async with open_gateway(server.address, plain=True, keepalive_seconds=0.2) as running:
        yield running


async def test_a_story_is_watched_while_it_grows(plain: Gateway, stories: ScriptedStories) -> None:
    """History, news and the end come in order, in both encodings of the same log, with signs of life between."""
    log = stories.new()
    log.write("x")
    async with plain.socket() as first, plain.socket() as second, plain.socket(PROTO) as binary:
        for socket in (first, second):
            await socket.subscribe(log.id)
            assert [1, 2] == sequences(await socket.take(2))
        assert {"keepAlive": {}} == await first.next()
        assert isinstance(await binary.connection.recv(), bytes)
        log.write("y")
        log.append(succeeded={})

        assert [3, 4] == sequences(await first.until_end())
        assert [3, 4] == sequences(await second.until_end())


async def test_a_slow_reader_holds_nobody_up(plain: Gateway, stories: ScriptedStories) -> None:
    """What one does not read another gets, and it gets everything itself when it reads."""
    log = stories.new()
    async with plain.socket(max_queue=1) as slow, plain.socket() as fast:
        await slow.subscribe(log.id)
        await fast.subscribe(log.id)
        for _ in range(100):
            log.write("x" * 60_000)
        log.append(succeeded={})

        assert list(range(1, 103)) == sequences(await fast.until_end())
        assert list(range(1, 103)) == sequences(await slow.until_end())


async def test_clients_are_asked_to_come_back(plain: Gateway, stories: ScriptedStories) -> None:
    """A gateway that ends closes with 1012 here, too."""
    log = stories.new()
    async with plain.socket() as socket:
        await socket.subscribe(log.id)
        plain.server.stop()

        assert 1012 == await close_code(socket)
