"""A worker process for tests: `python -m tests.integration.engine.slow_worker URL KIND LEASE_SECONDS`.

It plans at once and then writes word by word. Where the premise is "poison", writing kills the process.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

from fabula.engine.pipeline import Outputs, Stage, StageContext
from fabula.engine.worker import WorkerSettings
from fabula.journal import JournalSettings
from fabula.rpc.codec import ProtoCodec
from fabula.rpc.kinds import STORY
from fabula.runtime import run, worker
from services.story.codec import StoryCodec
from services.story.domain import Chapter, Order

WORDS = 60
SECONDS_PER_WORD = 0.02
POISON = "poison"


@dataclass(frozen=True, slots=True)
class SlowPipeline:
    """Plans and writes."""

    model: str = "slow"

    def plan(self, request: object, outputs: Outputs) -> Sequence[Stage]:
        """Return the two stages."""
        assert isinstance(request, Order)
        write = partial(_write, poisoned=request.brief.premise == POISON)
        return [Stage("plan", _plan), Stage("write", write, ("Writer",), units=WORDS, continues=True)]


async def _plan(_context: StageContext, _outputs: Outputs) -> Chapter:
    return Chapter(1, "plan", f"planned by {os.getpid()}")


async def _write(context: StageContext, _outputs: Outputs, *, poisoned: bool) -> Chapter:
    for number in range(len(context.written.split()), WORDS):
        await asyncio.sleep(SECONDS_PER_WORD)
        context.text(f"word-{number} ", step=number + 1)
        if poisoned and number % 5 == 4:
            os.kill(os.getpid(), signal.SIGKILL)
    return Chapter(1, "write", context.written)


@asynccontextmanager
async def _open() -> AsyncIterator[SlowPipeline]:
    yield SlowPipeline()


def main(url: str, kind: str, lease_seconds: float) -> None:
    """Work until SIGTERM."""
    codec = ProtoCodec(replace(STORY, name=kind), StoryCodec())
    settings = JournalSettings(url=url, name="slow worker", lease_seconds=lease_seconds)
    run(settings, worker(codec, _open, WorkerSettings(lease_seconds=lease_seconds)))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
