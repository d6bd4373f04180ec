"""How wrong the time left is that watchers are told, beside what a watcher could work out alone."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass

from bench.stage import CODEC, LOCAL, Stage, ended, new_request
from bench.table import Row
from bench.toy_authors import Tempo
from bench.toy_worker import Orders, toy_worker
from fabula.api.story.v1 import story_pb2 as pb
from fabula.engine.events import Progress
from fabula.engine.ports import Address

EARLIER = 24
MEASURED = 48
SLOTS = 8
SEED = 7
SHARES = (0.25, 0.5, 0.75)

TEMPO = Tempo(
    outline_seconds=1.0,
    chapter_plan_seconds=0.25,
    piece_seconds=0.02,
    piece_words=4,
    review_seconds=0.6,
    noise=0.15,
)
"""About ten times as fast as a model that writes 30 tokens a second: an outline is half as long in tokens as a short
story, and an answer that must fit a schema comes slower than text."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a watcher knows at some moment, and what only comes out later.

    Attributes:
        naive: Seconds left by elapsed ÷ fraction.
        p50: Seconds left as told, in the middle.
        p90: Seconds left as told, at most.
        left: Seconds that were left.
    """

    naive: float
    p50: float
    p90: float
    left: float


def look(told: Sequence[Progress], share: float) -> Look:
    """Return what is known when `share` of a run's time is over; between events a watcher counts down.

    Raises:
        ValueError: nothing was told of the time left.
    """
    total = told[-1].elapsed
    now = total * share
    newest = [progress for progress in told if progress.elapsed <= now][-1]
    if newest.remaining is None or not newest.fraction:
        raise ValueError("the time left was not told")
    passed = now - newest.elapsed
    return Look(
        naive=now / newest.fraction - now,
        p50=max(0.0, newest.remaining.p50 - passed),
        p90=max(0.0, newest.remaining.p90 - passed),
        left=total - now,
    )


async def time_left(stage: Stage) -> list[Row]:
    """Error of the time left in stories of many lengths, after a worker has written some others."""
    draw = random.Random(SEED)
    orders = Orders(stage.nats_url, slots=SLOTS, tempo=TEMPO)
    async with toy_worker(stage, orders):
        await _tell(stage, draw, EARLIER)
        runs = [await _progress(stage, address) for address in await _tell(stage, draw, MEASURED)]
    rows = []
    for share in SHARES:
        looks = [look(run, share) for run in runs]
        rows += [_error(share, looks), _coverage(share, looks)]
    return sorted(rows, key=lambda row: row.unit)


def _error(share: float, looks: Sequence[Look]) -> Row:
    ours = sorted(abs(seen.p50 - seen.left) / seen.left for seen in looks)
    naive = sorted(abs(seen.naive - seen.left) / seen.left for seen in looks)
    middle = len(looks) // 2
    return Row(
        f"median error of the time left, {share:.0%} of the time over",
        "of what was left",
        [ours[middle]],
        [naive[middle]],
        "elapsed ÷ fraction − elapsed",
        "≤ 0.5",
        lower_is_better=True,
        why=WHY,
    )


def _coverage(share: float, looks: Sequence[Look]) -> Row:
    covered = sum(seen.left <= seen.p90 for seen in looks) / len(looks)
    what = f"stories that took at most the p90 told, {share:.0%} of the time over"
    return Row(what, "of all", [covered], [0.9], "nine of ten, as p90 says", "≥ 0.9", why=WHY)


WHY = (
    "Each story has a pace of its own. While the outline is being made, nothing tells it yet, nor how many chapters "
    "there will be; stories with many are then thought shorter than they are."
)


async def _tell(stage: Stage, draw: random.Random, count: int) -> list[Address]:
    """Have stories of many lengths written; return their addresses when all are."""
    addresses = []
    for _ in range(count):
        story = pb.StoryRequest(premise="A toy.", words=draw.randint(150, 900), revisions=0, seed=draw.getrandbits(31))
        request, address = new_request(story)
        await stage.client.call("StartGeneration", request, LOCAL)
        addresses.append(address)
    await asyncio.gather(*(ended(stage, address) for address in addresses))
    return addresses


async def _progress(stage: Stage, address: Address) -> list[Progress]:
    """Return what a generation's log told of its progress, from its claim on."""
    told = []
    async for record in stage.journal.events.read(address):
        told += [event.progress for event in map(CODEC.decode, record.entries) if event.sequence > 1]
    return told
