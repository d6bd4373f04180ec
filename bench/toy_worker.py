"""The story worker with a toy author: everything but the author is the real one.

Run as `python -m bench.toy_worker ORDERS` it works until it is ended.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field

import structlog

from bench.processes import end
from bench.stage import Stage, start
from bench.toy_authors import HostedAuthor, Tempo, WaitingAuthor
from fabula.backends.host import Host, HostSpec
from fabula.engine.paces import PaceBook
from fabula.engine.worker import WorkerSettings
from fabula.journal.settings import JournalSettings
from fabula.runtime import run, worker
from services.story.contract import StoryContract
from services.story.pipeline import StoryPipeline

_START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker is told.

    Attributes:
        nats_url: Where the journal is.
        slots: Generations at the same time.
        token_seconds: What a token of the hosted model takes; 0: the waiting author writes.
        marks: Where the model notes the ends of its calls; empty: nowhere.
        tempo: How the waiting author writes.
    """

    nats_url: str
    slots: int = 4
    token_seconds: float = 0.0
    marks: str = ""
    tempo: Tempo = field(default_factory=Tempo)


@asynccontextmanager
async def toy_worker(stage: Stage, orders: Orders) -> AsyncIterator[int]:
    """Run a worker for as long as the block lasts; yield its process id once it works."""
    process = await start("-m", "bench.toy_worker", json.dumps(asdict(orders)))
    try:
        async with asyncio.timeout(_START_SECONDS):
            while await PaceBook(stage.journal.records, "story").life() is None:
                await asyncio.sleep(0.05)
        yield process.pid
    finally:
        await end(process)


@asynccontextmanager
async def _open_pipeline(orders: Orders) -> AsyncIterator[StoryPipeline]:
    if not orders.token_seconds:
        yield StoryPipeline(WaitingAuthor(orders.tempo))
        return
    async with Host(HostSpec("toy", "bench.toy_model:load", {"marks": orders.marks} if orders.marks else {})) as host:
        await host.warm()
        yield StoryPipeline(HostedAuthor(host, orders.token_seconds))


def main(orders: Orders) -> None:
    """Work until SIGTERM."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    settings = JournalSettings(url=orders.nats_url, name="toy worker")
    run(settings, worker(StoryContract().codec, lambda: _open_pipeline(orders), WorkerSettings(orders.slots)))


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    main(Orders(**{**told, "tempo": Tempo(**told["tempo"])}))
