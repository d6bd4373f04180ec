"""The queue: how many jobs a second one process takes, with one owner and with a hundred that take turns."""

from __future__ import annotations

import asyncio
import time
from uuid import uuid4

from bench.stage import Stage
from bench.table import Row
from fabula.engine.ports import Address, Entry, GenerationId, Purpose, Tag

JOBS = 400
OWNERS = 100
AT_ONCE = 50
ROUNDS = 3


async def claims(stage: Stage) -> list[Row]:
    """Jobs taken and finished per second, one after the other."""
    many, one = [], []
    for _ in range(ROUNDS):
        many.append(await _rate(stage, OWNERS))
        one.append(await _rate(stage, 1))
    what = f"jobs that one process takes and finishes, of {OWNERS} owners that take turns"
    return [Row(what, "jobs/s", many, one, "the same of one owner", "≥ 0.67")]


async def _rate(stage: Stage, owners: int) -> float:
    kind = f"bench{uuid4().hex[:8]}"
    queue = stage.journal.queue
    addresses = [Address(kind, f"owner {n % owners}", GenerationId(f"{kind}-{uuid4()}")) for n in range(JOBS)]
    for begin in range(0, JOBS, AT_ONCE):
        await asyncio.gather(*(_queue(stage, address) for address in addresses[begin : begin + AT_ONCE]))
    while await queue.depth(kind) < JOBS:
        await asyncio.sleep(0.05)
    begun = time.perf_counter()
    for _ in range(JOBS):
        job = await queue.claim(kind, 5)
        assert job is not None  # noqa: S101 - a bench that lost a job has measured nothing
        await job.done()
    return JOBS / (time.perf_counter() - begun)


async def _queue(stage: Stage, address: Address) -> None:
    entry = Entry(1, Tag.STATE, b"bench")
    await stage.journal.events.append(address, [entry], after=0, append_id="bench", purpose=Purpose.QUEUE)
