"""What an idle watcher costs the story server in memory."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence

from bench.bare import IDLE, bare_server
from bench.processes import private_bytes
from bench.readers import WATCH, Readers
from bench.stage import Server, Stage, bodies, encoded, new_address, story_server
from bench.table import Row
from fabula.api.story.v1 import story_pb2 as pb
from fabula.engine.ports import Address

WATCHERS = 1_000
FIRST = 50
"""Watchers that are there before the first look: what a server loads with its first call is not theirs."""
ROUNDS = 3

_SETTLED_SECONDS = 2.0


async def idle_watchers(stage: Stage) -> list[Row]:
    """Memory that grows with the watchers, in a fresh server each time."""
    one = [await _running(stage)] * (FIRST + WATCHERS)
    many = [await _running(stage) for _ in range(FIRST + WATCHERS)]
    of_one: list[float] = []
    of_many: list[float] = []
    bare: list[float] = []
    for _ in range(ROUNDS):
        for addresses, found in ((one, of_one), (many, of_many)):
            async with story_server(stage.nats_url) as server:
                found.append(await _per_watcher(server, WATCH, [_at_end(address) for address in addresses]))
        async with bare_server() as server:
            bare.append(await _per_watcher(server, IDLE, [b""] * (FIRST + WATCHERS)))
    against = "idle bare grpc.aio stream"
    return [
        Row(
            f"memory of each idle watcher, {WATCHERS:,} of one generation",
            "KiB",
            of_one,
            bare,
            against,
            "≤ 1.3",
            lower_is_better=True,
            why=WHY_ONE,
        ),
        Row(
            f"memory of each idle watcher, {WATCHERS:,} of as many generations",
            "KiB",
            of_many,
            bare,
            against,
            "≤ 1.3",
            lower_is_better=True,
            why=WHY_MANY,
        ),
    ]


WHY_ONE = "A watcher is a chain of Python generators behind the bare stream's one coroutine."
WHY_MANY = "Each generation that is watched has a tail of its own as well: two tasks and a subscription."


async def _running(stage: Stage) -> Address:
    """Return a generation that is at work and says nothing."""
    address = new_address()
    head = encoded(address, bodies(0)[:3])
    await stage.journal.events.append(address, head, after=0, append_id=secrets.token_hex(8))
    return address


def _at_end(address: Address) -> bytes:
    return pb.WatchProgressRequest(generation_id=address.id, after_sequence=3).SerializeToString()


async def _per_watcher(server: Server, path: str, requests: Sequence[bytes]) -> float:
    """Return the growth of a server's own memory with each stream behind the first ones, in KiB."""
    async with Readers.of(server.address, path, requests[:FIRST]):
        await asyncio.sleep(_SETTLED_SECONDS)
        before = private_bytes(server.pid)
        async with Readers.of(server.address, path, requests[FIRST:]):
            await asyncio.sleep(_SETTLED_SECONDS)
            return (private_bytes(server.pid) - before) / 1024 / (len(requests) - FIRST)
