"""How soon a model stops after a cancel."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from contextlib import aclosing
from pathlib import Path

from bench.figures import quantile
from bench.stage import LOCAL, Stage, new_request
from bench.table import Row
from bench.toy_worker import Orders, toy_worker
from fabula.api.story.v1 import story_pb2 as pb

CANCELS = 100
TOKEN_SECONDS = 0.05

_LONG = 2_000
"""Words of a story that is never finished."""


async def cancel(stage: Stage) -> list[Row]:
    """Time from the call of CancelGeneration until the hosted model is idle, and until the run has ended in the log."""
    idle, over, tokens = [], [], []
    with tempfile.TemporaryDirectory(prefix="fabula-bench-") as folder:
        marks = Path(folder) / "marks"
        async with toy_worker(stage, Orders(stage.nats_url, token_seconds=TOKEN_SECONDS, marks=str(marks))):
            for number in range(CANCELS):
                called, ended = await _cancel_one(stage)
                stopped, token = await _mark(marks, number)
                idle.append((stopped - called) * 1000)
                over.append((ended - called) * 1000)
                tokens.append(token * 1000)
    one_token = [quantile(tokens, 0.5)]
    return [
        Row(
            f"{what}, {name}",
            "ms",
            [quantile(taken, share)],
            one_token,
            "one token",
            "≤ 2",
            lower_is_better=True,
            why=WHY,
        )
        for what, taken in (("cancel → the model is idle", idle), ("cancel → a watcher sees the run ended", over))
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ]


WHY = "The model looks for a cancel between tokens, so up to one token passes before it stops."


async def _cancel_one(stage: Stage) -> tuple[float, float]:
    """Start a generation and cancel it at any moment of its writing; return when that was, and when it had ended."""
    request, address = new_request(pb.StoryRequest(premise="A toy.", words=_LONG, revisions=0))
    await stage.client.call("StartGeneration", request, LOCAL)
    watch = pb.WatchProgressRequest(generation_id=address.id)
    called: asyncio.Task[float] | None = None
    async with aclosing(stage.client.stream("WatchProgress", watch, LOCAL)) as events:
        async for data in events:
            if called is None and pb.WatchProgressResponse.FromString(data).event.HasField("text_delta"):
                called = asyncio.create_task(_call(stage, address.id))
    ended = time.time()
    if called is None:
        raise ValueError("the generation has ended before it wrote")
    return await called, ended


async def _call(stage: Stage, generation_id: str) -> float:
    await asyncio.sleep(random.uniform(1, 3) * TOKEN_SECONDS)
    called = time.time()
    await stage.client.call("CancelGeneration", pb.CancelGenerationRequest(generation_id=generation_id), LOCAL)
    return called


async def _mark(marks: Path, number: int) -> tuple[float, float]:
    """Return what the model noted when its call of this number ended."""
    async with asyncio.timeout(10):
        while len(lines := await asyncio.to_thread(_lines, marks)) <= number:
            await asyncio.sleep(0.01)
    stopped, token = lines[number].split()
    return float(stopped), float(token)


def _lines(marks: Path) -> list[str]:
    return marks.read_text("ascii").splitlines() if marks.exists() else []
