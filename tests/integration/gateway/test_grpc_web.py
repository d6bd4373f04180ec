"""The door of gRPC-Web: what all proxies of the protocol do, and so does `grpcwebproxy`, where there is one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import httpx
import pytest
from grpc_status import rpc_status

from fabula.api.generation.v1 import generation_pb2
from fabula.api.image.v1 import image_pb2
from fabula.api.story.v1 import story_pb2 as pb
from fabula.rpc.client import Caller, Client, open_channel
from fabula.rpc.kinds import IMAGE, STORY
from tests.integration.gateway.conftest import running_gateway
from tests.integration.gateway.grpc_web_client import BINARY, TEXT, GrpcWeb, framed
from tests.integration.gateway.grpc_web_proxy import running_proxy, until_serving
from tests.scripted_service import ScriptedImages, ScriptedServer, ScriptedStories, until

UNKNOWN = "story-00000000-0000-4000-8000-999999999999"
WATCH = STORY.path("WatchProgress")


@pytest.fixture(params=["gateway", "grpcwebproxy"])
async def url(request: pytest.FixtureRequest, server: ScriptedServer) -> AsyncIterator[str]:
    """Where gRPC-Web is spoken: each of the two before the same services."""
    if request.param == "gateway":
        async with running_gateway(server.address) as gateway:
            yield f"http://{gateway.host}"
    else:
        async with running_proxy(server.address) as proxy:
            yield proxy


@pytest.fixture(params=[BINARY, TEXT])
async def web(request: pytest.FixtureRequest, url: str) -> AsyncIterator[GrpcWeb]:
    """A client, in each of the forms."""
    async with httpx.AsyncClient(base_url=url, timeout=20) as http:
        yield GrpcWeb(http, request.param)


@pytest.fixture
async def native(server: ScriptedServer) -> AsyncIterator[Client]:
    """The same service, by gRPC itself."""
    channel = open_channel(server.address)
    yield Client(STORY, channel)
    await channel.close(None)


async def test_a_single_call_is_answered_in_the_services_own_bytes(
    web: GrpcWeb, native: Client, stories: ScriptedStories
) -> None:
    """One message, then the status; in the form of the request."""
    log = stories.new()
    request = pb.GetGenerationRequest(generation_id=log.id)
    answer = await web.call(STORY.path("GetGeneration"), request)
    expected = await native.call("GetGeneration", request, Caller())

    assert (200, 0) == (answer.http.status_code, answer.code)
    assert [expected.SerializeToString()] == answer.messages
    assert answer.http.headers["content-type"].startswith(web.content_type.removesuffix("+proto"))


async def test_what_changes_something_does(web: GrpcWeb, stories: ScriptedStories) -> None:
    """A story is started, paused, resumed, cancelled and deleted."""
    started = await web.call(
        STORY.path("StartGeneration"), pb.StartGenerationRequest(story=pb.StoryRequest(premise="An owl."))
    )
    id_ = pb.StartGenerationResponse.FromString(started.messages[0]).generation.id
    codes = [
        (await web.call(STORY.path(f"{name}Generation"), STORY.request(f"{name}Generation")(generation_id=id_))).code
        for name in ("Pause", "Resume", "Cancel", "Cancel", "Delete", "Get")
    ]

    assert [0, 0, 0, 9, 0, 5] == codes
    assert [f"{name}Generation" for name in ("Pause", "Resume", "Cancel")] == [rpc for rpc, _ in stories.commands]


@pytest.mark.parametrize(
    ("rpc", "fields"),
    [
        ("GetGeneration", {"generation_id": UNKNOWN}),
        ("StartGeneration", {"story": {"words": 10}}),
        ("WatchProgress", {"generation_id": UNKNOWN}),
    ],
)
async def test_errors_come_with_all_their_details(
    web: GrpcWeb, server: ScriptedServer, rpc: str, fields: dict[str, Any]
) -> None:
    """The very status that a native client gets, of single calls and of streams."""
    answer = await web.call(STORY.path(rpc), STORY.request(rpc)(**fields))
    async with grpc.aio.insecure_channel(server.address) as channel:
        method: Any = channel.unary_unary(STORY.path(rpc), None, None)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await method(STORY.request(rpc)(**fields).SerializeToString())
    expected = rpc_status.from_call(caught.value)  # type: ignore[arg-type]  # it has what is read

    assert expected is not None
    assert expected == answer.status
    assert (expected.code, expected.message) == (answer.code, answer.message)
    assert [] == answer.messages


async def test_a_watch_has_the_services_own_bytes_from_any_cursor(
    web: GrpcWeb, native: Client, stories: ScriptedStories
) -> None:
    """From the beginning, from the middle, folded, and with a cursor that cannot be."""
    log = stories.new()
    for number in range(20):
        log.write(f"{number} ä ")
    log.succeed(story={"title": "Owls"})
    for fields in ({}, {"after_sequence": 11}, {"snapshot": True}, {"after_sequence": 99}, {"after_sequence": 22}):
        request = pb.WatchProgressRequest(generation_id=log.id, **fields)
        answer = await web.call(WATCH, request)
        expected = [
            pb.WatchProgressResponse.FromString(data)
            async for data in native.stream("WatchProgress", request, Caller())
        ]
        seen = [pb.WatchProgressResponse.FromString(data) for data in answer.messages]

        for response in (*seen, *expected):
            if not response.event.HasField("text_delta"):
                response.event.ClearField("time")  # the scripted service folds anew for each
        assert expected == seen, fields
        assert 0 == answer.code


async def test_what_happens_is_told_when_it_does(web: GrpcWeb, stories: ScriptedStories) -> None:
    """Not when the stream ends."""
    log = stories.new()
    async with web.open(WATCH, pb.WatchProgressRequest(generation_id=log.id)) as answer:
        for number in range(1, 6):
            data = await answer.next()
            assert data is not None
            assert number == pb.WatchProgressResponse.FromString(data).event.sequence
            log.write("x")
        log.append(succeeded={})
        await answer.all()

    assert 0 == answer.code
    assert 7 == len(answer.messages)


async def test_other_streams_are_passed_on(web: GrpcWeb, stories: ScriptedStories, images: ScriptedImages) -> None:
    """A feed that never ends by itself, and a picture in pieces."""
    ours = [stories.new(number) for number in (1, 2)]
    async with web.open(STORY.path("WatchGenerations"), pb.WatchGenerationsRequest()) as answer:
        told = [pb.WatchGenerationsResponse.FromString(await answer.next() or b"") for _ in ours]
    painting = images.new()
    images.paint(painting, bytes(range(256)) * 1000)
    picture = await web.call(IMAGE.path("DownloadPicture"), image_pb2.DownloadPictureRequest(generation_id=painting.id))
    pieces = [image_pb2.DownloadPictureResponse.FromString(data).data for data in picture.messages]

    assert {log.id for log in ours} == {each.generation.id for each in told}
    assert bytes(range(256)) * 1000 == b"".join(pieces)


@pytest.mark.parametrize("rpc", ["CancelGeneration", "WatchProgress"])
async def test_a_deadline_is_kept(web: GrpcWeb, stories: ScriptedStories, rpc: str) -> None:
    """DEADLINE_EXCEEDED is told, in a stream that stands as well; the generation goes on."""
    log = stories.new()
    stories.slow.clear()
    answer = await web.call(STORY.path(rpc), STORY.request(rpc)(generation_id=log.id), grpc_timeout="300m")

    assert 4 == answer.code
    assert not log.ended


async def test_who_hangs_up_ends_the_call_at_the_service(web: GrpcWeb, stories: ScriptedStories) -> None:
    """And not the generation."""
    log = stories.new()
    async with web.open(WATCH, pb.WatchProgressRequest(generation_id=log.id)) as answer:
        await answer.next()
        assert 1 == stories.open_watches

    await until(lambda: stories.open_watches == 0)
    assert generation_pb2.STATE_RUNNING == log.summary.state
    assert [] == stories.commands


async def test_unknown_methods_are_unimplemented(web: GrpcWeb) -> None:
    """Of a service that there is; as gRPC says it."""
    answer = await web.call("/fabula.api.story.v1.StoryService/Nothing", pb.GetGenerationRequest())

    assert (200, 12) == (answer.http.status_code, answer.code)


async def test_the_health_of_a_service_can_be_asked(web: GrpcWeb) -> None:
    """By what is usual for gRPC."""
    answer = await web.call(
        "/grpc.health.v1.Health/Check", framed(b"\x0a" + bytes([len(STORY.service)]) + STORY.service.encode())
    )

    assert [b"\x08\x01"] == answer.messages
    assert 0 == answer.code


async def test_a_proxy_finds_a_service_again_that_was_away(server: ScriptedServer) -> None:
    """Meanwhile, calls are UNAVAILABLE."""
    async with running_proxy(server.address) as url, httpx.AsyncClient(base_url=url, timeout=20) as http:
        web = GrpcWeb(http)
        await server.stop()
        away = await web.call(STORY.path("ListGenerations"), pb.ListGenerationsRequest())
        await server.start()
        await until_serving(url)
        back = await web.call(STORY.path("ListGenerations"), pb.ListGenerationsRequest())

    assert (14, 0) == (away.code, back.code)


async def test_a_proxy_lets_those_pages_call_that_are_named(server: ScriptedServer) -> None:
    """Browsers ask before they call, and read no other answers."""
    async with running_proxy(server.address, origins=("https://a.example",)) as url, httpx.AsyncClient() as http:
        for origin in ("https://a.example", "https://b.example"):
            asking = {"access-control-request-method": "POST", "access-control-request-headers": "x-grpc-web"}
            answer = await http.options(f"{url}{WATCH}", headers={"origin": origin, **asking})
            allowed = answer.headers.get("access-control-allow-origin")
            assert ("https://a.example" if origin == "https://a.example" else None) == allowed
