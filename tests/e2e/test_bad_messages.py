"""Bad input by WebSocket, gRPC and the command line: the documented error, and nobody else is harmed."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
import pytest
import websockets
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from fabula.api.gateway.v1.gateway_pb2 import ServerFrame
from fabula.api.story.v1 import story_pb2 as pb
from fabula.errors import FabulaError
from fabula.rpc.client import CHANNEL_OPTIONS
from fabula.rpc.errors import from_rpc_error
from fabula.rpc.kinds import STORY
from tests.e2e.doors import WebSocketDoor
from tests.e2e.stories import api_of
from tests.system import System

pytestmark = pytest.mark.usefixtures("unharmed")

MIB = 1024 * 1024
UNKNOWN = "story-00000000-0000-4000-8000-000000000000"
BINARY = random.Random(1).randbytes(4096)


def subscribe(**fields: Any) -> str:
    """Return a frame that subscribes."""
    return json.dumps({"frameId": "f", "subscribe": {"generationId": UNKNOWN, **fields}})


FRAMES: Mapping[str, tuple[str | bytes, tuple[str, str]]] = {
    "nothing": ("", ("close", "1007")),
    "half of the JSON": ('{"subscribe": {', ("close", "1007")),
    "no UTF-8": (b"\xff\xfe", ("close", "1007")),
    "a nest of lists": ("[" * 50_000, ("close", "1007")),
    "a megabyte": (subscribe(generationId="s" * MIB), ("close", "1009")),
    "an empty object": ("{}", ("", "INVALID_REQUEST")),
    "a list": ("[]", ("", "INVALID_REQUEST")),
    "an unknown request": ('{"frameId": "f", "destroy": {}}', ("f", "INVALID_REQUEST")),
    "two requests": ('{"frameId": "f", "cancel": {"generationId": "a"}, "pause": {}}', ("f", "INVALID_REQUEST")),
    "a number as id": (subscribe(generationId=5), ("f", "INVALID_REQUEST")),
    "no id": (subscribe(generationId=""), ("f", "INVALID_REQUEST")),
    "an id that is too long": (subscribe(generationId="s" * 65), ("f", "INVALID_REQUEST")),
    "a word as cursor": (subscribe(afterSequence="now"), ("f", "INVALID_REQUEST")),
    "a cursor below nothing": (subscribe(afterSequence=-1), ("f", "INVALID_REQUEST")),
    "a cursor too large": (subscribe(afterSequence=2**32), ("f", "INVALID_REQUEST")),
    "an unknown id": (subscribe(), ("f", "NOT_FOUND")),
    "rubbish as id": (subscribe(generationId="\u0000"), ("f", "NOT_FOUND")),
    "half a surrogate": (subscribe(generationId="\ud800"), ("f", "INVALID_REQUEST")),
    "a cancel of nothing": ('{"frameId": "f", "cancel": {"generationId": "story-1"}}', ("f", "NOT_FOUND")),
}


async def sent(system: System, subprotocol: str, message: str | bytes, *, text: bool | None = None) -> tuple[str, str]:
    """Send one message on a socket of its own; return the error's frame id and code, or the close code."""
    door = WebSocketDoor(system.url, subprotocol)
    address = f"ws{system.url.removeprefix('http')}/v1/ws"
    async with connect(address, subprotocols=[Subprotocol(subprotocol)], max_size=None) as socket:
        try:
            await socket.send(message, text=text)
            frame = door.decode(await socket.recv())
        except websockets.ConnectionClosed as closed:
            return "close", str(closed.rcvd.code if closed.rcvd else None)
        assert "error" == frame.WhichOneof("frame"), frame
        assert len(frame.error.message) > 10
        return frame.frame_id, frame.error.code


async def test_a_bad_frame_is_refused_by_a_websocket(house: System) -> None:
    """What can be read is answered with an error, and the socket stays; what cannot be read closes it."""
    answers = {name: await sent(house, "fabula.v1.json", frame, text=True) for name, (frame, _) in FRAMES.items()}
    assert {name: expected for name, (_, expected) in FRAMES.items()} == answers
    assert ("close", "1003") == await sent(house, "fabula.v1.json", b"{}", text=False)
    assert ("close", "1003") == await sent(house, "fabula.v1.proto", "{}")
    assert ("close", "1007") == await sent(house, "fabula.v1.proto", b"\xff" * 20)
    assert ("", "INVALID_REQUEST") == await sent(house, "fabula.v1.proto", b"")


async def test_a_socket_goes_on_after_a_bad_frame(house: System) -> None:
    """A hundred refusals later the same socket still watches a story, from a cursor beyond its log: by a reset."""
    async with api_of(house) as api:
        [story, *_] = await api.ids()
        door = WebSocketDoor(house.url)
        async with connect(f"ws{house.url.removeprefix('http')}/v1/ws", max_size=None) as socket:
            for _ in range(100):
                await socket.send('{"frameId": "f", "destroy": {}}')
                assert "INVALID_REQUEST" == door.decode(await socket.recv()).error.code
            await socket.send(subscribe(generationId=story, afterSequence=4_000_000_000))
            kinds: list[str] = []
            while kinds[-1:] != ["ended"]:
                frame: ServerFrame = door.decode(await socket.recv())
                kinds.append(frame.WhichOneof("frame") or "")
            assert ["done", "reset"] == kinds[:2]


async def test_a_socket_of_an_unknown_subprotocol_is_refused(house: System) -> None:
    """The handshake is answered 400, with the subprotocols that there are."""
    with pytest.raises(websockets.InvalidStatus) as refused:
        await connect(f"ws{house.url.removeprefix('http')}/v1/ws", subprotocols=[Subprotocol("soap")])
    assert 400 == refused.value.response.status_code
    assert b"fabula.v1.json" in (refused.value.response.body or b"")


def start(**fields: Any) -> bytes:
    """Return the bytes of a StartGenerationRequest."""
    return pb.StartGenerationRequest(story=pb.StoryRequest(**{"premise": "An owl.", **fields})).SerializeToString()


CALLS: Mapping[str, tuple[str, bytes, str]] = {
    "nothing": ("StartGeneration", b"", "INVALID_REQUEST"),
    "rubbish": ("StartGeneration", BINARY, "INVALID_REQUEST"),
    "half of a message": ("StartGeneration", start()[:-3], "INVALID_REQUEST"),
    "no UTF-8": ("StartGeneration", b"\x12\x04\x0a\x02\xff\xfe", "INVALID_REQUEST"),
    "another type": ("StartGeneration", b"\x12\x02\x08\x05", "INVALID_REQUEST"),
    "an empty premise": ("StartGeneration", start(premise=""), "INVALID_REQUEST"),
    "a premise of a million letters": ("StartGeneration", start(premise="a" * MIB), "INVALID_REQUEST"),
    "thirteen megabytes": ("StartGeneration", start(premise="a" * 13 * MIB), "RESOURCE_EXHAUSTED"),
    "too few words": ("StartGeneration", start(words=1), "INVALID_REQUEST"),
    "a binary source": ("StartGeneration", start(source=pb.Source(data=BINARY)), "INVALID_REQUEST"),
    "a page below nothing": (
        "ListGenerations",
        pb.ListGenerationsRequest(page_size=-1).SerializeToString(),
        "INVALID_REQUEST",
    ),
    "a foreign token": (
        "ListGenerations",
        pb.ListGenerationsRequest(page_token="17").SerializeToString(),
        "INVALID_REQUEST",
    ),
    "a state that is none": (
        "ListGenerations",
        b"\x1a\x01\x00",
        "INVALID_REQUEST",
    ),
    "an unknown id": ("GetGeneration", pb.GetGenerationRequest(generation_id=UNKNOWN).SerializeToString(), "NOT_FOUND"),
    "an empty id": ("CancelGeneration", b"", "INVALID_REQUEST"),
    "an id of a subject": (
        "PauseGeneration",
        pb.PauseGenerationRequest(generation_id="story-*.>").SerializeToString(),
        "NOT_FOUND",
    ),
}


async def called(channel: grpc.aio.Channel, rpc: str, data: bytes) -> FabulaError | None:
    """Call with these bytes; return the error, None if there was none."""
    try:
        await channel.unary_unary(STORY.path(rpc), bytes, bytes)(data, timeout=10)
    except grpc.aio.AioRpcError as error:
        return from_rpc_error(error)
    return None


async def test_a_bad_call_is_refused_by_grpc(house: System) -> None:
    """Bytes that are no request, and requests that break the rules; fields nobody knows are ignored, as ever."""
    async with grpc.aio.insecure_channel(house.story_address, options=list(CHANNEL_OPTIONS)) as channel:
        errors = {name: await called(channel, rpc, data) for name, (rpc, data, _) in CALLS.items()}
        assert {name: code for name, (_, _, code) in CALLS.items()} == {
            name: error.code if error else "" for name, error in errors.items()
        }
        huge = pb.ListGenerationsRequest(page_size=2**31 - 1).SerializeToString()
        assert None is await called(channel, "ListGenerations", huge + b"\xba\x3e\x03abc")


async def test_bad_watches_are_refused_by_grpc(house: System) -> None:
    """No target, unknown targets and cursors ahead of the log."""
    async with (
        api_of(house) as api,
        grpc.aio.insecure_channel(house.story_address, options=list(CHANNEL_OPTIONS)) as channel,
    ):
        watch = channel.unary_stream(
            STORY.path("WatchProgress"), pb.WatchProgressRequest.SerializeToString, pb.WatchProgressResponse.FromString
        )
        refused = {}
        bad = {
            "none": pb.WatchProgressRequest(),
            "id": pb.WatchProgressRequest(generation_id=UNKNOWN),
            "request": pb.WatchProgressRequest(request_id="no"),
        }
        for name, request in bad.items():
            with pytest.raises(grpc.aio.AioRpcError) as error:
                await anext(aiter(watch(request, timeout=10)))
            refused[name] = from_rpc_error(error.value).code
        assert {"none": "INVALID_REQUEST", "id": "NOT_FOUND", "request": "NOT_FOUND"} == refused

        [story, *_] = await api.ids()
        ahead = watch(pb.WatchProgressRequest(generation_id=story, after_sequence=2**32 - 1))
        first, *rest = [response.event async for response in ahead]
        assert "reset" == first.WhichOneof("body")
        assert list(range(first.sequence + 1, first.sequence + 1 + len(rest))) == [each.sequence for each in rest]


async def test_a_bad_command_line_is_refused(house: System, tmp_path: Path) -> None:
    """Each ends with the exit code that its help tells, and says on standard error what is wrong."""
    (tmp_path / "binary").write_bytes(BINARY)
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "large").write_bytes(b"word " * (MIB // 4))
    commands = {
        ("story",): 2,
        ("story", "a" * 100_000): 2,
        ("story", "An owl.", "--words", "5"): 2,
        ("story", "An owl.", "--words", "many"): 2,
        ("story", "An owl.", "--template", "none-such"): 4,
        ("story", "--source", f"{tmp_path}/binary"): 2,
        ("story", "--source", f"{tmp_path}/empty"): 2,
        ("story", "--source", f"{tmp_path}/large"): 2,
        ("story", "--source", f"{tmp_path}"): 2,
        ("watch", UNKNOWN): 4,
        ("show", "nonsense"): 4,
        ("cancel", UNKNOWN): 4,
        ("delete", UNKNOWN, "--yes"): 4,
        ("list", "--state", "flying"): 2,
    }
    gate = asyncio.Semaphore(2)

    async def run(command: tuple[str, ...]) -> tuple[int, bool, bool]:
        async with gate:
            done = await house.fabula_in_thread(*command)
        return done.returncode, len(done.stderr) > 10, "Traceback" in done.stderr

    async with asyncio.TaskGroup() as tasks:
        running = {command: tasks.create_task(run(command)) for command in commands}
    told = {command: task.result() for command, task in running.items()}
    assert {command: (code, True, False) for command, code in commands.items()} == told
