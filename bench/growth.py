"""Whether costs stay flat where there is more of something: watchers, events of a log, generations at once."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from bench.processes import cpu_seconds
from bench.readers import WATCH, Readers
from bench.stage import (
    LOCAL,
    Stage,
    bodies,
    encoded,
    new_address,
    new_request,
    store,
    watch_request,
)
from bench.table import Row
from bench.toy_authors import Tempo
from bench.toy_worker import Orders, toy_worker
from fabula.api.story.v1 import story_pb2 as pb
from fabula.engine.events import State, TextDelta
from fabula.engine.ports import Address

ROUNDS = 3

WATCHERS = {10: 400, 2_000: 20}
"""How many watchers, and how many events each of them gets."""

LOGS = {100: 100, 100_000: 1}
"""How many events a log has, and how often it is replayed in a round."""

GENERATIONS = (10, 1_000)
WORDS = 50
"""Words that each of them writes, five a second."""

_CALLERS = 20
_FLAT = "≤ 1.2"


async def watchers(stage: Stage) -> list[Row]:
    """Processor time of the story server for each event that it sends to each watcher."""
    cost: dict[int, list[float]] = {count: [] for count in WATCHERS}
    for _ in range(ROUNDS):
        for count, events_each in WATCHERS.items():
            cost[count].append(await _delivery(stage, count, events_each))
    few, many = cost
    what = f"server's processor time for an event to a gRPC watcher, {many:,} watchers"
    return [Row(what, "µs", cost[many], cost[few], f"{few} watchers", _FLAT, lower_is_better=True)]


async def _delivery(stage: Stage, count: int, events_each: int) -> float:
    """Append events one by one, each when all watchers have the one before; return microseconds for a delivery."""
    address = new_address()
    head = encoded(address, bodies(0)[:3])
    revision = await stage.journal.events.append(address, head, after=0, append_id=secrets.token_hex(8))
    request = pb.WatchProgressRequest(generation_id=address.id, after_sequence=3).SerializeToString()
    deltas = encoded(address, bodies(events_each)[3:-2], 4, State.RUNNING)
    async with Readers.of(stage.story_address, WATCH, [request] * count) as readers:
        await asyncio.sleep(1)
        before = cpu_seconds(stage.story.pid)
        for number, entry in enumerate(deltas, start=1):
            revision = await stage.journal.events.append(
                address, [entry], after=revision, append_id=secrets.token_hex(8)
            )
            await readers.until_all_have(number)
        return (cpu_seconds(stage.story.pid) - before) * 1e6 / (count * events_each)


async def events(stage: Stage) -> list[Row]:
    """Time for an event of a log that is replayed, joined near its end, or appended to."""
    ends = {count: await _log(stage, count) for count in LOGS}
    replayed: dict[int, list[float]] = {count: [] for count in LOGS}
    joined: dict[int, list[float]] = {count: [] for count in LOGS}
    appended: dict[int, list[float]] = {count: [] for count in LOGS}
    for _ in range(ROUNDS):
        for count, times in LOGS.items():
            end = ends[count]
            replayed[count].append(await _mean_us(times, partial(_read, stage, end, 0)) / count)
            joined[count].append(await _mean_us(50, partial(_read, stage, end, end.sequence - 10)))
            appended[count].append(await _mean_us(200, end.append))
    few, many = LOGS
    measured = (
        ("replay of a log, each event", replayed, ""),
        ("joining ten events before the end of a log", joined, WHY_JOINED),
        ("appending an event to a log", appended, ""),
    )
    return [
        Row(f"{what}, {many:,} events", "µs", cost[many], cost[few], f"{few} events", _FLAT, True, why)
        for what, cost, why in measured
    ]


WHY_JOINED = (
    "Where a cursor lies in a log is searched by halves: some ten single reads in the long log, none in the short one. "
    "It grows with the logarithm of the log's length."
)


class _End:
    """The end of a log that runs on."""

    def __init__(self, stage: Stage, address: Address, sequence: int, revision: int) -> None:
        self.address, self.sequence = address, sequence
        self._stage, self._revision = stage, revision

    async def append(self) -> None:
        """Append one event."""
        self.sequence += 1
        entries = encoded(self.address, [TextDelta("write-1", 0, "Once upon a time. ")], self.sequence, State.RUNNING)
        self._revision = await self._stage.journal.events.append(
            self.address, entries, after=self._revision, append_id=secrets.token_hex(8)
        )


async def _log(stage: Stage, count: int) -> _End:
    address = new_address()
    entries = encoded(address, bodies(count - 3)[:-2])
    await store(stage.journal, address, entries, per_record=10)
    record = await stage.journal.events.last(address)
    if record is None:
        raise ValueError("the log is gone")
    return _End(stage, address, count, record.revision)


async def _read(stage: Stage, end: _End, after: int) -> None:
    """Watch from a cursor to the log's end."""
    request = watch_request(end.address)
    request.after_sequence = after
    call = stage.channel.unary_stream(WATCH, None, None)(request.SerializeToString())
    left = end.sequence - after
    async for _ in call:
        left -= 1
        if not left:
            break
    call.cancel()


async def _mean_us(times: int, work: Callable[[], Awaitable[None]]) -> float:
    begun = time.perf_counter()
    for _ in range(times):
        await work()
    return (time.perf_counter() - begun) * 1e6 / times


async def generations(stage: Stage) -> list[Row]:
    """Processor time for each generation that is written and watched, above what idle processes take."""
    parts = ("worker", "story server", "nats-server")
    cost: dict[int, dict[str, list[float]]] = {count: {part: [] for part in parts} for count in GENERATIONS}
    async with toy_worker(stage, Orders(stage.nats_url, slots=max(GENERATIONS), tempo=Tempo(piece_words=5))) as worker:
        pids = dict(zip(parts, (worker, stage.story.pid, _server(stage)), strict=True))
        for _ in range(ROUNDS - 1):
            for count in GENERATIONS:
                for part, milliseconds in (await _write(stage, pids, count)).items():
                    cost[count][part].append(milliseconds)
    few, many = GENERATIONS
    return [
        Row(
            f"{part}'s processor time for a generation, {many:,} at once",
            "ms",
            cost[many][part],
            cost[few][part],
            f"{few} at once",
            _FLAT,
            lower_is_better=True,
        )
        for part in parts
    ]


def _server(stage: Stage) -> int:
    if stage.nats.pid is None:
        raise ValueError("the journal is gone")
    return stage.nats.pid


async def _write(stage: Stage, pids: dict[str, int], count: int) -> dict[str, float]:
    """Have so many generations written and watched at once; return each process's milliseconds for one of them."""
    idle = await _computed(pids, asyncio.sleep(5))
    begun = time.perf_counter()
    busy = await _computed(pids, _watch_all(stage, count))
    share = (time.perf_counter() - begun) / 5
    return {part: (busy[part] - idle[part] * share) * 1000 / count for part in pids}


async def _computed(pids: dict[str, int], work: Awaitable[None]) -> dict[str, float]:
    before = {part: cpu_seconds(pid) for part, pid in pids.items()}
    await work
    return {part: cpu_seconds(pid) - before[part] for part, pid in pids.items()}


async def _watch_all(stage: Stage, count: int) -> None:
    requests = [new_request(pb.StoryRequest(premise="A toy.", words=WORDS, revisions=0)) for _ in range(count)]
    watching = [
        pb.WatchProgressRequest(generation_id=address.id, wait_for_start=True).SerializeToString()
        for _, address in requests
    ]
    async with Readers.of(stage.story_address, WATCH, watching) as readers:
        some = [requests[first::_CALLERS] for first in range(_CALLERS)]
        await asyncio.gather(*(_start(stage, [request for request, _ in part]) for part in some))
        await readers.until_ended()


async def _start(stage: Stage, requests: Sequence[pb.StartGenerationRequest]) -> None:
    for request in requests:
        await stage.client.call("StartGeneration", request, LOCAL)
