"""Clients that send next to nothing for a long time, or much too much at once: each is cut off in time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from gateway import guard, http_protocol
from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conftest import OpenGateway
from tests.integration.gateway.test_limits import met
from tests.scripted_service import ScriptedServer, until

HEAD = b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"
HANDSHAKE = (
    b"GET /v1/ws HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
POST = b"POST /v1/stories HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n"


class Line:
    """A TCP connection, written to and read by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    @asynccontextmanager
    async def to(cls, gateway: Gateway) -> AsyncIterator[Line]:
        """Open one, for as long as the block lasts."""
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.house.settings.http_port)
        yield cls(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def dribble(self, data: bytes, seconds: float) -> None:
        """Send byte after byte until it is all sent, or the other side has closed."""
        for byte in data:
            if self.reader.at_eof():
                return
            self.writer.write(bytes((byte,)))
            await asyncio.sleep(seconds)

    async def rest(self) -> bytes:
        """Return what comes until the other side closes."""
        found = b""
        with suppress(ConnectionError):
            async with asyncio.timeout(10):
                while data := await self.reader.read(65536):
                    found += data
        return found


def http_connections(gateway: Gateway) -> list[http_protocol.GuardedHttp]:
    """Return the server's side of all connections that are no WebSockets."""
    every = gateway.server.server_state.connections
    return [each for each in every if isinstance(each, http_protocol.GuardedHttp)]


def open_connections(gateway: Gateway) -> float | None:
    """Return how many TCP connections are counted."""
    return gateway.house.metrics.registry.get_sample_value("fabula_gateway_tcp_connections")


@pytest.mark.parametrize("data", [b"", HEAD[:-4], HANDSHAKE])
async def test_a_head_that_does_not_come_is_not_waited_for(
    open_gateway: OpenGateway, server: ScriptedServer, data: bytes
) -> None:
    """Nothing at all, and byte after byte; of a WebSocket's handshake as well."""
    async with open_gateway(server.address, head_seconds=0.3) as gateway, Line.to(gateway) as line:
        sending = asyncio.create_task(line.dribble(data * 9, 0.01))
        answer = await line.rest()
        await sending

        assert answer.startswith(b"HTTP/1.1 408")
        assert b"REQUEST_TIMEOUT" in answer
        assert 1 == met(gateway, "head_seconds")
        await until(lambda: open_connections(gateway) == 0)


@pytest.mark.parametrize("more", [b"", b"\r\n", b"\r\n\r\n", HEAD[:20]])
async def test_an_idle_connection_is_not_kept(open_gateway: OpenGateway, server: ScriptedServer, more: bytes) -> None:
    """After a request, whatever does not become another one is cut."""
    async with open_gateway(server.address, idle_seconds=0.2, head_seconds=0.3) as gateway, Line.to(gateway) as line:
        line.writer.write(HEAD)
        assert (await line.reader.readuntil(b"}")).startswith(b"HTTP/1.1 200")
        line.writer.write(more)
        assert (await line.rest())[:12] in {b"", b"HTTP/1.1 400", b"HTTP/1.1 408"}
        await until(lambda: open_connections(gateway) == 0)


async def test_a_connection_that_is_used_is_kept(open_gateway: OpenGateway, server: ScriptedServer) -> None:
    """Times begin anew with each request."""
    async with open_gateway(server.address, idle_seconds=5, head_seconds=0.3) as gateway, Line.to(gateway) as line:
        for _ in range(3):
            line.writer.write(HEAD)
            assert (await line.reader.readuntil(b"}")).startswith(b"HTTP/1.1 200")
            await asyncio.sleep(0.4)
        assert 0 == met(gateway, "head_seconds")


async def test_a_body_that_does_not_come_is_not_waited_for(open_gateway: OpenGateway, server: ScriptedServer) -> None:
    """Byte after byte; what waited for it is given up."""
    async with open_gateway(server.address, body_seconds=0.3) as gateway, Line.to(gateway) as line:
        line.writer.write(POST)
        sending = asyncio.create_task(line.dribble(b'{"premise":"' + b"x" * 80, 0.01))
        answer = await line.rest()
        await sending

        assert answer.startswith(b"HTTP/1.1 408")
        assert 1 == met(gateway, "body_seconds")
        await until(lambda: not gateway.server.server_state.tasks)


async def test_a_long_body_that_comes_steadily_is_waited_for(
    open_gateway: OpenGateway, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has more time the more of it has come."""
    monkeypatch.setattr(http_protocol, "BODY_BYTES_PER_SECOND", 1000)
    body = json.dumps({"premise": "x" * 1000}).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 100):
            yield body[start : start + 100]
            await asyncio.sleep(0.05)

    async with open_gateway(server.address, body_seconds=0.3) as gateway:
        headers = {"content-type": "application/json", "content-length": str(len(body))}
        response = await gateway.http.post("/v1/stories", content=pieces(), headers=headers)
        assert 408 != response.status_code
        assert 0 == met(gateway, "body_seconds")


async def test_a_body_in_tiny_chunks_is_read_in_turns(open_gateway: OpenGateway, server: ScriptedServer) -> None:
    """Each chunk costs as much as a large one: others are not to wait for all that have come together."""
    head = POST.replace(b"content-length: 99", b"transfer-encoding: chunked\r\nconnection: close")
    body = b'{"premise":"An owl."}' + b" " * 5_000
    async with open_gateway(server.address) as gateway, Line.to(gateway) as line:
        line.writer.write(head)
        await until(lambda: any(each.cycle is not None for each in http_connections(gateway)))
        (connection,) = [each for each in http_connections(gateway) if each.cycle is not None]
        connection.data_received(b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n")
        assert len(connection.cycle.body) <= http_protocol.EVENTS_AT_ONCE
        assert connection.flow.read_paused
        assert b"HTTP/1.1 202" == (await line.rest())[:12]


async def test_what_follows_an_answer_is_not_thrown_away_for_ever(
    open_gateway: OpenGateway, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body that nobody has asked for, however fast it comes."""
    monkeypatch.setattr(http_protocol, "MOST_DISCARDED_BYTES", 10_000)
    head = POST.replace(b"POST /v1/stories", b"POST /nowhere").replace(b": 99", b": 99999999")
    async with open_gateway(server.address) as gateway, Line.to(gateway) as line:
        line.writer.write(head)
        assert b"HTTP/1.1 404" == (await line.reader.readuntil(b"\r\n\r\n"))[:12]
        line.writer.write(b"x" * 20_000)
        await line.rest()
        assert line.reader.at_eof()


async def test_a_stream_that_is_followed_has_no_such_time(open_gateway: OpenGateway, server: ScriptedServer) -> None:
    """Once its request is there it lasts."""
    log = server.stories.new()
    settings: dict[str, Any] = {"head_seconds": 0.2, "body_seconds": 0.2, "idle_seconds": 0.2}
    async with (
        open_gateway(server.address, **settings) as gateway,
        gateway.events(log.id) as (_, stream),
        gateway.socket() as socket,
    ):
        await socket.subscribe(log.id)
        await asyncio.sleep(0.8)
        log.append(succeeded={})
        assert "ended" in (await socket.until_end())[-1]
        assert ["event", "event", "ended"] == [event.name async for event in stream if event.name]


# --- sizes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        (b"GET /healthz?" + b"x" * 8000 + b" HTTP/1.1\r\nhost: h\r\n\r\n", 414, b"ADDRESS_TOO_LONG"),
        (b"GET /healthz HTTP/1.1\r\nhost: h\r\nx: " + b"x" * 17_000 + b"\r\n\r\n", 431, b"HEADERS_TOO_LARGE"),
        (b"GET /healthz HTTP/1.1\r\nhost: h\r\n" + b"x: y\r\n" * 129 + b"\r\n", 431, b"HEADERS_TOO_LARGE"),
        (b"GET /healthz HTTP/1.1\r\nhost: h\r\nx: " + b"x" * 300_000, 431, b"HEADERS_TOO_LARGE"),
        (HANDSHAKE + b"x: " + b"x" * 8100 + b"\r\n\r\n", 431, b"HEADERS_TOO_LARGE"),
        (HANDSHAKE + b"x: y\r\n" * 129 + b"\r\n", 431, b"HEADERS_TOO_LARGE"),
        (HANDSHAKE.replace(b"/v1/ws", b"/v1/ws?" + b"x" * 8000) + b"\r\n", 414, b"ADDRESS_TOO_LONG"),
        (b"nonsense\r\n\r\n", 400, b"INVALID_REQUEST"),
    ],
)
async def test_heads_are_bounded(gateway: Gateway, head: bytes, status: int, code: bytes) -> None:
    """Whether they come at once or not, and for whatever they are; the connection is closed."""
    async with Line.to(gateway) as line:
        line.writer.write(head)
        answer = await line.rest()

    assert answer.startswith(b"HTTP/1.1 %d" % status)
    assert code in answer


async def test_a_head_as_large_as_allowed_is_read(gateway: Gateway) -> None:
    """A token of the largest size there is comes through, to sockets as well."""
    long = {"authorization": "Bearer " + "x" * 7168}
    assert 200 == (await gateway.http.get("/v1/stories", headers=long)).status_code
    async with gateway.socket(additional_headers=long) as socket:
        await socket.send(unsubscribe={"generationId": "story-x"})
        assert "done" in await socket.next()


# --- connections -----------------------------------------------------------------------------------------------------


async def test_tcp_connections_are_bounded(open_gateway: OpenGateway, server: ScriptedServer) -> None:
    """WebSockets and idle connections count; one too many is told when to come again; one that goes makes room."""
    async with open_gateway(server.address, max_tcp_connections=2) as gateway:
        async with gateway.socket(), Line.to(gateway):
            await until(lambda: open_connections(gateway) == 2)
            async with Line.to(gateway) as third:
                answer = await third.rest()
        await until(lambda: open_connections(gateway) == 0)
        assert 200 == (await gateway.http.get("/healthz")).status_code

        assert answer.startswith(b"HTTP/1.1 503")
        assert b"retry-after" in answer.lower()
        assert b"RESOURCE_EXHAUSTED" in answer
        assert 1 == met(gateway, "tcp_connections")


@pytest.mark.parametrize(("trusted", "refused"), [((), 1), (("127.0.0.1",), 0)])
async def test_tcp_connections_of_one_address_are_bounded(
    open_gateway: OpenGateway,
    server: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    trusted: tuple[str, ...],
    refused: int,
) -> None:
    """Unless it is a proxy's."""
    monkeypatch.setattr(guard, "SPARE_PER_ADDRESS", 1)
    settings: dict[str, Any] = {"max_connections_per_address": 1, "trusted_proxies": trusted}
    async with open_gateway(server.address, **settings) as gateway, Line.to(gateway), Line.to(gateway):
        await until(lambda: open_connections(gateway) == 2)
        async with Line.to(gateway) as third:
            third.writer.write(HEAD)
            status = (await third.reader.readline()).split()[1]

        assert (b"503" if refused else b"200") == status
        assert refused == met(gateway, "tcp_connections_per_address")
