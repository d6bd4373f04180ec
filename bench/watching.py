"""Watching: how fast a log reaches a watcher, and how soon a new event does."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing

import grpc
import nats
from nats.aio.msg import Msg
from nats.js.api import RePublish, StreamConfig

from bench.stage import LOCAL, Stage, bodies, encoded, free_port, new_address, start, store, watch_request
from bench.table import Row
from fabula.api.story.v1 import story_pb2 as pb
from fabula.engine.events import State, TextDelta
from fabula.engine.ports import Address

Read = Callable[[], Awaitable[int]]

EVENTS = 10_000
ROUNDS = 5


async def replay(stage: Stage) -> list[Row]:
    """Events per second of a new watcher of a long log, and of a bare stream of the same bytes."""
    address = new_address()
    entries = encoded(address, bodies(EVENTS))
    await store(stage.journal, address, entries, per_record=10)
    bare_port = free_port()
    bare = await start("-m", "bench.bare_stream", str(bare_port), str(EVENTS), str(len(entries[100].data)))
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{bare_port}")
    await asyncio.wait_for(channel.channel_ready(), 15)
    ours, theirs, many_ours, many_theirs = [], [], [], []
    for _ in range(ROUNDS):
        ours.append(await _rate(lambda: _watch(stage, address)))
        theirs.append(await _rate(lambda: _read_bare(channel)))
        many_ours.append(await _rate(lambda: _all(10, lambda: _watch(stage, address))))
        many_theirs.append(await _rate(lambda: _all(10, lambda: _read_bare(channel))))
    await channel.close(None)
    bare.terminate()
    await bare.wait()
    against, aim = "bare grpc.aio stream of as many bytes", "≥ 0.9"
    return [
        Row("WatchProgress, a log of 10,000 events, 1 watcher", "events/s", ours, theirs, against, aim),
        Row("WatchProgress, the same, 10 watchers at once", "events/s", many_ours, many_theirs, against, aim),
    ]


async def _rate(read: Read) -> float:
    begun = time.perf_counter()
    count = await read()
    return float(count / (time.perf_counter() - begun))


async def _all(times: int, read: Read) -> int:
    return sum(await asyncio.gather(*(read() for _ in range(times))))


async def _watch(stage: Stage, address: Address) -> int:
    count = 0
    async with aclosing(stage.client.stream("WatchProgress", watch_request(address), LOCAL)) as events:
        async for _ in events:
            count += 1
    return count


async def _read_bare(channel: grpc.aio.Channel) -> int:
    count = 0
    async for _ in channel.unary_stream("/bench.Bare/Stream", None, None)(b""):
        count += 1
    return count


async def latency(stage: Stage) -> list[Row]:
    """Time from an event's emission to a watcher, and from a bare publish to a subscriber."""
    ours = await _latencies(stage, per_second=100, count=500)
    theirs = await _bare_latencies(stage, per_second=100, count=500)
    against = "JetStream publish → subscriber of the republished subject"
    return [
        Row(
            "emit → gRPC watcher at 100 events/s, p50", "ms", [_at(ours, 0.5)], [_at(theirs, 0.5)], against, "≤ 3", True
        ),
        Row(
            "emit → gRPC watcher at 100 events/s, p99",
            "ms",
            [_at(ours, 0.99)],
            [_at(theirs, 0.99)],
            against,
            "≤ 3",
            True,
        ),
    ]


def _at(values: Sequence[float], share: float) -> float:
    return sorted(values)[round(share * (len(values) - 1))]


async def _latencies(stage: Stage, per_second: int, count: int) -> list[float]:
    address = new_address()
    head = encoded(address, bodies(0)[:3])
    revision = await stage.journal.events.append(address, head, after=0, append_id=secrets.token_hex(8))
    taken: list[float] = []

    async def watch() -> None:
        async with aclosing(stage.client.stream("WatchProgress", watch_request(address), LOCAL)) as events:
            async for data in events:
                event = pb.WatchProgressResponse.FromString(data).event
                if event.HasField("text_delta"):
                    taken.append((time.time() - float(event.text_delta.text)) * 1000)
                    if len(taken) == count:
                        return

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(watch())
        await asyncio.sleep(0.5)
        sequence, offset = 4, 0
        for _ in range(count):
            text = f"{time.time():.6f}"
            entries = encoded(address, [TextDelta("write-1", offset, text)], sequence, State.RUNNING)
            revision = await stage.journal.events.append(
                address, entries, after=revision, append_id=secrets.token_hex(8)
            )
            sequence, offset = sequence + 1, offset + len(text)
            await asyncio.sleep(1 / per_second)
    return taken


async def _bare_latencies(stage: Stage, per_second: int, count: int) -> list[float]:
    client = await nats.connect(stage.nats_url)
    stream = client.jetstream()
    config = StreamConfig(name="BENCH", subjects=["bench.>"], republish=RePublish(src="bench.>", dest="live.bench.>"))
    await stream.add_stream(config)
    taken: list[float] = []

    async def receive(message: Msg) -> None:
        taken.append((time.time() - json.loads(message.data)["at"]) * 1000)

    await client.subscribe("live.bench.a", cb=receive)
    for _ in range(count):
        payload = json.dumps({"at": time.time(), "fill": "x" * 150}).encode()
        await stream.publish("bench.a", payload)
        await asyncio.sleep(1 / per_second)
    await asyncio.sleep(0.2)
    await stream.delete_stream("BENCH")
    await client.close()
    return taken
