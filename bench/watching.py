"""Watching a stored log: how many events a second reach one watcher, or many at once."""

from __future__ import annotations

import asyncio
import time

import grpc

from bench.bare import STREAM, bare_server
from bench.readers import WATCH
from bench.stage import Stage, bodies, encoded, new_address, store, watch_request
from bench.table import Row
from fabula.rpc.client import open_channel

EVENTS = 10_000
PER_RECORD = 10
ROUNDS = 5
MANY = 10


async def watch(stage: Stage) -> list[Row]:
    """Read logs through WatchProgress, and the same messages from a bare server, with the same client.

    Each time another log, that the server has never read: it would remember parts of it.
    """
    entries = encoded(new_address(), bodies(EVENTS))
    ours: dict[int, list[float]] = {1: [], MANY: []}
    theirs: dict[int, list[float]] = {1: [], MANY: []}
    async with bare_server([entry.data for entry in entries]) as bare, open_channel(bare.address) as channel:
        for _ in range(ROUNDS):
            for streams in (1, MANY):
                request = await _new_log(stage)
                ours[streams].append(await _rate(stage.channel, WATCH, request, streams, len(entries)))
                theirs[streams].append(await _rate(channel, STREAM, b"", streams, len(entries)))
    return [
        Row(
            f"WatchProgress, a log of {EVENTS:,} events, {PER_RECORD} to a record, "
            + ("1 watcher" if streams == 1 else f"{streams} watchers at once"),
            "events/s",
            ours[streams],
            theirs[streams],
            "bare grpc.aio stream of the same messages",
            "≥ 0.9",
            why=WHY,
        )
        for streams in (1, MANY)
    ]


WHY = (
    "gRPC takes one message of a stream at a time, so a single stream goes as fast as threads wake each other, not as "
    "fast as they work: its figures are spread widely. Reading the log takes part of these turns: the bare server has "
    "its messages in memory, and two processes work where it needs one. Of the server's own time an event takes 3 µs "
    "to read and 20 to send. With ten streams the machine is full, and the cost of reading shows alone."
)


async def _new_log(stage: Stage) -> bytes:
    address = new_address()
    await store(stage.journal, address, encoded(address, bodies(EVENTS)), per_record=PER_RECORD)
    return watch_request(address).SerializeToString()


async def _rate(channel: grpc.aio.Channel, path: str, request: bytes, streams: int, expected: int) -> float:
    begun = time.perf_counter()
    counts = await asyncio.gather(*(_read(channel, path, request) for _ in range(streams)))
    seconds = time.perf_counter() - begun
    if counts != [expected] * streams:
        raise ValueError(f"{path} has sent {counts} messages instead of {expected} to each")
    return sum(counts) / seconds


async def _read(channel: grpc.aio.Channel, path: str, request: bytes) -> int:
    count = 0
    async for _ in channel.unary_stream(path, None, None)(request):
        count += 1
    return count
