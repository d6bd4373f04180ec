"""Writing: how many events a worker stores durably, how many stories a server accepts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import grpc
import nats
from nats.js.api import RePublish, StreamConfig

from bench.bare import APPEND, bare_server
from bench.figures import quantile
from bench.stage import CODEC, LOCAL, Stage, encoded, new_address
from bench.table import Row
from fabula.api.story.v1 import story_pb2 as pb
from fabula.engine.events import Accepted, Body, Event, LogLine, Progress, State, TextDelta
from fabula.engine.forecast import Forecast
from fabula.engine.history import History
from fabula.engine.pipeline import Outputs, StageContext
from fabula.engine.pipeline import Stage as Step
from fabula.engine.run import Claim, Run, Workshop
from fabula.engine.writer import LogEnd
from fabula.rpc.client import open_channel
from fabula.rpc.kinds import STORY
from services.story.domain import Brief, Order

EVENTS = 5_000
STARTS = 300
AT_ONCE = 50
ROUNDS = 3

_TEXT = "Once upon a time there was. "

Emit = Callable[[StageContext, int], None]


def _text(context: StageContext, number: int) -> None:
    context.text(_TEXT, step=number)


def _line(context: StageContext, _number: int) -> None:
    context.log(_TEXT)


@dataclass(frozen=True, slots=True)
class _Burst:
    """A pipeline of one stage that emits as fast as it can, giving the loop a turn behind each event."""

    emit: Emit
    events: int
    model: str = "bench"

    def plan(self, request: object, outputs: Outputs) -> Sequence[Step]:
        """Return the one stage."""
        del request, outputs
        return [Step("write-1", self._write, ("Writer",), units=self.events)]

    async def _write(self, context: StageContext, _outputs: Outputs) -> None:
        for number in range(self.events):
            self.emit(context, number)
            await asyncio.sleep(0)


async def emit(stage: Stage) -> list[Row]:
    """Events per second through a worker's run, and by bare appends of the same events, as many at once as may be."""
    rows = []
    kinds: list[tuple[str, Emit, Callable[[int], Body]]] = [
        ("pieces of text", _text, lambda index: TextDelta("write-1", index * len(_TEXT), _TEXT)),
        ("log lines, which are never joined,", _line, lambda _: LogLine(_TEXT)),
    ]
    for name, put, body in kinds:
        for logs in (1, 100):
            events = EVENTS // logs
            ours, theirs = [], []
            for _ in range(ROUNDS):
                ours.append(await _ours(stage, _Burst(put, events), logs))
                theirs.append(await _bare(stage, [body(index) for index in range(events)], logs))
            what = f"{name} that a worker stores durably, {logs} generation{'s at once' if logs > 1 else ''}"
            against = "bare JetStream publishes, a message each, not waiting for one another"
            rows.append(Row(what, "events/s", ours, theirs, against, "≥ 1"))
    return rows


async def _ours(stage: Stage, pipeline: _Burst, logs: int) -> float:
    journal = stage.journal
    shop = Workshop("bench", pipeline, CODEC, journal.events, journal.blobs, journal.previews)
    claims = [await _claim(stage) for _ in range(logs)]
    begun = time.perf_counter()
    await asyncio.gather(*(Run(shop, claim, Forecast()).execute() for claim in claims))
    return logs * pipeline.events / (time.perf_counter() - begun)


async def _claim(stage: Stage) -> Claim:
    """Return a generation that was just accepted."""
    address = new_address()
    body = Accepted("story", "local", "bench", Order(Brief(premise="A benchmark.")))
    event = Event(1, body, State.QUEUED, Progress(), time=datetime.now(UTC))
    entry = CODEC.encode(address.id, event)
    revision = await stage.journal.events.append(address, [entry], after=0, append_id="bench")
    history = History()
    history.apply(event)
    return Claim(history.snapshot(), LogEnd(address, event, revision))


async def _bare(stage: Stage, happened: Sequence[Body], logs: int) -> float:
    client = await nats.connect(stage.nats_url)
    journal = client.jetstream()
    config = StreamConfig(name="BARE", subjects=["bare.>"], republish=RePublish(src="bare.>", dest="live.bare.>"))
    await journal.add_stream(config)
    data = [entry.data for entry in encoded(new_address(), happened, 4, State.RUNNING)]

    async def write(log: int) -> None:
        acknowledged = [await journal.publish_async(f"bare.{log}", message) for message in data]
        await asyncio.gather(*acknowledged)

    begun = time.perf_counter()
    await asyncio.gather(*(write(log) for log in range(logs)))
    seconds = time.perf_counter() - begun
    await journal.delete_stream("BARE")
    await client.close()
    return logs * len(data) / seconds


async def starts(stage: Stage) -> list[Row]:
    """Time of StartGeneration, and of a bare call whose server stores as many bytes durably and answers as many."""
    client = await nats.connect(stage.nats_url)
    await client.jetstream().add_stream(StreamConfig(name="BARE", subjects=["bench.bare"]))
    await client.close()
    request = pb.StartGenerationRequest(story=pb.StoryRequest(premise="A benchmark."))
    answer = await stage.client.call("StartGeneration", request, LOCAL)
    accepted = await _claim(stage)
    record = CODEC.encode(accepted.address.id, accepted.end.head).data
    async with (
        bare_server(nats_url=stage.nats_url, answer_bytes=answer.ByteSize()) as bare,
        open_channel(bare.address) as channel,
    ):
        ours = partial(_call, stage.channel, STORY.path("StartGeneration"), request.SerializeToString())
        theirs = partial(_call, channel, APPEND, record)
        return [*await _alone(ours, theirs), await _at_once(ours, theirs)]


_AGAINST = "a bare unary call and one durable append"

Call = Callable[[], Awaitable[object]]


async def _alone(ours: Call, theirs: Call) -> list[Row]:
    taken_ours: list[list[float]] = []
    taken_theirs: list[list[float]] = []
    for _ in range(ROUNDS):
        taken_ours.append([])
        taken_theirs.append([])
        for _ in range(STARTS):
            taken_ours[-1].append(await _milliseconds(ours))
            taken_theirs[-1].append(await _milliseconds(theirs))
    return [
        Row(
            f"StartGeneration, one after the other, {name}",
            "ms",
            [quantile(taken, share) for taken in taken_ours],
            [quantile(taken, share) for taken in taken_theirs],
            _AGAINST,
            "≤ 1.5",
            lower_is_better=True,
            why=WHY,
        )
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ]


async def _at_once(ours: Call, theirs: Call) -> Row:
    rates_ours, rates_theirs = [], []
    for _ in range(ROUNDS):
        rates_ours.append(await _rate(ours))
        rates_theirs.append(await _rate(theirs))
    what = f"StartGeneration, {AT_ONCE} at once (aim: at most 1.5 times the cost)"
    return Row(what, "requests/s", rates_ours, rates_theirs, _AGAINST, "≥ 0.67", why=WHY)


WHY = (
    "A start is also checked against the contract's rules (11 % of the server's time, by py-spy), encoded (6 %) and "
    "answered with a whole generation (5 %); the append asks again where a connection was lost (18 %). Half of the "
    "server's time goes to such work, none of it to one thing, the rest to gRPC and the loop, as in the bare server."
)


async def _milliseconds(call: Call) -> float:
    begun = time.perf_counter()
    await call()
    return (time.perf_counter() - begun) * 1000


async def _rate(call: Call) -> float:
    """Return how many calls a second are answered while so many are always under way."""
    left = STARTS * 2

    async def one_caller() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await call()

    begun = time.perf_counter()
    await asyncio.gather(*(one_caller() for _ in range(AT_ONCE)))
    return STARTS * 2 / (time.perf_counter() - begun)


async def _call(channel: grpc.aio.Channel, path: str, request: bytes) -> None:
    await channel.unary_unary(path, None, None)(request)
