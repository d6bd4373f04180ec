"""What clients may hold and say at each door, and what they are told when that is too much."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
import websockets
from google.rpc import error_details_pb2

from fabula.api.story.v1 import story_pb2
from fabula.rpc.kinds import STORY
from gateway.protocols import PipedWebSocket
from gateway.strict_websocket import PIECE_BYTES
from tests.integration.gateway.clients import Gateway, Socket
from tests.integration.gateway.conformance import wire
from tests.integration.gateway.conftest import OpenGateway
from tests.integration.gateway.grpc_web_client import GrpcWeb, framed
from tests.integration.gateway.plain_clients import refusal, told
from tests.integration.gateway.socket_io_clients import QUERY, STORIES, packets, polling
from tests.integration.gateway.test_websocket import close_code
from tests.integration.gateway.tokens import SECRET, token
from tests.scripted_service import ScriptedImages, ScriptedLog, ScriptedServer, ScriptedStories, until

LOOPBACK = ("127.0.0.0/8",)
TASKS = "/ws/image-generation/"
PROGRESS = "/api/v1/stories/progress/"


def via(address: str, owner: str = "") -> dict[str, str]:
    """Return the headers that a proxy sends for a client."""
    headers = {"x-forwarded-for": address}
    return {**headers, "authorization": f"Bearer {token(owner)}"} if owner else headers


def met(gateway: Gateway, limit: str) -> float:
    """Return how often a limit was met."""
    return gateway.house.metrics.registry.get_sample_value("fabula_gateway_limits_total", {"limit": limit}) or 0.0


@pytest.fixture
async def guarded() -> AsyncIterator[ScriptedServer]:
    """Services that ask for tokens."""
    running = ScriptedServer(ScriptedStories(SECRET), ScriptedImages(SECRET))
    await running.start()
    yield running
    await running.stop()


async def answers(gateway: Gateway, log: ScriptedLog, headers: dict[str, str]) -> dict[str, tuple[int, str, bool]]:
    """Knock at every door; return its status or close code, the limit that it names, and whether it says when."""
    found: dict[str, tuple[int, str, bool]] = {}
    async with gateway.socket(additional_headers=headers) as socket:
        error = (await socket.next()).get("error", {})
        assert "RESOURCE_EXHAUSTED" == error["code"]
        found["websocket"] = (await close_code(socket), error["details"]["limit"], error["retryable"])
    plain: dict[str, Any] = {"additional_headers": headers}
    for name, address in (("tasks", f"{TASKS}task-1"), ("progress", f"{PROGRESS}{log.id}")):
        status, content = await refusal(gateway, address, **plain)
        found[name] = (status, content["error"]["details"]["limit"], content["error"]["retryable"])
    for name, address in (
        ("sse", f"/v1/generations/{log.id}/events"),
        ("stream", f"/run/stream/{log.id}"),
        ("waiting", f"/run/{log.id}"),
        ("log", f"/v1/generations/{log.id}/log/events"),
        ("lines", f"/v1/generations/{log.id}/log"),
        ("picture", f"/v1/images/image-{log.id.removeprefix('story-')}"),
        ("feed", "/v1/generations/events"),
    ):
        found[name] = limit_of(await gateway.http.get(address, headers={**headers, "accept": "application/x-ndjson"}))
    for name, address in (("run", "/run"), ("begun", "/run/stream"), ("painting", "/api/media/generate")):
        found[name] = limit_of(await gateway.http.post(address, headers=headers, json={"prompt": "an owl"}))
    call = await GrpcWeb(gateway.http).call(STORY.path("WatchProgress"), _watch(log), **headers)
    info, retry = call.detail(error_details_pb2.ErrorInfo()), call.detail(error_details_pb2.RetryInfo())
    assert (8, "RESOURCE_EXHAUSTED") == (call.code, call.reason)
    found["grpc-web"] = (429, info.metadata["limit"], retry.retry_delay.seconds > 0)
    return found


def begun_at(server: ScriptedServer) -> list[ScriptedLog]:
    """Return all that was begun."""
    assert server.images is not None
    return [*server.stories.logs.values(), *server.images.logs.values()]


def limit_of(response: httpx.Response) -> tuple[int, str, bool]:
    """Return an answer's status, the limit that it names, and whether it says when to come back."""
    limit = response.json().get("error", {}).get("details", {}).get("limit", "")
    return response.status_code, limit, "retry-after" in response.headers


def _watch(log: ScriptedLog) -> story_pb2.WatchProgressRequest:
    return story_pb2.WatchProgressRequest(generation_id=log.id)


async def test_connections_of_one_address_are_bounded_at_every_door(
    open_gateway: OpenGateway, server: ScriptedServer
) -> None:
    """Whatever door the others came by; other addresses are let in, and this one again when one has gone."""
    log = server.stories.new()
    settings: dict[str, Any] = {"max_connections_per_address": 2, "trusted_proxies": LOOPBACK}
    async with open_gateway(server.address, **settings) as gateway:
        one, other = via("2001:db8::1"), via("2001:db8:0:0:ffff::2")  # of the same /64
        async with gateway.socket(additional_headers=one), packets(gateway, additional_headers=other):
            told_so = await answers(gateway, log, one)
            polled = await gateway.http.get(f"{STORIES}{QUERY}polling", headers=one)
            with pytest.raises(websockets.InvalidStatus) as denied:
                async with packets(gateway, additional_headers=one):
                    pass
            async with gateway.socket(additional_headers=via("192.0.2.7")) as stranger:
                assert "done" in await stranger.subscribe(log.id)
        await until(lambda: not gateway.house.connections)
        async with gateway.socket(additional_headers=one) as again:
            assert "done" in await again.subscribe(log.id)
        await until(lambda: not gateway.house.connections)

        limit = "connections_per_address"
        assert (4429, limit, True) == told_so.pop("websocket")
        assert {(429, limit, True)} == set(told_so.values())
        assert [log] == begun_at(server)
        assert [429, 429] == [polled.status_code, denied.value.response.status_code]
        assert limit == polled.json()["error"]["details"]["limit"]
        assert len(told_so) + 3 == met(gateway, limit)
        assert 0 == gateway.house.places.keys


@pytest.mark.parametrize("trusted", [(), ("192.0.2.0/24",)])
async def test_only_proxies_that_are_trusted_say_who_is_behind_them(
    open_gateway: OpenGateway, server: ScriptedServer, trusted: tuple[str, ...]
) -> None:
    """A client cannot make itself many by a header."""
    settings: dict[str, Any] = {"max_connections_per_address": 1, "trusted_proxies": trusted}
    async with (
        open_gateway(server.address, **settings) as gateway,
        gateway.socket(additional_headers=via("192.0.2.1")),
        gateway.socket(additional_headers=via("192.0.2.2")) as second,
    ):
        assert 4429 == await close_code(second)


async def test_the_nearest_address_that_is_no_proxy_counts(open_gateway: OpenGateway, server: ScriptedServer) -> None:
    """What a client writes into the header itself stands before what its proxy adds."""
    settings: dict[str, Any] = {"max_connections_per_address": 1, "trusted_proxies": (*LOOPBACK, "10.0.0.0/8")}
    async with (
        open_gateway(server.address, **settings) as gateway,
        gateway.socket(additional_headers=via("198.51.100.1, 192.0.2.1, 10.0.0.9")),
        gateway.socket(additional_headers=via("198.51.100.2, 192.0.2.1, 10.0.0.8")) as second,
    ):
        assert 4429 == await close_code(second)


async def test_connections_of_one_owner_are_bounded_at_every_door(
    open_gateway: OpenGateway, guarded: ScriptedServer
) -> None:
    """From wherever they come; another owner is let in."""
    log = guarded.stories.new(1, "ada")
    settings: dict[str, Any] = {"max_connections_per_owner": 2, "trusted_proxies": LOOPBACK, "jwt_secret": SECRET}
    async with open_gateway(guarded.address, **settings) as gateway, AsyncExitStack() as stack:
        await stack.enter_async_context(gateway.socket(additional_headers=via("192.0.2.1", "ada")))
        rooms = await stack.enter_async_context(packets(gateway))
        assert (await rooms.connect("/stories", {"token": token("ada")})).startswith("40")
        told_so = await answers(gateway, log, via("192.0.2.3", "ada"))
        late = await stack.enter_async_context(packets(gateway))
        refused = await late.connect("/stories", {"token": token("ada")})
        assert (await late.connect("/stories", {"token": token("bea")})).startswith("40")

        limit = "connections_per_owner"
        assert (4429, limit, True) == told_so.pop("websocket")
        assert {(429, limit, True)} == set(told_so.values())
        data = json.loads(refused.removeprefix("44/stories,"))["data"]
        assert ("RESOURCE_EXHAUSTED", limit) == (data["code"], data["details"]["limit"])
        assert [log] == begun_at(guarded)
        assert len(told_so) + 2 == met(gateway, limit)


async def test_without_authentication_owners_are_not_told_apart(
    open_gateway: OpenGateway, server: ScriptedServer
) -> None:
    """As all are the same."""
    async with (
        open_gateway(server.address, max_connections_per_owner=1) as gateway,
        gateway.socket(),
        gateway.socket() as second,
    ):
        assert "done" in await second.subscribe(server.stories.new().id)


async def test_watchers_of_one_generation_are_bounded_at_every_door(
    open_gateway: OpenGateway, server: ScriptedServer
) -> None:
    """Where a socket is for one generation it is refused before it is open; so it is where that has not begun."""
    log = server.stories.new()
    async with open_gateway(server.address, max_watchers=1) as gateway, gateway.socket() as first:
        await first.subscribe(log.id)
        async with gateway.socket() as second:
            error = (await second.subscribe(log.id))["error"]
        progress = await refusal(gateway, f"{PROGRESS}{log.id}")
        events = await gateway.http.get(f"/v1/generations/{log.id}/events")
        async with told(gateway, f"{TASKS}task-1"):
            task = await refusal(gateway, f"{TASKS}task-1")
            async with told(gateway, f"{TASKS}task-2"):
                pass

        assert ("watchers", True) == (error["details"]["limit"], error["retryable"])
        assert [429, 429, 429] == [progress[0], events.status_code, task[0]]
        assert "retry-after" in events.headers
        assert 4 == met(gateway, "watchers")


# --- messages --------------------------------------------------------------------------------------------------------


async def flood(socket: Socket, count: int) -> list[dict[str, Any]]:
    """Send so many frames; return the answers until the socket is closed, or all are answered."""
    for _ in range(count):
        await socket.send(unsubscribe={"generationId": "story-x"})
    found: list[dict[str, Any]] = []
    try:
        while len(found) < count:
            found.append(await socket.next())
    except websockets.ConnectionClosed:
        pass
    return found


async def test_who_says_too_much_on_a_socket_is_told_and_sent_away(
    open_gateway: OpenGateway, server: ScriptedServer
) -> None:
    """Who says as much as is allowed is not; others are not concerned."""
    settings: dict[str, Any] = {"messages_at_once": 10, "messages_per_second": 0.01}
    async with open_gateway(server.address, **settings) as gateway, gateway.socket() as calm, gateway.socket() as loud:
        told_so = await flood(loud, 11)
        assert 4429 == await close_code(loud)
        assert 10 == len(await flood(calm, 10))

        error = told_so[-1]["error"]
        assert [True] * 10 == ["done" in frame for frame in told_so[:-1]]
        assert ("messages", "1000") == (error["details"]["limit"], error["details"]["retry_after_seconds"])
        assert 1 == met(gateway, "messages")


async def test_who_says_too_much_over_socket_io_is_sent_away(open_gateway: OpenGateway, server: ScriptedServer) -> None:
    """Over both transports."""
    asks = ['42/stories,["story:leave",{"storyId":"story-1"}]'] * 10
    settings: dict[str, Any] = {"messages_at_once": 10, "messages_per_second": 0.01}
    async with open_gateway(server.address, **settings) as gateway, packets(gateway) as client:
        await client.connect("/stories")
        for ask in asks:
            await client.send(ask)
        assert 4429 == await client.closed()
        session = await polling(gateway)
        await session.send("\x1e".join(["40/stories,", *asks]))
        await until(lambda: not gateway.house.connections)

        assert 2 == met(gateway, "messages")


async def test_who_pings_without_end_is_sent_away(open_gateway: OpenGateway, server: ScriptedServer) -> None:
    """Pings of the protocol cost something, too."""
    settings: dict[str, Any] = {"messages_at_once": 10, "messages_per_second": 0.01}
    async with open_gateway(server.address, **settings) as gateway, gateway.socket() as socket:
        for number in range(11):
            await socket.connection.ping(str(number))
        assert 1008 == await close_code(socket)
        assert 1 == met(gateway, "messages")


@pytest.mark.parametrize(
    ("begin", "small"),
    [(b"", (wire.PONG, b"", True)), (wire.frame(wire.TEXT, b"{", fin=False), (wire.CONT, b"", False))],
    ids=["pongs", "fragments"],
)
async def test_who_sends_frames_that_are_no_messages_without_end_is_sent_away(
    open_gateway: OpenGateway, server: ScriptedServer, begin: bytes, small: tuple[int, bytes, bool]
) -> None:
    """Pongs that nobody asked for, and parts of a message that add nothing to it: each costs as much as a message."""
    opcode, payload, fin = small
    settings: dict[str, Any] = {"messages_at_once": 10, "messages_per_second": 0.01}
    async with open_gateway(server.address, **settings) as gateway, wire.socket_wire(gateway.host, "/v1/ws") as opened:
        await opened.send(begin + wire.frame(opcode, payload, fin=fin) * 11)
        assert 1008 == (await opened.rest()).code
        assert 1 == met(gateway, "messages")


async def test_what_has_come_together_is_read_as_fast_as_it_is_taken(
    open_gateway: OpenGateway, server: ScriptedServer
) -> None:
    """Or one client's empty messages, 40,000 in a quarter of a megabyte, would be read while everybody waits."""
    async with open_gateway(server.address) as gateway, wire.socket_wire(gateway.host, "/v1/ws") as opened:
        (socket,) = [each for each in gateway.server.server_state.connections if isinstance(each, PipedWebSocket)]
        message = wire.frame(wire.TEXT, b'{"unsubscribe":{"generationId":"story-1"}}')
        socket.data_received(message * 1_000)
        assert 1 + PIECE_BYTES // len(message) >= socket.queue.qsize()
        assert 4429 == (await opened.rest()).code


# --- requests --------------------------------------------------------------------------------------------------------


async def test_requests_of_one_address_are_bounded_where_that_is_wanted(
    open_gateway: OpenGateway, server: ScriptedServer
) -> None:
    """Handshakes count as well; operators, and other addresses, may ask."""
    settings: dict[str, Any] = {"requests_per_second": 0.01, "requests_at_once": 2, "trusted_proxies": LOOPBACK}
    async with open_gateway(server.address, **settings) as gateway:
        one = via("192.0.2.1")
        for _ in range(2):
            assert 200 == (await gateway.http.get("/v1/stories", headers=one)).status_code
        refused = await gateway.http.get("/v1/stories", headers=one)
        with pytest.raises(websockets.InvalidStatus) as denied:
            async with gateway.socket(additional_headers=one):
                pass
        assert {200} == {(await gateway.http.get("/healthz", headers=one)).status_code for _ in range(5)}
        assert 200 == (await gateway.http.get("/v1/stories", headers=via("192.0.2.2"))).status_code

        assert (429, "requests") == (refused.status_code, refused.json()["error"]["details"]["limit"])
        assert "retry-after" in refused.headers
        assert 429 == denied.value.response.status_code
        assert 2 == met(gateway, "requests")


async def test_pages_that_are_allowed_can_read_how_long_to_wait(
    open_gateway: OpenGateway, server: ScriptedServer
) -> None:
    """And what has failed; to others it is a failure of the network, as it is without CORS."""
    settings: dict[str, Any] = {"requests_per_second": 0.01, "requests_at_once": 1, "allowed_origins": "https://a.test"}
    async with open_gateway(server.address, **settings) as gateway:
        page, other = {"origin": "https://a.test"}, {"origin": "https://b.test"}
        gateway.house.hub = None  # type: ignore[assignment]  # a fault that nobody foresees
        failed = await gateway.http.get(f"/v1/generations/{server.stories.new().id}/events", headers=page)
        refused = await gateway.http.get("/v1/stories", headers=page)
        asked = await gateway.http.options("/v1/stories", headers={**page, "access-control-request-method": "POST"})
        strange = await gateway.http.get("/v1/stories", headers=other)

        assert [500, 429, 200, 429] == [each.status_code for each in (failed, refused, asked, strange)]
        for answer in (failed, refused):
            assert "https://a.test" == answer.headers["access-control-allow-origin"]
            assert "true" == answer.headers["access-control-allow-credentials"]
        assert "retry-after" in refused.headers["access-control-expose-headers"]
        assert "access-control-allow-origin" not in strange.headers


@pytest.mark.parametrize("announced", [True, False])
async def test_bodies_are_bounded(open_gateway: OpenGateway, server: ScriptedServer, *, announced: bool) -> None:
    """By their announced length, and as they come."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b'{"premise":"'
        yield b"x" * 2048

    content = b'{"premise":"' + b"x" * 2048 if announced else pieces()
    async with open_gateway(server.address, max_body_bytes=2048) as gateway:
        response = await gateway.http.post("/v1/stories", content=content, headers={"content-type": "application/json"})
        assert (413, "PAYLOAD_TOO_LARGE") == (response.status_code, response.json()["error"]["code"])
        assert 1 == met(gateway, "body_bytes")


async def test_what_all_bodies_hold_together_is_bounded(open_gateway: OpenGateway, server: ScriptedServer) -> None:
    """At every door that reads them; small ones get through, and all do when it is over."""
    async with open_gateway(server.address, max_bodies_bytes=1 << 20, max_body_bytes=1 << 20) as gateway:
        _, writer = await asyncio.open_connection("127.0.0.1", gateway.house.settings.http_port)
        head = f"POST /v1/stories HTTP/1.1\r\nhost: {gateway.host}\r\ncontent-type: application/json\r\n"
        writer.write(f"{head}content-length: {1 << 20}\r\n\r\n".encode() + b" " * ((1 << 20) - 1))
        await until(lambda: gateway.house.bodies.held > 900_000)
        large = {"premise": "An owl.", "requestId": "x" * 200_000}
        files: dict[str, Any] = {"file": ("a.txt", b"x" * 200_000), "title": (None, "An owl")}
        refused = [
            await gateway.http.post("/v1/stories", json=large),
            await gateway.http.post("/run", json=large),
            await gateway.http.post("/api/v1/stories", files=files),
        ]
        call = await GrpcWeb(gateway.http).call(STORY.path("StartGeneration"), framed(b"x" * 200_000))
        small = await gateway.http.post("/v1/stories", json={"premise": "An owl."})
        writer.close()
        await until(lambda: not gateway.house.bodies.held)
        later = await gateway.http.post("/api/v1/stories", files=files)

        assert {(503, "bodies_bytes", True)} == {limit_of(response) for response in refused}
        assert (14, "UNAVAILABLE") == (call.code, call.reason)
        assert [202, 202] == [small.status_code, later.status_code]
        assert 4 == met(gateway, "bodies_bytes")


async def test_who_need_not_say_who_he_is_sends_little(gateway: Gateway) -> None:
    """The name of a service, if anything."""
    call = await GrpcWeb(gateway.http).call("/grpc.health.v1.Health/Check", framed(b"x" * 5000))
    assert (8, "the message has 5000 bytes, and may have 4096") == (call.code, call.message)


@pytest.mark.parametrize(("address", "beside"), [("/v1/stories", "request"), ("/api/v1/stories", "title")])
async def test_files_are_bounded(open_gateway: OpenGateway, server: ScriptedServer, address: str, beside: str) -> None:
    """Each by itself, whatever the body may be."""
    files: dict[str, Any] = {"file": ("a.txt", b"x" * 2049), beside: (None, "{}")}
    async with open_gateway(server.address, max_file_bytes=2048) as gateway:
        response = await gateway.http.post(address, files=files)
        assert (413, "PAYLOAD_TOO_LARGE") == (response.status_code, response.json()["error"]["code"])
        assert 1 == met(gateway, "file_bytes")


async def test_a_body_that_says_it_is_huge_is_not_waited_for(gateway: Gateway) -> None:
    """Nothing of it is read."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.house.settings.http_port)
    head = f"POST /v1/stories HTTP/1.1\r\nhost: {gateway.host}\r\ncontent-type: application/json\r\n"
    writer.write(f"{head}content-length: {1 << 40}\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()

    assert answer.startswith(b"HTTP/1.1 413")
    assert b"connection: close" in answer.lower()
