"""Streams of family D whose clients read slowly, and pages without authentication."""

from __future__ import annotations

import asyncio
import socket

from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.plain_clients import streamed
from tests.integration.gateway.test_slow_readers import HIGH_WATER_BYTES, most_buffered
from tests.scripted_service import ScriptedLog, ScriptedStories

DRAFT_BYTES = 20_000


def draft(log: ScriptedLog, number: int) -> None:
    """Append a chapter that brings a large draft."""
    text = f"{number} ".ljust(DRAFT_BYTES, "x")
    log.finish("write-1", chapter={"number": 1, "title": "One", "text": text})


async def test_who_reads_nothing_costs_a_bounded_buffer_and_misses_nothing(
    gateway: Gateway, stories: ScriptedStories
) -> None:
    """Another stream has everything meanwhile; then everything comes, each event once."""
    log, count = stories.new(), 300
    log.finish("outline", outline={"title": "Boats", "chapters": [{"number": 1}]})
    loop, port = asyncio.get_running_loop(), gateway.house.settings.http_port
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        await loop.sock_connect(connection, ("127.0.0.1", port))
        ask = f"GET /run/stream/{log.id} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n"
        await loop.sock_sendall(connection, ask.encode())
        async with streamed(gateway, None, address=f"/run/stream/{log.id}") as (_, fast):
            for number in range(count):
                draft(log, number)
                assert f"{number} xx" in (await anext(fast)).data["draft"]
                assert most_buffered(gateway) <= HIGH_WATER_BYTES + 2 * DRAFT_BYTES
            assert most_buffered(gateway) > HIGH_WATER_BYTES
            log.succeed(story={"text": "The end."})
            assert ["progress", "complete"] == [event.name async for event in fast]
        text = b""
        while data := await loop.sock_recv(connection, 65536):
            text += data

    assert count == text.count(b"event: draft\n")
    assert text.count(b"event: complete\n") == 1


async def test_without_authentication_any_token_will_do(gateway: Gateway, stories: ScriptedStories) -> None:
    """And none."""
    for token in ("", "any"):
        async with streamed(gateway, {"prompt": "Fog"}, token) as (response, _):
            assert 200 == response.status_code
    assert 2 == len(stories.logs)
