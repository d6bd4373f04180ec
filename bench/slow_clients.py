"""One gateway before a thousand watchers that read fast, and a thousand more that read slowly or not at all."""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field

from bench.audience import Broadcaster, Telling, gateway
from bench.paced import FAST, HALTING, IDLE, TRICKLE, Orders, Report, stamp
from bench.processes import end, private_bytes
from bench.stage import Stage, encoded
from bench.table import Row
from fabula.engine.events import State, TextDelta
from fabula.engine.ports import Entry

FAST_ONES = 1_000
SLOW_ONES = {IDLE: 334, TRICKLE: 333, HALTING: 333}
EVENTS_PER_SECOND = 20
PIECE_BYTES = 4 * 1024
"""Of an event: what a client on a network has of room in both systems is full after a second."""
ALONE_SECONDS = 5.0
FILLING_SECONDS = 5.0
BESIDE_SECONDS = 5.0
ROUNDS = 2
SHARE = 10
"""One of so many slow ones reads everything in the end, and is checked."""
OPEN_FILES = 4_096
"""What the gateway and a crowd's process need: one for each connection, and some."""
HIGH_WATER_KIB = 64.0
"""What the gateway keeps for a client at most, beside what it wrote last."""

_PATIENCE_SECONDS = 60.0
_SETTLED_SECONDS = 1.0
_LONGEST_LINE = 1 << 22


class Pieces(Telling):
    """A story that is told in large pieces, each with the time at which it was made."""

    def piece(self) -> Entry:
        """Return the next event."""
        text, offset = stamp().ljust(PIECE_BYTES, "."), self.sequence * PIECE_BYTES
        (entry,) = encoded(self.address, [TextDelta("write-1", offset, text)], self.sequence, State.RUNNING)
        return entry

    @property
    def cursor(self) -> int:
        """The newest event."""
        return self.sequence - 1

    async def tell_for(self, seconds: float) -> None:
        """Tell at a steady pace, at moments that do not depend on how long telling takes."""
        begun = time.perf_counter()
        for number in range(int(seconds * EVENTS_PER_SECOND)):
            await asyncio.sleep(begun + number / EVENTS_PER_SECOND - time.perf_counter())
            await self.tell()


class Watchers:
    """Watchers in a process of their own; see `bench.paced`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def of(cls, orders: Orders) -> AsyncIterator[Watchers]:
        """Have them come in, for as long as the block lasts."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bench.paced",
            json.dumps(asdict(orders)),
            stdin=pipe,
            stdout=pipe,
            limit=_LONGEST_LINE,
        )
        watchers = cls(process)
        try:
            await watchers._report()
            yield watchers
        finally:
            await end(process)

    async def tell(self) -> Report:
        """Ask how things are; ages are those since the last time."""
        return await self._ask("tell")

    async def finish(self, sequence: int, share: int = 1) -> Report:
        """Have one of so many of each pace read everything up to this event; return how things are then."""
        return await self._ask(f"finish {sequence} {share}")

    async def _ask(self, command: str) -> Report:
        assert self._process.stdin is not None  # noqa: S101 - it was started with a pipe
        self._process.stdin.write(f"{command}\n".encode())
        return await self._report()

    async def _report(self) -> Report:
        assert self._process.stdout is not None  # noqa: S101 - it was started with a pipe
        line = await asyncio.wait_for(self._process.stdout.readline(), _PATIENCE_SECONDS)
        if not line:
            raise ConnectionError("the watchers have ended: what was wrong stands above")
        return Report(**json.loads(line))


@dataclass(slots=True)
class _Figures:
    """Of all rounds: what the fast ones got alone and beside the others, and KiB of memory for each slow client."""

    alone: list[Report] = field(default_factory=list)
    beside: list[Report] = field(default_factory=list)
    idle: list[float] = field(default_factory=list)
    slow: list[float] = field(default_factory=list)


async def slow_clients(stage: Stage) -> list[Row]:
    """How soon events reach who reads, with and without those who do not, and what these cost in memory.

    Raises:
        ValueError, ConnectionError: somebody got an event twice, not at all, or other bytes of it.
    """
    allow_files(OPEN_FILES)
    figures = _Figures()
    for _ in range(ROUNDS):
        telling = await Pieces.begin(stage)
        async with gateway(stage, telling) as server:
            await _round(telling, server, figures)
    return _rows(figures)


async def _round(telling: Pieces, server: Broadcaster, figures: _Figures) -> None:
    beginning = telling.cursor
    async with Watchers.of(_orders(telling, server, {FAST: FAST_ONES})) as fast:
        await telling.tell_for(1.0)
        await fast.tell()
        await telling.tell_for(ALONE_SECONDS)
        figures.alone.append(await fast.tell())
        before = private_bytes(server.pid)
        async with Watchers.of(_orders(telling, server, SLOW_ONES)) as slow:
            await asyncio.sleep(_SETTLED_SECONDS)
            figures.idle.append(_each(private_bytes(server.pid) - before))
            await telling.tell_for(FILLING_SECONDS)
            await fast.tell()
            await telling.tell_for(BESIDE_SECONDS)
            figures.beside.append(await fast.tell())
            figures.slow.append(_each(private_bytes(server.pid) - before))
            check_slow(await slow.tell(), telling.cursor)
            caught_up = await slow.finish(telling.cursor, SHARE)
        check_whole(await fast.finish(telling.cursor), caught_up, range(beginning + 1, telling.cursor + 1))


def _orders(telling: Telling, server: Broadcaster, paces: dict[str, int]) -> Orders:
    return Orders(server.port, telling.address.id, telling.sequence - 1, paces)


def _each(growth: int) -> float:
    return growth / 1024 / sum(SLOW_ONES.values())


def check_slow(report: Report, newest: int) -> None:
    """Raise `ValueError` if those who were to be slow are not behind the newest event."""
    if min(newest - report.most[IDLE], newest - report.most[TRICKLE], newest - report.least[HALTING]) <= 0:
        raise ValueError(f"the slow ones were not slow: {report.most} of {newest}")


def check_whole(fast: Report, slow: Report, told: range) -> None:
    """Raise `ValueError` unless all fast ones have each event once, and all others the same bytes of those they got.

    Each watcher has already checked that no sequence is missing, and each process that all in it got the same.
    """
    if fast.came_back or {*fast.sums} != {str(sequence) for sequence in told} or fast.least != {FAST: told[-1]}:
        raise ValueError(f"fast ones have {fast.least} of {told}, came back {fast.came_back}")
    if {*slow.least.values()} != {told[-1]} or not {*slow.sums.items()} <= {*fast.sums.items()}:
        raise ValueError(f"slow ones have {slow.least} of {told}, or something else than the fast")


def allow_files(needed: int) -> None:
    """Let this process and those it starts open so many files.

    Raises:
        ValueError: the system does not allow it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ValueError(f"{needed} open files are needed, and {hard} are allowed: see ulimit -n, or LimitNOFILE")
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _rows(figures: _Figures) -> list[Row]:
    slow = sum(SLOW_ONES.values())
    what = f"emit → {FAST_ONES:,} WebSockets, {slow:,} more that read slowly or nothing"
    return [
        Row(f"{what}, p50", "ms", [each.p50 for each in figures.beside], [each.p50 for each in figures.alone],
            "without these", "≤ 2", lower_is_better=True, why=WHY),
        Row(f"{what}, p99", "ms", [each.p99 for each in figures.beside], [each.p99 for each in figures.alone],
            "without these", "≤ 2", lower_is_better=True, why=WHY),
        Row(f"memory of each of {slow:,} slow WebSockets", "KiB", figures.slow,
            [HIGH_WATER_KIB + each for each in figures.idle], "an idle one, and 64 KiB", "≤ 1",
            lower_is_better=True, why=WHY_MEMORY),
    ]  # fmt: skip


WHY = "A third of the slow ones reads on again and again, and gets from the log what it has missed."
WHY_MEMORY = "Beside what waits, a client may hold what was written last: as much again, where it reads from the log."
