"""What it costs a generation to be a generation, and to be watched."""

from __future__ import annotations

import asyncio
import sys

from bench.readers import WATCH, Readers
from bench.stage import CODEC, LOCAL, Stage, ended, new_request
from bench.table import Row
from bench.toy_worker import Orders, toy_worker
from fabula.api.story.v1 import story_pb2 as pb
from fabula.engine.events import StageFinished
from fabula.engine.ports import Address

TOKENS = 200
TOKEN_SECONDS = 0.02
AUDIENCES = (0, 1, 100)
ROUNDS = 3

_STAGE = "write-1"


async def watched(stage: Stage) -> list[Row]:
    """Time of the stage in which a hosted model writes, and of a bare call of the same model in its own process."""
    ours: dict[int, list[float]] = {watchers: [] for watchers in AUDIENCES}
    bare = []
    async with toy_worker(stage, Orders(stage.nats_url, token_seconds=TOKEN_SECONDS)):
        for _ in range(ROUNDS):
            bare.append(await _bare_call())
            for watchers in AUDIENCES:
                ours[watchers].append(await _generate(stage, watchers))
    return [
        Row(
            f"a stage of {TOKENS} tokens at {1 / TOKEN_SECONDS:.0f}/s, watchers: {watchers}",
            "s",
            ours[watchers],
            bare,
            "a bare call of the same model",
            "≤ 1.02",
            lower_is_better=True,
            why=WHY,
        )
        for watchers in AUDIENCES
    ]


WHY = (
    "The model waits between tokens and is woken late where all processors are busy: on two of them it shares them "
    "with the worker, the journal, the server and the watchers."
)


async def _bare_call() -> float:
    words = ("-m", "bench.toy_model", str(TOKEN_SECONDS), str(TOKENS))
    process = await asyncio.create_subprocess_exec(sys.executable, *words, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    return float(said)


async def _generate(stage: Stage, watchers: int) -> float:
    """Run a generation before an audience that came first; return how long its writing took."""
    request, address = new_request(pb.StoryRequest(premise="A toy.", words=TOKENS, revisions=0))
    watching = pb.WatchProgressRequest(generation_id=address.id, wait_for_start=True).SerializeToString()
    if watchers:
        async with Readers.of(stage.story_address, WATCH, [watching] * watchers) as readers:
            await stage.client.call("StartGeneration", request, LOCAL)
            await readers.until_ended()
    else:
        await stage.client.call("StartGeneration", request, LOCAL)
        await ended(stage, address)
    return await _seconds(stage, address)


async def _seconds(stage: Stage, address: Address) -> float:
    async for record in stage.journal.events.read(address):
        for entry in record.entries:
            body = CODEC.decode(entry).body
            if isinstance(body, StageFinished) and body.stage == _STAGE:
                return body.elapsed
    raise ValueError("the generation has not written")
