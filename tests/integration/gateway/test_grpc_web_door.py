"""The gateway's own door of gRPC-Web: who comes in, what is shared, what is refused, how it ends."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from google.rpc import error_details_pb2

from fabula.api.image.v1 import image_pb2
from fabula.api.story.v1 import story_pb2 as pb
from fabula.api.ticket.v1 import ticket_pb2
from fabula.engine.ids import address_of
from fabula.rpc.auth import LOCAL_OWNER
from fabula.rpc.kinds import IMAGE, STORY
from gateway.doors.grpc_web.wire import RequestReader
from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conftest import running_gateway
from tests.integration.gateway.grpc_web_client import BINARY, TEXT, GrpcWeb, framed
from tests.integration.gateway.tokens import SECRET, token
from tests.scripted_service import ScriptedImages, ScriptedServer, ScriptedStories, until

WATCH, GET = STORY.path("WatchProgress"), STORY.path("GetGeneration")
STRANGE = "https://elsewhere.example"


class Observed(ScriptedStories):
    """A story service that notes who calls, with how much time, and whose calls are given up.

    Attributes:
        seen: Metadata and seconds left, of each call.
        given_up: How many calls were cancelled while they waited.
    """

    def __init__(self, secret: str | None = None) -> None:
        super().__init__(secret)
        self.seen: list[tuple[dict[str, str], float | None]] = []
        self.given_up = 0

    async def GetGeneration(self, request: Any, context: Any) -> Any:  # noqa: N802
        """Answer when the test lets it."""
        await self._wait(context)
        return await super().GetGeneration(request, context)

    async def WatchGenerations(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        """Tell nothing but that the stream stands, until the test lets it."""
        await context.send_initial_metadata(())
        await self._wait(context)
        async for response in super().WatchGenerations(request, context):
            yield response

    async def _wait(self, context: Any) -> None:
        self.seen.append((dict(context.invocation_metadata()), context.time_remaining()))
        try:
            await self.slow.wait()
        except asyncio.CancelledError:
            self.given_up += 1
            raise


@pytest.fixture
async def observed() -> AsyncIterator[tuple[Observed, ScriptedServer]]:
    """Such a service, which asks for tokens."""
    stories = Observed(SECRET)
    server = ScriptedServer(stories, ScriptedImages(SECRET))
    await server.start()
    yield stories, server
    await server.stop()


@pytest.fixture
def web(gateway: Gateway) -> GrpcWeb:
    """A client of the default gateway."""
    return GrpcWeb(gateway.http)


def sequences(messages: list[bytes]) -> list[int]:
    """Return the sequences of a watch's messages."""
    return [pb.WatchProgressResponse.FromString(data).event.sequence for data in messages]


async def test_many_watchers_share_one_watch_in_all_forms(gateway: Gateway, stories: ScriptedStories) -> None:
    """With an event stream and a WebSocket beside them; each has everything, and the service sends it once."""
    log = stories.new()
    log.write("a")

    async def watch(content_type: str, **wish: Any) -> list[int]:
        answer = await GrpcWeb(gateway.http, content_type).call(
            WATCH, pb.WatchProgressRequest(generation_id=log.id, **wish)
        )
        assert 0 == answer.code
        return sequences(answer.messages)

    async with asyncio.TaskGroup() as tasks:
        watching = [tasks.create_task(watch(form, conflate=odd)) for form in (BINARY, TEXT) for odd in (False, True)]
        async with gateway.events(log.id) as (_, events), gateway.socket() as other:
            await other.subscribe(log.id)
            await until(lambda: gateway.house.hub._watchers[LOCAL_OWNER, log.id] == 6)
            for _ in range(10):
                log.write("b")
                await asyncio.sleep(0)
            log.append(succeeded={})
            streamed = [event.id async for event in events if event.name == "event"]
            await other.until_end()

    assert [list(range(1, 14))] * 4 == [each.result() for each in watching]
    assert [str(number) for number in range(1, 14)] == streamed
    assert 1 == len(stories.watches)


async def test_a_cursor_of_another_door_is_good_here_and_the_other_way_round(
    gateway: Gateway, web: GrpcWeb, stories: ScriptedStories
) -> None:
    """A cursor is the sequence of an event, everywhere."""
    log = stories.new()
    for _ in range(8):
        log.write("x")
    async with gateway.events(log.id) as (_, events):
        first = [int((await anext(events)).id or 0) for _ in range(4)]
    first = [number for number in first if number]
    async with web.open(WATCH, pb.WatchProgressRequest(generation_id=log.id, after_sequence=first[-1])) as answer:
        second = sequences([await answer.next() or b"" for _ in range(3)])
    log.append(succeeded={})
    async with gateway.events(log.id, f"?after={second[-1]}") as (_, events):
        third = [int(event.id or 0) async for event in events if event.name == "event"]

    assert list(range(1, 11)) == first + second + third


async def test_a_request_id_names_the_generation_it_starts(web: GrpcWeb, stories: ScriptedStories) -> None:
    """The gateway works the generation's id out as the services do."""
    log = stories.new()
    del stories.logs[log.id]
    log.id = address_of("story", LOCAL_OWNER, "mine-1").id
    stories.logs[log.id] = log
    log.append(succeeded={})
    answer = await web.call(WATCH, pb.WatchProgressRequest(request_id="mine-1"))

    assert [1, 2] == sequences(answer.messages)


@pytest.mark.parametrize(
    ("request_", "code", "field"),
    [
        (pb.WatchProgressRequest(), 3, "target"),
        (pb.WatchProgressRequest(request_id="a b"), 3, "request_id"),
        (pb.WatchProgressRequest(generation_id="x" * 65), 3, "generation_id"),
        (pb.WatchProgressRequest(generation_id="story-1"), 5, None),
        (pb.WatchProgressRequest(generation_id="image-00000000-0000-4000-8000-000000000001"), 5, None),
    ],
)
async def test_a_watch_is_checked_as_the_service_does(
    web: GrpcWeb, images: ScriptedImages, request_: Any, code: int, field: str | None
) -> None:
    """The rules of the contract hold, and a picture is no story."""
    images.new()
    answer = await web.call(WATCH, request_)

    assert code == answer.code
    if field is not None:
        assert field == answer.detail(error_details_pb2.BadRequest()).field_violations[0].field


async def test_a_slow_reader_holds_nobody_up_and_misses_nothing(
    gateway: Gateway, web: GrpcWeb, stories: ScriptedStories, images: ScriptedImages
) -> None:
    """The service is not read ahead of who does not read; others go on."""
    log = stories.new()
    painting = images.new()
    images.paint(painting, bytes(9_000_000))
    download = image_pb2.DownloadPictureRequest(generation_id=painting.id)
    request = pb.WatchProgressRequest(generation_id=log.id)
    async with web.open(WATCH, request) as slow, web.open(IMAGE.path("DownloadPicture"), download) as paused:
        await slow.next()
        await paused.next()
        for _ in range(600):
            log.write("x" * 20_000)
        log.append(succeeded={})
        quick = await web.call(WATCH, request)
        sent = images.sent
        await paused.all()
        await slow.all()

    assert list(range(1, 603)) == sequences(quick.messages) == sequences(slow.messages)
    assert sent < 6_000_000, "the service was read ahead"
    assert 9_000_000 == sum(len(image_pb2.DownloadPictureResponse.FromString(data).data) for data in paused.messages)


async def test_token_and_trace_go_on_and_so_does_the_deadline(observed: tuple[Observed, ScriptedServer]) -> None:
    """The service sees who calls, what it is part of, and how much time there is."""
    stories, server = observed
    log = stories.new(owner="ann")
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with running_gateway(server.address, jwt_secret=SECRET) as gateway:
        own = {"authorization": f"Bearer {token('ann')}", "traceparent": trace, "x-other": "kept here"}
        web = GrpcWeb(gateway.http)
        answer = await web.call(GET, pb.GetGenerationRequest(generation_id=log.id), grpc_timeout="7S", **own)
        await web.call(GET, pb.GetGenerationRequest(generation_id=log.id), **own)
    (seen, left), (_, usual) = stories.seen

    assert 0 == answer.code
    assert own["authorization"] == seen["authorization"]
    assert trace == seen["traceparent"]
    assert "x-other" not in seen
    assert left is not None
    assert usual is not None
    assert 5 < left < 8
    assert 13 < usual < 16


@pytest.mark.parametrize("rpc", ["GetGeneration", "WatchGenerations"])
async def test_who_hangs_up_ends_a_call_at_once(observed: tuple[Observed, ScriptedServer], rpc: str) -> None:
    """A single call as well as a stream: the service's handler is cancelled."""
    stories, server = observed
    log = stories.new(owner="ann")
    stories.slow.clear()
    fields = {"generation_id": log.id} if rpc == "GetGeneration" else {}
    async with running_gateway(server.address, jwt_secret=SECRET) as gateway:
        web = GrpcWeb(gateway.http)
        calling = asyncio.create_task(
            web.call(STORY.path(rpc), STORY.request(rpc)(**fields), authorization=f"Bearer {token('ann')}")
        )
        await until(lambda: len(stories.seen) == 1)
        calling.cancel()
        await until(lambda: stories.given_up == 1, seconds=2)

    assert [] == stories.commands


async def test_only_who_may_comes_in(observed: tuple[Observed, ScriptedServer]) -> None:
    """No token, a bad one, another's generation, and a cookie that another site's page has sent along."""
    stories, server = observed
    log = stories.new(owner="ann")
    request = pb.GetGenerationRequest(generation_id=log.id)
    cookie = f"fabula_session={token('ann')}"
    async with running_gateway(server.address, jwt_secret=SECRET) as gateway:
        web = GrpcWeb(gateway.http)
        answers = [
            await web.call(path, message, **headers)
            for path, message in ((GET, request), (WATCH, pb.WatchProgressRequest(generation_id=log.id)))
            for headers in (
                {},
                {"authorization": "Bearer x.y.z"},
                {"authorization": f"Bearer {token('bob')}"},
                {"cookie": cookie, "sec_fetch_site": "cross-site"},
                {"cookie": cookie},
            )
        ]
        mine = await web.call(GET, request, cookie=cookie, sec_fetch_site="same-origin")
        health = await web.call("/grpc.health.v1.Health/Check", framed(b""))

    assert [16, 16, 5, 7, 7] * 2 == [answer.code for answer in answers]
    assert "UNAUTHENTICATED" == answers[0].reason
    assert (0, 0) == (mine.code, health.code)


async def test_pages_of_listed_origins_may_call_and_read_what_went_wrong(server: ScriptedServer) -> None:
    """The preflight lets the headers of gRPC-Web and a call's own metadata pass; others' pages are refused."""
    asked = "authorization,content-type,grpc-timeout,x-grpc-web,x-user-agent,x-mine,connect-protocol-version"
    async with running_gateway(server.address, allowed_origins=("https://stories.example",)) as gateway:

        async def preflight(origin: str) -> httpx.Response:
            headers = {"access-control-request-method": "POST", "access-control-request-headers": asked}
            return await gateway.http.options(GET, headers={"origin": origin, **headers})

        fine, foreign = await preflight("https://stories.example"), await preflight(STRANGE)
        request = pb.GetGenerationRequest(generation_id="story-1")
        answer = await GrpcWeb(gateway.http).call(GET, request, origin="https://stories.example")
        refused = await GrpcWeb(gateway.http).call(GET, request, origin=STRANGE)

    assert (200, "https://stories.example") == (fine.status_code, fine.headers["access-control-allow-origin"])
    assert set(asked.split(",")) <= {each.strip() for each in fine.headers["access-control-allow-headers"].split(",")}
    assert "access-control-allow-origin" not in foreign.headers
    exposed = answer.http.headers["access-control-expose-headers"]
    assert {"grpc-status", "grpc-message", "grpc-status-details-bin"} <= {each.strip() for each in exposed.split(",")}
    assert (5, 403) == (answer.code, refused.http.status_code)


async def test_what_is_no_grpc_web_is_told_so_in_http(gateway: Gateway) -> None:
    """Wrong verbs, other media types, packed bodies."""
    body = framed(pb.GetGenerationRequest(generation_id="story-1").SerializeToString())
    seen = [
        (await gateway.http.get(GET)),
        (await gateway.http.post(GET, content=body, headers={"content-type": "application/grpc"})),
        (await gateway.http.post(GET, content=b"{}", headers={"content-type": "application/json"})),
        (await gateway.http.post(GET, content=body, headers={"content-type": BINARY, "content-encoding": "gzip"})),
    ]

    assert [405, 415, 415, 415] == [response.status_code for response in seen]
    assert "POST" == seen[0].headers["allow"]
    assert "application/grpc-web+proto" in seen[1].headers["accept-post"]


@pytest.mark.parametrize(
    "path",
    [
        "/fabula.api.story.v1.StoryService/Nothing",
        "/fabula.api.none.v1.NoService/GetGeneration",
        "/fabula.api.character.v1.CharacterService/GetGeneration",
        "/fabula.api.ticket.v1.TicketService/RedeemTicket",
        "/grpc.health.v1.Health/Watch",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    ],
)
async def test_what_there_is_not_is_unimplemented(web: GrpcWeb, path: str) -> None:
    """No such method, no such service, none in this installation, and none that is a page's business."""
    answer = await web.call(path, ticket_pb2.RedeemTicketRequest(ticket="story.x"))

    assert (200, 12) == (answer.http.status_code, answer.code)
    assert path in answer.message
    assert [] == answer.messages


@pytest.mark.parametrize("form", [BINARY, TEXT])
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", 12),
        (b"\x00\x00", 3),
        (b"\x00\x00\x00\x00\x05ab", 3),
        (framed(b"") * 2, 12),
        (framed(b"x", 1), 12),
        (framed(b"x", 0x80), 3),
        (framed(bytes(5000)), 8),
        (framed(bytes(3_000_000)), 8),
    ],
)
async def test_bodies_that_are_no_message_are_refused(
    server: ScriptedServer, form: str, body: bytes, code: int
) -> None:
    """Each with its own status; a large one is read to its end, so that its sender hears it. The connection lives."""
    async with running_gateway(server.address, grpc_web_message_bytes=4096) as gateway:
        answer = await GrpcWeb(gateway.http, form).call(GET, body)
        after = await GrpcWeb(gateway.http, form).call(GET, pb.GetGenerationRequest(generation_id="story-1"))

    assert (200, code, 5) == (answer.http.status_code, answer.code, after.code)
    if body[:1] == b"\x01":
        assert "identity" == answer.http.headers["grpc-accept-encoding"]


async def test_text_that_is_no_base64_is_refused(gateway: Gateway) -> None:
    """Not taken for something else."""
    headers = {"content-type": TEXT}
    response = await gateway.http.post(GET, content=b"????", headers=headers)

    assert "3" == response.headers["grpc-status"]


@pytest.mark.parametrize("text", ["soon", "5", "-1S"])
async def test_a_deadline_that_cannot_be_read_is_refused(web: GrpcWeb, text: str) -> None:
    """It must not be taken for none."""
    answer = await web.call(GET, pb.GetGenerationRequest(generation_id="story-1"), grpc_timeout=text)

    assert 3 == answer.code


async def test_a_body_that_never_ends_is_late(gateway: Gateway) -> None:
    """The deadline is the whole call's. Nothing is kept of it."""

    async def body() -> AsyncIterator[bytes]:
        yield framed(b"x" * 10)[:7]
        await asyncio.sleep(1)

    headers = {"content-type": BINARY, "grpc-timeout": "200m"}
    for _ in range(3):
        response = await gateway.http.post(GET, content=body(), headers=headers)

        assert "4" == response.headers["grpc-status"]
    gc.collect()
    assert not any(type(each) is RequestReader for each in gc.get_objects())


async def test_a_service_that_is_away_is_told_without_its_address(
    gateway: Gateway, web: GrpcWeb, server: ScriptedServer
) -> None:
    """UNAVAILABLE, and when to try again; of single calls and of streams."""
    await server.stop()
    for rpc, fields in (("GetGeneration", {"generation_id": "story-1"}), ("WatchGenerations", {})):
        answer = await web.call(STORY.path(rpc), STORY.request(rpc)(**fields))

        assert 14 == answer.code, rpc
        assert 1 == answer.detail(error_details_pb2.RetryInfo()).retry_delay.seconds
        assert str(server.port) not in answer.message
    assert (
        'fabula_gateway_errors_total{code="UNAVAILABLE",door="grpc_web"} 2.0'
        in (await gateway.http.get("/metrics")).text
    )


async def test_streams_end_with_a_call_to_come_back(gateway: Gateway, web: GrpcWeb, stories: ScriptedStories) -> None:
    """When the gateway is restarted; the cursor is good at the next one."""
    log = stories.new()
    feed = STORY.path("WatchGenerations")
    async with (
        web.open(WATCH, pb.WatchProgressRequest(generation_id=log.id)) as watch,
        web.open(feed, pb.WatchGenerationsRequest()) as told,
    ):
        assert await watch.next() is not None
        assert await told.next() is not None
        assert 'fabula_gateway_connections{door="grpc_web"} 2.0' in (await gateway.http.get("/metrics")).text
        ending = asyncio.create_task(gateway.end())
        await watch.all()
        await told.all()
        await ending

    for answer in (watch, told):
        assert 14 == answer.code
        assert "UNAVAILABLE" == answer.reason
        assert 1 == answer.detail(error_details_pb2.RetryInfo()).retry_delay.seconds


@pytest.mark.parametrize("limit", ["max_connections", "max_connections_per_address"])
async def test_too_many_streams_are_refused(server: ScriptedServer, stories: ScriptedStories, limit: str) -> None:
    """As at the other doors; single calls go on."""
    log = stories.new()
    request = pb.WatchProgressRequest(generation_id=log.id)
    settings: dict[str, Any] = {limit: 1}
    async with running_gateway(server.address, **settings) as gateway:
        web = GrpcWeb(gateway.http)
        async with web.open(WATCH, request) as first:
            assert await first.next() is not None
            second = await web.call(WATCH, request)
            third = await web.call(GET, pb.GetGenerationRequest(generation_id=log.id))

    assert (8, 0) == (second.code, third.code)


async def test_the_system_looks_for_clients_that_are_gone(
    gateway: Gateway, web: GrpcWeb, stories: ScriptedStories
) -> None:
    """A stream has no signs of life of its own."""
    request = pb.WatchProgressRequest(generation_id=stories.new().id)
    async with web.open(WATCH, request) as answer:
        await answer.next()
        open_now = gateway.server.server_state.connections
        sockets = [connection.transport.get_extra_info("socket") for connection in open_now]

        assert sockets
        for each in sockets:
            assert each.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert 20 == each.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)


async def test_sent_events_are_counted(gateway: Gateway, web: GrpcWeb, stories: ScriptedStories) -> None:
    """At their own door."""
    log = stories.new()
    log.append(succeeded={})
    await web.call(WATCH, pb.WatchProgressRequest(generation_id=log.id))

    assert 'fabula_gateway_events_sent_total{door="grpc_web"} 2.0' in (await gateway.http.get("/metrics")).text
