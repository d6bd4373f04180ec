"""The gateway's doors one by one: how fast events go through each, what a client costs, how soon it is in.

The events are the beginnings of stages, as all dialects have words for these.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from bench.audience import PIECE, Broadcaster, Crowd, Telling, gateway, idle_endpoint, peer
from bench.crowd import Orders
from bench.processes import private_bytes
from bench.stage import Stage, encoded
from bench.table import Row
from fabula.api.story.v1 import story_pb2
from fabula.engine.events import Body, StageStarted, State
from fabula.engine.ports import Entry
from fabula.rpc.kinds import STORY
from gateway.dialects.story_rooms import STORY_ROOMS
from gateway.dialects.workshop import WORKSHOP
from gateway.doors.socket_io.client import packet_text
from gateway.doors.speech import text_of
from gateway.doors.sse import FORMS
from gateway.entries import SharedEntry, read_entry

CLIENTS = 500
EVENTS = 100
"""Events of one round."""
ROUNDS = 5
ON_THEIR_WAY = 8
"""Events on their way at a time: the next one is always at hand."""

_SETTLED_SECONDS = 2.0


class Stages(Telling):
    """A story whose outline begins again and again, and says each time what is being done."""

    def piece(self) -> Entry:
        """Return the next event."""
        started: Body = StageStarted("outline", ("Planner",))
        (entry,) = encoded(self.address, [started], self.sequence, State.RUNNING, message=PIECE)
        return entry


@dataclass(frozen=True, slots=True)
class Place:
    """A door, as a crowd comes to it.

    Attributes:
        name: What it is called.
        orders: Of a crowd that watches a story there, by its port and how many.
        said: What is sent of an entry there.
        aim: For its rate ÷ the limit's.
        usual: Module of the peer that users would write instead; empty: there is none.
        against: What that is.
        usual_orders: Of the peer's crowd.
    """

    name: str
    orders: Callable[[Stages, int, int], Orders]
    said: Callable[[SharedEntry], str]
    aim: str
    usual: str = ""
    against: str = ""
    usual_orders: Callable[[int, int], Orders] = lambda port, count: Orders(port, "/ws", count)


def _workshop(telling: Stages, port: int, count: int) -> Orders:
    return Orders(port, f"/api/v1/stories/progress/{telling.address.id}", count, greeted='"progress"')


def _event_stream(telling: Stages, port: int, count: int) -> Orders:
    path = f"/v1/generations/{telling.address.id}/events?after=3"
    return Orders(port, path, count, greeted="retry:", media_type="text/event-stream")


def _rooms(_telling: Stages, port: int, count: int) -> Orders:
    path = "/socket.io/?EIO=4&transport=websocket"
    return Orders(port, path, count, "40/stories,", "story:processing:start")


def _grpc_web(telling: Stages, port: int, count: int) -> Orders:
    request = story_pb2.WatchProgressRequest(generation_id=telling.address.id, after_sequence=3).SerializeToString()
    body = base64.b64encode(b"\0" + len(request).to_bytes(4, "big") + request).decode()
    return Orders(port, STORY.path("WatchProgress"), count, body=body, media_type="application/grpc-web+proto")


def _packet(entry: SharedEntry) -> str:
    (payload,) = STORY_ROOMS.payloads(entry)
    return packet_text("/stories", payload.event, payload.data)


PLACES = (
    Place(
        "WebSocket of family A",
        _workshop,
        lambda entry: text_of(WORKSHOP.payloads(entry)[0].data),
        "≥ 0.6",
        "fastapi_manager",
        "FastAPI, a loop of `await send_text`",
    ),
    Place(
        "server-sent events",
        _event_stream,
        lambda entry: FORMS[False][False].of(entry).decode(),
        "≥ 0.3",
        "fastapi_events",
        "FastAPI, a queue and a `StreamingResponse` each",
        lambda port, count: Orders(port, "/events", count, greeted="retry:", media_type="text/event-stream"),
    ),
    Place(
        "Socket.IO of family B",
        _rooms,
        _packet,
        "≥ 0.3",
        "socketio_room",
        "python-socketio, `emit` to a room",
        lambda port, count: Orders(port, "/socket.io/?EIO=4&transport=websocket", count, "40", "40{"),
    ),
    Place("gRPC-Web", _grpc_web, lambda entry: PIECE.ljust(5 + len(entry.data)), "≥ 0.3"),
)


async def fan_out(stage: Stage) -> list[Row]:
    """Messages per second of a stream of events through each door, beside the limit and what users would write."""
    rows: list[Row] = []
    for place in PLACES:
        rates: dict[str, list[float]] = {}
        async with _watched(stage, place) as servers:
            for _ in range(ROUNDS):
                for name, (server, crowd) in servers.items():
                    rates.setdefault(name, []).append(await _rate(server, crowd))
        what = f"a stream of events to {CLIENTS:,} clients: {place.name}"
        limit = "uvloop's `transport.write` of a ready-made message"
        rows.append(Row(what, "messages/s", rates["gateway"], rates["limit"], limit, place.aim, why=WHY_LIMIT))
        if place.usual:
            rows.append(Row(what, "messages/s", rates["gateway"], rates["usual"], place.against, "≥ 1", why=WHY_USUAL))
    return rows


WHY_LIMIT = "Ours are stored, and come through the story server, before they are written."
WHY_USUAL = "Ours are stored, and come through the story server, before they are sent."


@asynccontextmanager
async def _watched(stage: Stage, place: Place) -> AsyncIterator[Mapping[str, tuple[Broadcaster, Crowd]]]:
    async with AsyncExitStack() as stack:
        telling = await Stages.begin(stage)
        message = place.said(read_entry(STORY, telling.address.id, telling.piece().data))
        servers: dict[str, tuple[Broadcaster, Crowd]] = {}

        async def add(name: str, server: AbstractAsyncContextManager[Broadcaster], orders: _Orders) -> None:
            broadcaster = await stack.enter_async_context(server)
            crowd = await stack.enter_async_context(Crowd.of(orders(broadcaster.port, CLIENTS)))
            servers[name] = broadcaster, crowd

        await add("gateway", gateway(stage, telling), lambda port, count: place.orders(telling, port, count))
        await add("limit", peer("ready_frame", message), lambda port, count: _bare(place.orders(telling, port, count)))
        if place.usual:
            await add("usual", peer(place.usual, message), place.usual_orders)
        yield servers


_Orders = Callable[[int, int], Orders]


def _bare(orders: Orders) -> Orders:
    """Return the orders of a crowd that is sent nothing but events."""
    return replace(orders, greeting="", greeted="")


async def _rate(server: Broadcaster, crowd: Crowd) -> float:
    first, begun = crowd.all_have, time.perf_counter()
    for number in range(1, EVENTS + 1):
        await crowd.until_all_have(first + number - ON_THEIR_WAY)
        await server.send()
    await crowd.until_all_have(first + EVENTS)
    return EVENTS * CLIENTS / (time.perf_counter() - begun)


async def clients(stage: Stage) -> list[Row]:
    """Memory of each idle client at each door, and how many come in each second."""
    kept: dict[str, list[float]] = {}
    rates: dict[str, list[float]] = {}
    for _ in range(3):
        for place in PLACES:
            telling = await Stages.begin(stage)
            async with gateway(stage, telling) as server:
                await _come_in(server, place.name, _of_story(place, telling, server.port), kept, rates)
        async with idle_endpoint() as server:
            await _come_in(server, "idle", lambda count: Orders(server.port, "/", count), kept, rates)
    against = "idle bare WebSocket endpoint under uvicorn"
    rows = [
        Row(f"memory of each idle client: {place.name}", "KiB", kept[place.name], kept["idle"], against, "≤ 2.5",
            lower_is_better=True, why=WHY_MEMORY)
        for place in PLACES
    ]  # fmt: skip
    return rows + [
        Row(f"clients that come in: {place.name}", "1/s", rates[place.name], rates["idle"], against, "≥ 0.3",
            why=WHY_CONNECTING)
        for place in PLACES
    ]  # fmt: skip


WHY_MEMORY = "A client holds a watch and the layers of its library, where the endpoint has one coroutine."
WHY_CONNECTING = (
    "A client is let in, has a watch opened and is told where the story stands, where the endpoint accepts."
)


def _of_story(place: Place, telling: Stages, port: int) -> Callable[[int], Orders]:
    return lambda count: place.orders(telling, port, count)


async def _come_in(
    server: Broadcaster,
    name: str,
    orders: Callable[[int], Orders],
    kept: dict[str, list[float]],
    rates: dict[str, list[float]],
) -> None:
    """Let a few clients in, for what a server loads for its first ones; then look what many cost."""
    async with Crowd.of(orders(CLIENTS // 10)):
        await asyncio.sleep(_SETTLED_SECONDS)
        before = private_bytes(server.pid)
        async with Crowd.of(orders(CLIENTS)) as crowd:
            await asyncio.sleep(_SETTLED_SECONDS)
            kept.setdefault(name, []).append((private_bytes(server.pid) - before) / 1024 / CLIENTS)
            rates.setdefault(name, []).append(CLIENTS / crowd.seconds)
