"""What an idle watcher costs the gateway in memory."""

from __future__ import annotations

import asyncio

from bench.audience import Broadcaster, Crowd, Telling, gateway, idle_endpoint
from bench.crowd import Orders
from bench.processes import private_bytes
from bench.stage import Stage
from bench.table import Row

WATCHERS = 1_000
FIRST = 100
"""Watchers that are there before the first look: what a server loads for its first ones is not the others'."""
ROUNDS = 3

_SETTLED_SECONDS = 2.0


async def idle_watchers(stage: Stage) -> list[Row]:
    """Memory that grows with the watchers of a generation, and with the sockets of a bare endpoint."""
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(ROUNDS):
        telling = await Telling.begin(stage)
        async with gateway(stage, telling) as server:
            few, many = (telling.watchers(server.port, count) for count in (FIRST, WATCHERS))
            ours.append(await _per_socket(server, few, many))
        async with idle_endpoint() as server:
            few, many = (Orders(server.port, "/", count) for count in (FIRST, WATCHERS))
            theirs.append(await _per_socket(server, few, many))
    what, against = f"memory of each of {WATCHERS:,} idle WebSocket watchers", "idle bare endpoint under uvicorn"
    return [Row(what, "KiB", ours, theirs, against, "≤ 1.3", lower_is_better=True, why=WHY)]


WHY = "A watcher is a socket with its visitor, a subscription and a watch, where the endpoint has one coroutine."


async def _per_socket(server: Broadcaster, first: Orders, then: Orders) -> float:
    """Return the growth of a server's own memory with each socket, in KiB."""
    async with Crowd.of(first):
        await asyncio.sleep(_SETTLED_SECONDS)
        before = private_bytes(server.pid)
        async with Crowd.of(then):
            await asyncio.sleep(_SETTLED_SECONDS)
            return (private_bytes(server.pid) - before) / 1024 / then.count
