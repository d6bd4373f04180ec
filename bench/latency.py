"""How soon an event reaches a watcher after a worker has emitted it."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import nats
from nats.aio.msg import Msg
from nats.js.api import RePublish, StreamConfig

from bench.figures import quantile
from bench.stage import CODEC, LOCAL, Stage, bodies, encoded, new_address, watch_request
from bench.table import Row
from fabula.api.story.v1 import story_pb2 as pb
from fabula.engine.events import Progress, State, TextDelta
from fabula.engine.ports import Address
from fabula.engine.writer import LogEnd, LogWriter

RATES = (100, 1_000)
SECONDS = 3
ROUNDS = 3

_STAMP = 18
"""Characters of a time as it is written into an event."""


Watching = Callable[[Address, list[float], int], Awaitable[None]]
"""Watches a generation from its start until so many stamps have come, and notes the age of each."""


async def emit_to_watcher(stage: Stage) -> list[Row]:
    """Time from the emission of an event to a gRPC watcher, and from a bare publish to a subscriber."""

    async def watch(address: Address, taken: list[float], expected: int) -> None:
        messages = stage.client.stream("WatchProgress", watch_request(address), LOCAL)
        async for data in messages:
            taken += ages(pb.WatchProgressResponse.FromString(data).event.text_delta.text)
            if len(taken) == expected:
                return

    return await compared(stage, "gRPC watcher", watch, WHY)


async def compared(stage: Stage, who: str, watch: Watching, why: str) -> list[Row]:
    """Time from the emission of an event to a watcher, and from a bare publish to a subscriber."""
    against = "JetStream publish → subscriber of what is stored"
    rows = []
    for rate in RATES:
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(await _ours(stage, rate, watch))
            theirs.append(await _bare(stage, rate))
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            rows.append(
                Row(
                    f"emit → {who} at {rate:,} events/s, {name}",
                    "ms",
                    [quantile(taken, share) for taken in ours],
                    [quantile(taken, share) for taken in theirs],
                    against,
                    "≤ 3",
                    lower_is_better=True,
                    why=why,
                )
            )
    return rows


WHY = (
    "An event passes a writer that gathers while an append is under way, the store, a server and gRPC; the bare "
    "message only the store. At the larger rate a second append waits for the first, as the fence demands."
)


async def _paced(rate: int, emit: Callable[[], Awaitable[None]]) -> None:
    """Emit for some seconds, at moments that do not depend on how long emitting takes."""
    begun = time.perf_counter()
    for number in range(rate * SECONDS):
        await asyncio.sleep(begun + number / rate - time.perf_counter())
        await emit()


def _stamp() -> str:
    return f"{time.perf_counter():0{_STAMP}.6f}"


def ages(text: str) -> list[float]:
    """Return how many milliseconds ago each stamp in the text was written."""
    now = time.perf_counter()
    return [(now - float(text[at : at + _STAMP])) * 1000 for at in range(0, len(text), _STAMP)]


async def _ours(stage: Stage, rate: int, watch: Watching) -> list[float]:
    address = new_address()
    taken: list[float] = []
    async with _writer(stage, address) as writer:
        watching = asyncio.ensure_future(watch(address, taken, rate * SECONDS))
        await asyncio.sleep(0.3)
        progress = Progress(0.5, "write-1", "Writing chapter 1 of 1", active_agents=("Writer",))
        offset = 0

        async def emit() -> None:
            nonlocal offset
            writer.emit(TextDelta("write-1", offset, _stamp()), progress)
            offset += _STAMP

        await _paced(rate, emit)
        await asyncio.wait_for(watching, 30)
    return taken


@asynccontextmanager
async def _writer(stage: Stage, address: Address) -> AsyncIterator[LogWriter]:
    """Write a generation's log behind its head, for as long as the block lasts."""
    head = encoded(address, bodies(0)[:3])
    revision = await stage.journal.events.append(address, head, after=0, append_id=secrets.token_hex(8))
    writer = LogWriter(stage.journal.events, CODEC, LogEnd(address, CODEC.decode(head[-1]), revision), lambda _: None)
    writing = asyncio.create_task(writer.run())
    try:
        yield writer
        await writer.flush()
    finally:
        writing.cancel()
        with suppress(asyncio.CancelledError):
            await writing


async def _bare(stage: Stage, rate: int) -> list[float]:
    client = await nats.connect(stage.nats_url)
    journal = client.jetstream()
    config = StreamConfig(name="BARE", subjects=["bare.>"], republish=RePublish(src="bare.>", dest="live.bare.>"))
    await journal.add_stream(config)
    taken: list[float] = []
    all_there = asyncio.Event()

    async def receive(message: Msg) -> None:
        taken.extend(ages(pb.WatchProgressResponse.FromString(message.data).event.text_delta.text))
        if len(taken) == rate * SECONDS:
            all_there.set()

    address = new_address()
    await client.subscribe("live.bare.log", cb=receive)
    await asyncio.sleep(0.3)

    async def publish() -> None:
        (entry,) = encoded(address, [TextDelta("write-1", 0, _stamp())], 4, State.RUNNING)
        await journal.publish_async("bare.log", entry.data)

    await _paced(rate, publish)
    await asyncio.wait_for(all_there.wait(), 30)
    await journal.delete_stream("BARE")
    await client.close()
    return taken
