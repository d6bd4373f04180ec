"""Writing: how many events a worker can store durably, and how many stories a server can accept."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from functools import partial

import grpc

from bench.stage import CODEC, LOCAL, Stage, bodies, encoded, free_port, new_address, start
from bench.table import Row
from fabula.api.story.v1 import story_pb2 as pb
from fabula.engine.events import Progress, State, TextDelta
from fabula.engine.writer import LogEnd, LogWriter

EVENTS = 3_000
STARTS = 300
ROUNDS = 3


async def emit(stage: Stage) -> list[Row]:
    """Events per second through the group-committing writer, and by bare appends of the same records."""
    rows = []
    for logs in (1, 100):
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(await _together(logs, partial(_through_writer, stage, EVENTS // logs)))
            theirs.append(
                await _together(logs, partial(_one_by_one, stage, EVENTS // logs // (10 if logs == 1 else 1)))
            )
        what = f"events that a worker stores durably, {logs} generation{'s' if logs > 1 else ''} at once"
        rows.append(Row(what, "events/s", ours, theirs, "bare appends, one event each", "≥ 1"))
    return rows


async def _together(logs: int, write: Callable[[], Awaitable[int]]) -> float:
    begun = time.perf_counter()
    counts = await asyncio.gather(*(write() for _ in range(logs)))
    return float(sum(counts) / (time.perf_counter() - begun))


async def _through_writer(stage: Stage, events: int) -> int:
    address = new_address()
    entries = encoded(address, bodies(0)[:3])
    revision = await stage.journal.events.append(address, entries, after=0, append_id=secrets.token_hex(8))
    end = LogEnd(address, CODEC.decode(entries[-1]), revision)
    writer = LogWriter(stage.journal.events, CODEC, end, lambda _: None)
    writing = asyncio.ensure_future(writer.run())
    progress = Progress(0.5, "write-1", "Writing", active_agents=("Writer",))
    text = "Once upon a time there was. "
    for index in range(events):
        writer.emit(TextDelta("write-1", index * len(text), text), progress)
        if index % 8 == 0:
            await asyncio.sleep(0)  # a model gives the loop a turn between tokens
    await writer.flush()
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    return events


async def _one_by_one(stage: Stage, events: int) -> int:
    address = new_address()
    entries = encoded(address, bodies(0)[:3])
    revision = await stage.journal.events.append(address, entries, after=0, append_id=secrets.token_hex(8))
    text = "Once upon a time there was. "
    deltas = [TextDelta("write-1", index * len(text), text) for index in range(events)]
    for entry in encoded(address, deltas, 4, State.RUNNING):
        revision = await stage.journal.events.append(address, [entry], after=revision, append_id=secrets.token_hex(8))
    return events


async def starts(stage: Stage) -> list[Row]:
    """Time of StartGeneration, and of a bare unary call followed by one durable append."""
    port = free_port()
    bare = await start("-m", "bench.bare_stream", str(port), "1", "200")
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    await asyncio.wait_for(channel.channel_ready(), 15)
    ours, theirs = [], []
    for _ in range(STARTS):
        ours.append(await _timed(_start(stage)))
        theirs.append(await _timed(_call_and_append(stage, channel)))
    await channel.close(None)
    bare.terminate()
    await bare.wait()
    median, tail = STARTS // 2, round(STARTS * 0.99)
    ours.sort()
    theirs.sort()
    against = "a bare unary call and one durable append"
    return [
        Row("StartGeneration, p50", "ms", [ours[median]], [theirs[median]], against, "≤ 1.5", lower_is_better=True),
        Row("StartGeneration, p99", "ms", [ours[tail]], [theirs[tail]], against, "≤ 1.5", lower_is_better=True),
    ]


async def _timed(work: Awaitable[None]) -> float:
    begun = time.perf_counter()
    await work
    return (time.perf_counter() - begun) * 1000


async def _start(stage: Stage) -> None:
    request = pb.StartGenerationRequest(story=pb.StoryRequest(premise="A benchmark."))
    await stage.client.call("StartGeneration", request, LOCAL)


async def _call_and_append(stage: Stage, channel: grpc.aio.Channel) -> None:
    await channel.unary_unary("/bench.Bare/Call", None, None)(b"x" * 60)
    address = new_address()
    await stage.journal.events.append(address, encoded(address, bodies(0)[:1]), after=0, append_id=secrets.token_hex(8))
