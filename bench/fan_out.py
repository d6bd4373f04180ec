"""The gateway before many watchers: how fast an event reaches all, how soon one, and what each more of them costs."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack

from websockets.asyncio.client import connect

from bench import latency
from bench.audience import Broadcaster, Crowd, Telling, gateway, peer
from bench.crowd import Orders
from bench.processes import cpu_seconds
from bench.stage import Stage
from bench.table import Row
from fabula.engine.ports import Address
from fabula.rpc.kinds import STORY
from gateway.dialects.native import NativeJson, entry_frame
from gateway.entries import read_entry

SOCKETS = 1_000
EVENTS = 100
"""Events of one round."""
ROUNDS = 5
STREAM = 8
"""Events on their way at a time where a stream of them is measured: the next one is always at hand."""

WATCHERS = {10: 400, 2_000: 20}
"""How many watchers, and how many events each of them gets, where growth is measured."""

_PEERS = {
    "ready_frame": "uvloop's `transport.write` of a ready-made frame",
    "socketio_room": "python-socketio, `emit` to a room",
    "fastapi_manager": "FastAPI, a loop of `await send_text`",
}


async def broadcast(stage: Stage) -> list[Row]:
    """Messages per second of events to a thousand sockets: the gateway's, that of peers, and the limit."""
    one_by_one: dict[str, list[float]] = {}
    stream: dict[str, list[float]] = {}
    async with AsyncExitStack() as stack:
        telling = await Telling.begin(stage)
        message = _message(telling)
        servers: dict[str, tuple[Broadcaster, Crowd]] = {}
        own = await stack.enter_async_context(gateway(stage, telling))
        servers["gateway"] = own, await stack.enter_async_context(Crowd.of(telling.watchers(own.port, SOCKETS)))
        for module in _PEERS:
            server = await stack.enter_async_context(peer(module, message))
            servers[module] = server, await stack.enter_async_context(Crowd.of(_listeners(module, server.port)))
        for _ in range(ROUNDS):
            for name, (server, crowd) in servers.items():
                stream.setdefault(name, []).append(await _rate(server, crowd, STREAM))
                if name in {"gateway", "ready_frame"}:
                    one_by_one.setdefault(name, []).append(await _rate(server, crowd, 1))
    return [*_stream_rows(stream), _one_by_one_row(one_by_one)]


def _message(telling: Telling) -> str:
    """Return what the gateway sends of an event, for the peers to send the same."""
    entry = read_entry(STORY, telling.address.id, telling.piece().data)
    return str(NativeJson().encode(entry_frame(entry)))


def _listeners(module: str, port: int) -> Orders:
    if module == "socketio_room":
        return Orders(port, "/socket.io/?EIO=4&transport=websocket", SOCKETS, "40", "40{")
    return Orders(port, "/ws", SOCKETS)


async def _rate(server: Broadcaster, crowd: Crowd, on_their_way: int) -> float:
    first, begun = crowd.all_have, time.perf_counter()
    for number in range(1, EVENTS + 1):
        await crowd.until_all_have(first + number - on_their_way)
        await server.send()
    await crowd.until_all_have(first + EVENTS)
    return EVENTS * SOCKETS / (time.perf_counter() - begun)


def _stream_rows(rates: Mapping[str, Sequence[float]]) -> list[Row]:
    what, ours = f"a stream of events to {SOCKETS:,} WebSockets", rates["gateway"]
    aims = {"ready_frame": ("≥ 0.6", ""), "socketio_room": ("≥ 8", WHY_SOCKETIO), "fastapi_manager": ("≥ 1", "")}
    return [
        Row(what, "messages/s", ours, rates[module], against, aims[module][0], why=aims[module][1])
        for module, against in _PEERS.items()
    ]


def _one_by_one_row(rates: Mapping[str, Sequence[float]]) -> Row:
    what = f"events to {SOCKETS:,} WebSockets, each when all have the one before"
    ours, theirs, against = rates["gateway"], rates["ready_frame"], _PEERS["ready_frame"]
    return Row(what, "messages/s", ours, theirs, against, "≥ 0.6", why=WHY_ONE_BY_ONE)


WHY_SOCKETIO = (
    "What the kernel takes for a write to a socket bounds this ratio as well; the limit's row says by how much."
)
WHY_ONE_BY_ONE = "Ours are stored, and come through the story server, before they are sent: nothing is sent meanwhile."


async def growth(stage: Stage) -> list[Row]:
    """Processor time for an event, with the number of its watchers: the gateway's, and that of the bare writes."""
    ours: dict[int, list[float]] = {count: [] for count in WATCHERS}
    bare: dict[int, list[float]] = {count: [] for count in WATCHERS}
    for _ in range(ROUNDS):
        for count, events in WATCHERS.items():
            telling = await Telling.begin(stage)
            async with gateway(stage, telling) as server:
                ours[count].append(await _event(server, telling.watchers(server.port, count), events))
            async with peer("ready_frame", _message(telling)) as server:
                bare[count].append(await _event(server, Orders(server.port, "/", count), events))
    few, many = WATCHERS
    return [
        Row(
            f"gateway's processor time for an event to a WebSocket, {many:,} watchers",
            "µs",
            [each / many for each in ours[many]],
            [each / few for each in ours[few]],
            f"{few} watchers",
            "≤ 1.2",
            lower_is_better=True,
        ),
        Row(
            f"the same for each further watcher, from {few} to {many:,}",
            "µs",
            _slopes(ours[few], ours[many]),
            _slopes(bare[few], bare[many]),
            _PEERS["ready_frame"],
            "≤ 1.2",
            lower_is_better=True,
        ),
    ]


def _slopes(few: Sequence[float], many: Sequence[float]) -> list[float]:
    fewest, most = WATCHERS
    return [(more - less) / (most - fewest) for less, more in zip(few, many, strict=True)]


async def _event(server: Broadcaster, orders: Orders, events: int) -> float:
    """Send events one by one, each when all have the one before; return microseconds for one of them."""
    async with Crowd.of(orders) as crowd:
        await server.send()
        await crowd.until_all_have(1)
        before = cpu_seconds(server.pid)
        for number in range(events):
            await server.send()
            await crowd.until_all_have(number + 2)
        return (cpu_seconds(server.pid) - before) * 1e6 / events


async def emit_to_socket(stage: Stage) -> list[Row]:
    """Time from the emission of an event to a watcher behind a WebSocket, and from a bare publish to a subscriber."""
    telling = await Telling.begin(stage)
    async with gateway(stage, telling) as server:

        async def watch(address: Address, taken: list[float], expected: int) -> None:
            async with connect(f"ws://127.0.0.1:{server.port}/v1/ws", compression=None) as socket:
                await socket.send(json.dumps({"subscribe": {"generationId": address.id, "afterSequence": 3}}))
                while len(taken) < expected:
                    frame = json.loads(await socket.recv())
                    if "event" in frame:
                        taken += latency.ages(frame["event"]["response"]["event"]["textDelta"]["text"])

        return await latency.compared(stage, "WebSocket watcher", watch, WHY_LATENCY)


WHY_LATENCY = "To the way of an event to a gRPC watcher comes a second hop of gRPC, into the gateway."
