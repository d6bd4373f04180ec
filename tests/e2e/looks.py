"""One connection at each door, message by message: openings with their cursor, events, resets, ends and refusals.

`doors` serves watchers for whom all goes well; here nothing is unexpected, and nothing is tried again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Protocol

import grpc
import httpx
import websockets
from google.protobuf import json_format
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from fabula.api.gateway.v1.gateway_pb2 import ClientFrame, EventFrame, ResetFrame, ServerFrame, Subscribe
from fabula.api.story.v1.story_pb2 import WatchProgressRequest, WatchProgressResponse
from fabula.errors import FabulaError
from fabula.rpc.client import Caller, Client, open_channel
from fabula.rpc.errors import from_rpc_error
from fabula.rpc.kinds import STORY
from tests.e2e.doors import CONNECT_SECONDS, NO_TLS, WebSocketDoor, response_of
from tests.system import System

PATIENCE_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Sight:
    """One thing that a client is told.

    Attributes:
        what: "open", "event", "reset", "ended", "lost", or the code of a refusal, e.g. "NOT_FOUND".
        sequence: The cursor after it.
        response: What came, of an event or a reset.
    """

    what: str
    sequence: int = 0
    response: WatchProgressResponse | None = None


Look = AsyncGenerator[Sight, None]


class Window(Protocol):
    """A door to look through."""

    @property
    def name(self) -> str:
        """What it is called in reports."""
        ...

    def look(self, generation_id: str, cursor: int = 0, *, snapshot: bool = False) -> Look:
        """Yield what is told on one connection, the opening first; after an end, a loss or a refusal nothing comes."""
        ...


def windows(system: System, token: str = "") -> list[Window]:
    """Return every door of a system, for the bearer of a token."""
    return [
        GrpcWindow(system.story_address, token),
        ClientWindow(system.story_address, token),
        SocketWindow(system.url, "fabula.v1.json", token),
        SocketWindow(system.url, "fabula.v1.proto", token),
        StreamWindow(system.url, token),
        StreamWindow(system.url, token, in_query=True),
    ]


async def take(look: Look, enough: Callable[[list[Sight]], bool]) -> list[Sight]:
    """Look until it is enough, or there is no more; then leave."""
    seen: list[Sight] = []
    async with asyncio.timeout(PATIENCE_SECONDS), aclosing(look):
        async for sight in look:
            seen.append(sight)
            if enough(seen):
                break
    return seen


async def take_events(look: Look, count: int) -> list[Sight]:
    """Return so many events or resets."""
    seen = await take(look, lambda seen: len(_told(seen)) == count)
    return _told(seen)


async def take_all(look: Look) -> list[Sight]:
    """Return all there is, to the end of the connection."""
    return await take(look, lambda _: False)


async def first(look: Look) -> Sight:
    """Return the first thing told; then leave."""
    [sight] = await take(look, bool)
    return sight


def _told(seen: list[Sight]) -> list[Sight]:
    return [sight for sight in seen if sight.response is not None and sight.sequence]


def _sight(response: WatchProgressResponse) -> Sight:
    what = "reset" if response.event.HasField("reset") else "event"
    return Sight(what, response.event.sequence, response)


@dataclass(frozen=True, slots=True)
class GrpcWindow:
    """A bare gRPC stream. Its cursor is the caller's own affair: the opening repeats what was asked for."""

    address: str
    token: str = ""
    name: str = "gRPC"

    async def look(self, generation_id: str, cursor: int = 0, *, snapshot: bool = False) -> Look:
        """See `Window`."""
        request = WatchProgressRequest(generation_id=generation_id, after_sequence=cursor, snapshot=snapshot)
        async with open_channel(self.address) as channel:
            method: grpc.aio.UnaryStreamMultiCallable[WatchProgressRequest, WatchProgressResponse]
            method = channel.unary_stream(
                STORY.path("WatchProgress"),
                request_serializer=WatchProgressRequest.SerializeToString,
                response_deserializer=WatchProgressResponse.FromString,
            )
            call = method(request, metadata=Caller(self.token).metadata)
            try:
                await call.initial_metadata()
                if not call.done():  # else it is a refusal
                    yield Sight("open", cursor)
                async for response in call:
                    yield _sight(response)
                yield Sight("ended")
            except grpc.aio.AioRpcError as error:
                yield _refusal(from_rpc_error(error))
            finally:
                call.cancel()


@dataclass(frozen=True, slots=True)
class ClientWindow:
    """`Client.watch`, which finds back by itself and never tells of a loss."""

    address: str
    token: str = ""
    name: str = "Client.watch"

    async def look(self, generation_id: str, cursor: int = 0, *, snapshot: bool = False) -> Look:
        """See `Window`."""
        request = WatchProgressRequest(generation_id=generation_id, after_sequence=cursor, snapshot=snapshot)
        async with open_channel(self.address) as channel:
            yield Sight("open", cursor)
            try:
                async with aclosing(Client(STORY, channel).watch(request, Caller(self.token))) as responses:
                    async for response in responses:
                        yield _sight(response)
                yield Sight("ended")
            except FabulaError as error:
                yield _refusal(error)


@dataclass(frozen=True, slots=True)
class SocketWindow:
    """The gateway's WebSocket; a token goes in as a subprotocol, as a browser sends it."""

    url: str
    subprotocol: str
    token: str = ""

    @property
    def name(self) -> str:
        """The subprotocol's."""
        return f"WebSocket {self.subprotocol.rpartition('.')[2]}"

    async def look(self, generation_id: str, cursor: int = 0, *, snapshot: bool = False) -> Look:
        """See `Window`."""
        door = WebSocketDoor(self.url, self.subprotocol)
        names = [self.subprotocol, *([f"bearer.{self.token}"] if self.token else [])]
        address = f"ws{self.url.removeprefix('http')}/v1/ws"
        wish = Subscribe(generation_id=generation_id, after_sequence=cursor, snapshot=snapshot)
        try:
            async with connect(address, subprotocols=[Subprotocol(name) for name in names], max_size=None) as socket:
                with suppress(websockets.ConnectionClosed):  # who is refused at once reads why
                    await socket.send(door.encode(ClientFrame(frame_id="1", subscribe=wish)))
                try:
                    async for message in socket:
                        sight = _of_frame(door.decode(message))
                        yield sight
                        if sight.what not in ("open", "event", "reset"):
                            return
                finally:
                    socket.transport.abort()  # its goodbye would wait behind what nobody reads
            yield Sight("lost")
        except (OSError, websockets.WebSocketException):
            yield Sight("lost")


def _of_frame(frame: ServerFrame) -> Sight:
    match frame.WhichOneof("frame"):
        case "done":
            return Sight("open", frame.done.sequence)
        case "event":
            return _sight(response_of(frame.event))
        case "reset":
            return _of_reset(frame.reset)
        case "error":
            return Sight(frame.error.code)
        case other:
            return Sight(str(other), frame.ended.sequence)


def _of_reset(frame: ResetFrame) -> Sight:
    response = WatchProgressResponse()
    assert frame.response.Unpack(response)
    assert frame.sequence == response.event.sequence
    return Sight("reset", frame.sequence, response)


@dataclass(frozen=True, slots=True)
class StreamWindow:
    """The gateway's server-sent events, read as an EventSource reads them: the cursor is the last id that came."""

    url: str
    token: str = ""
    in_query: bool = False

    @property
    def name(self) -> str:
        """Where the cursor stands."""
        return "SSE ?after=" if self.in_query else "SSE Last-Event-ID"

    async def look(self, generation_id: str, cursor: int = 0, *, snapshot: bool = False) -> Look:
        """See `Window`."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        params = {"snapshot": "1"} if snapshot else {}
        if self.in_query:
            params["after"] = str(cursor)
        elif cursor:
            headers["Last-Event-ID"] = str(cursor)
        address = f"{self.url}/v1/generations/{generation_id}/events"
        timeout = httpx.Timeout(CONNECT_SECONDS, read=None)
        try:
            async with (
                httpx.AsyncClient(timeout=timeout, trust_env=False, verify=NO_TLS) as client,
                client.stream("GET", address, headers=headers, params=params) as response,
            ):
                if response.status_code == httpx.codes.NO_CONTENT:
                    yield Sight("ended", cursor)
                elif response.status_code != httpx.codes.OK:
                    yield Sight(json.loads(await response.aread())["error"]["code"])
                else:
                    async for sight in _sights(response):
                        yield sight
        except httpx.TransportError:
            yield Sight("lost")


async def _sights(response: httpx.Response) -> Look:
    fields: dict[str, str] = {}
    last_id = 0
    async for line in response.aiter_lines():
        if line and not line.startswith(":"):
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif not line and fields:
            last_id = int(fields.get("id", last_id))
            sight = _of_block(fields, last_id)
            yield sight
            if sight.what not in ("open", "event", "reset"):
                return
            fields = {}
    yield Sight("lost")


def _of_block(fields: dict[str, str], last_id: int) -> Sight:
    match fields.get("event", ""):
        case "":
            assert "retry" in fields
            return Sight("open", last_id)
        case "event":
            sight = _sight(response_of(json_format.ParseDict(json.loads(fields["data"]), EventFrame())))
        case "reset":
            sight = _of_reset(json_format.ParseDict(json.loads(fields["data"]), ResetFrame()))
        case "problem":
            return Sight(json.loads(fields["data"])["code"])
        case other:
            return Sight(other, last_id)
    assert sight.sequence in (0, last_id), "the id is another than the event's"
    return sight


def _refusal(error: FabulaError) -> Sight:
    return Sight("lost" if error.retryable else error.code)
