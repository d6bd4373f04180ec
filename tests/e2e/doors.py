"""The doors through which a generation can be watched, as real clients: gRPC, WebSocket and server-sent events.

Each gives one connection's worth of events after a cursor: an opening `None` first, then responses, and an end when
the service says that all was sent. A connection that breaks off is `Lost`; what is refused for good is an error.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
import websockets
from google.protobuf import json_format
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from fabula.api.gateway.v1.gateway_pb2 import ClientFrame, EventFrame, ServerFrame, Subscribe
from fabula.errors import Unavailable
from fabula.rpc.client import Caller, Client, open_channel
from fabula.rpc.kinds import STORY, Kind, kind_of

Response = Any
"""A WatchProgressResponse of whichever kind is watched."""

Opening = AsyncGenerator[Response | None, None]

NOBODY = Caller()
CONNECT_SECONDS = 5.0
NO_TLS = False
"""There is none here, and loading its certificates takes longer than all the rest."""


class Lost(Exception):
    """The connection broke off, or could not be made: to be tried again."""


class Door(Protocol):
    """One way to watch."""

    @property
    def name(self) -> str:
        """What it is called in reports."""
        ...

    def connect(self, generation_id: str, cursor: int) -> Opening:
        """Yield None when connected, then what follows the cursor, to the end of the run.

        Raises:
            Lost: the connection broke off.
        """
        ...


@dataclass(frozen=True, slots=True)
class Grpc:
    """A bare gRPC stream: one call, no second try.

    Attributes:
        address: Of the server.
        kind: What it makes.
    """

    address: str
    name: str = "gRPC"
    kind: Kind = STORY

    async def connect(self, generation_id: str, cursor: int) -> Opening:
        """See `Door`."""
        request = self.kind.request("WatchProgress")(generation_id=generation_id, after_sequence=cursor)
        async with open_channel(self.address) as channel:
            try:
                async with aclosing(Client(self.kind, channel).stream("WatchProgress", request, NOBODY)) as stream:
                    yield None
                    async for data in stream:
                        yield self.kind.response("WatchProgress").FromString(data)
            except Unavailable as error:
                raise Lost(error.message) from error


@dataclass(frozen=True, slots=True)
class GrpcClient:
    """`fabula.rpc.client.Client.watch`, which finds back by itself.

    Attributes:
        address: Of the server.
        kind: What it makes.
    """

    address: str
    name: str = "Client.watch"
    kind: Kind = STORY

    async def connect(self, generation_id: str, cursor: int) -> Opening:
        """See `Door`; a lost connection is its own affair."""
        request = self.kind.request("WatchProgress")(generation_id=generation_id, after_sequence=cursor)
        async with open_channel(self.address) as channel:
            yield None
            async for response in Client(self.kind, channel).watch(request, NOBODY):
                yield response


@dataclass(frozen=True, slots=True)
class WebSocketDoor:
    """The gateway's WebSocket, with one of the native subprotocols.

    Attributes:
        url: Of the gateway.
        subprotocol: "fabula.v1.json" or "fabula.v1.proto".
    """

    url: str
    subprotocol: str = "fabula.v1.json"

    @property
    def name(self) -> str:
        """The subprotocol's."""
        return f"WebSocket {self.subprotocol.rpartition('.')[2]}"

    async def connect(self, generation_id: str, cursor: int) -> Opening:
        """See `Door`."""
        address = f"ws{self.url.removeprefix('http')}/v1/ws"
        try:
            async with connect(
                address, subprotocols=[Subprotocol(self.subprotocol)], max_size=None, open_timeout=CONNECT_SECONDS
            ) as socket:
                assert socket.subprotocol == self.subprotocol
                frame = ClientFrame(
                    frame_id="1", subscribe=Subscribe(generation_id=generation_id, after_sequence=cursor)
                )
                await socket.send(self.encode(frame))
                try:
                    async with aclosing(self._events(socket, cursor)) as events:
                        async for event in events:
                            yield event
                except GeneratorExit:
                    socket.transport.abort()  # who leaves here does not say goodbye
                    raise
        except (OSError, websockets.WebSocketException) as error:
            raise Lost(str(error)) from error

    async def _events(self, socket: websockets.ClientConnection, cursor: int) -> Opening:
        async for message in socket:
            frame = self.decode(message)
            match frame.WhichOneof("frame"):
                case "done":
                    assert (frame.frame_id, frame.done.sequence) == ("1", cursor)
                    yield None
                case "event":
                    yield response_of(frame.event)
                case "ended":
                    return
                case "error" if frame.error.retryable:
                    raise Lost(frame.error.message)
                case "keep_alive":
                    pass
                case other:
                    raise AssertionError(f"unexpected {other}: {frame}")
        raise Lost("the socket was closed")

    def encode(self, frame: ClientFrame) -> str | bytes:
        """Write a frame."""
        if self.subprotocol == "fabula.v1.json":
            return json_format.MessageToJson(frame)
        return frame.SerializeToString()

    def decode(self, message: str | bytes) -> ServerFrame:
        """Read a frame."""
        if isinstance(message, bytes):
            return ServerFrame.FromString(message)
        return json_format.Parse(message, ServerFrame())


@dataclass(frozen=True, slots=True)
class EventStream:
    """The gateway's server-sent events.

    Attributes:
        url: Of the gateway.
        in_query: Whether the cursor stands in the address (`?after=`), not in `Last-Event-ID`.
    """

    url: str
    in_query: bool = False

    @property
    def name(self) -> str:
        """Where the cursor stands."""
        return "SSE ?after=" if self.in_query else "SSE Last-Event-ID"

    async def connect(self, generation_id: str, cursor: int) -> Opening:
        """See `Door`."""
        address = f"{self.url}/v1/generations/{generation_id}/events"
        headers = {} if self.in_query or not cursor else {"Last-Event-ID": str(cursor)}
        params = {"after": str(cursor)} if self.in_query else {}
        timeout = httpx.Timeout(CONNECT_SECONDS, read=None)
        try:
            async with (
                httpx.AsyncClient(timeout=timeout, trust_env=False, verify=NO_TLS) as client,
                client.stream("GET", address, headers=headers, params=params) as response,
            ):
                if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
                    raise Lost("503")
                if response.status_code == httpx.codes.NO_CONTENT:
                    return
                assert response.status_code == httpx.codes.OK, await response.aread()
                async with aclosing(_events(response, cursor)) as events:
                    async for event in events:
                        yield event
        except httpx.TransportError as error:
            raise Lost(str(error)) from error


async def _events(response: httpx.Response, cursor: int) -> Opening:
    """Read the stream as an EventSource does; the id is checked against the event that it comes with."""
    last_id = 0
    async for name, fields in _blocks(response):
        last_id = int(fields.get("id", last_id))
        match name:
            case "":
                if "retry" in fields:
                    assert last_id == cursor
                    yield None
            case "event":
                frame = json_format.ParseDict(json.loads(fields["data"]), EventFrame())
                assert frame.sequence in (0, last_id)
                yield response_of(frame)
            case "ended":
                return
            case "problem" if json.loads(fields["data"]).get("retryable"):
                raise Lost(fields["data"])
            case other:
                raise AssertionError(f"unexpected {other}: {fields}")
    raise Lost("the stream was closed")


async def _blocks(response: httpx.Response) -> AsyncIterator[tuple[str, dict[str, str]]]:
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if not line:
            yield fields.pop("event", ""), fields
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")


def response_of(frame: EventFrame) -> Response:
    """Return the service's own response in a frame; what the frame says beside it must agree."""
    kind = kind_of(frame.generation_id)
    assert kind is not None
    response: Response = kind.response("WatchProgress")()
    assert frame.response.Unpack(response)
    assert (frame.generation_id, frame.sequence) == (response.event.generation_id, response.event.sequence)
    return response
