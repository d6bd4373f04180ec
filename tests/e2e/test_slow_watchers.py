"""Watchers that do not read, or hardly: nobody else waits for them, they cost no memory, and they catch up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from bench.processes import private_bytes
from tests.e2e.doors import Door, EventStream, Grpc, WebSocketDoor
from tests.e2e.live_log import LiveLog, journal_of, new_log
from tests.e2e.reader import Reader
from tests.e2e.throttle import Throttle, throttled
from tests.proof import PROOF, record, share_of
from tests.system import System

EVENTS = share_of(108_000)
"""In a proof an hour's worth, at thirty a second."""

PER_RECORD = 10
BURST = 100
WATCHERS_OF_A_SORT = 3
MIB = 2**20
LARGEST_GROWTH_MIB = 24.0
"""Of one process: windows, buffers and pages for nine slow watchers. The log of `make proof` has 25 MiB."""


@pytest.fixture
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Run a system of its own: what its processes hold is measured."""
    with System(tmp_path_factory.mktemp("slow") / "data") as system:
        yield system


@pytest.mark.proof
@pytest.mark.timeout(120 * PROOF)
@pytest.mark.parametrize(("name", "bytes_per_second"), [("nothing", 0.0), ("a byte a second", 1.0)])
async def test_who_does_not_read_delays_nobody_and_costs_nothing(
    system: System, name: str, bytes_per_second: float
) -> None:
    """At every door: quick watchers have every event at once, memory does not grow, the slow read on when they can."""
    async with journal_of(system) as journal, slow_doors(system, bytes_per_second) as (throttles, doors):
        log = new_log(journal)
        await log.begin()
        quick = [Reader(log.id, door) for door in all_doors(system)]
        slow = [Reader(log.id, door) for door in doors]
        async with asyncio.TaskGroup() as tasks:
            for reader in (*quick, *slow):
                tasks.create_task(reader.read())
            await write_and_read(log, EVENTS // 5, quick)
            before = memory(system)
            await write_and_read(log, EVENTS - EVENTS // 5, quick)
            after = memory(system)
            behind = [reader.cursor for reader in slow]
            for throttle in throttles:
                throttle.open()
            await log.end()

    growth = {name: after[name] - before[name] for name in before}
    slowest = max(reader.slowest_seconds for reader in quick)
    assert max(behind) < EVENTS / 2, "they were slow"
    assert 1 == len({reader.digest for reader in (*quick, *slow)})
    assert {log.sequence} == {reader.cursor for reader in (*quick, *slow)}
    assert max(growth.values()) < LARGEST_GROWTH_MIB
    assert slowest < 5
    record(
        what=f"{len(slow)} watchers that read {name}, four quick ones beside them",
        runs=1,
        outcome=f"{log.sequence:,} events: all alike at the end, no event waited for",
        figures={
            "own memory of the story server": f"{growth['story-server']:+.1f} MiB",
            "of the gateway": f"{growth['gateway']:+.1f} MiB",
            "slowest event of the quick": f"{slowest:.2f} s",
        },
        section="Watchers",
    )


def all_doors(system: System) -> list[Door]:
    """Return a door of each protocol."""
    return doors_at(system.story_address, system.url)


def doors_at(story_address: str, url: str) -> list[Door]:
    """Return a door of each protocol, at these addresses."""
    return [Grpc(story_address), WebSocketDoor(url), WebSocketDoor(url, "fabula.v1.proto"), EventStream(url)]


@asynccontextmanager
async def slow_doors(system: System, bytes_per_second: float) -> AsyncIterator[tuple[list[Throttle], list[Door]]]:
    """Yield doors behind throttles, and the throttles."""
    async with AsyncExitStack() as stack:
        throttles, doors = [], []
        for _ in range(WATCHERS_OF_A_SORT):
            grpc, http = [
                await stack.enter_async_context(throttled("127.0.0.1", port, bytes_per_second))
                for port in (system.story_port, system.http_port)
            ]
            throttles += [grpc, http]
            doors += doors_at(f"127.0.0.1:{grpc.own_port}", f"http://127.0.0.1:{http.own_port}")
        yield throttles, doors


async def write_and_read(log: LiveLog, events: int, readers: list[Reader]) -> None:
    """Write so many events, no faster than they are read here: nobody is slow but who is meant to be."""
    for _ in range(events // BURST):
        for _ in range(BURST // PER_RECORD):
            await log.tell(PER_RECORD)
        for reader in readers:
            await reader.until(log.sequence)


def memory(system: System) -> dict[str, float]:
    """Return what server and gateway hold, in MiB."""
    return {name: private_bytes(system.pid_of(name)) / MIB for name in ("story-server", "gateway")}
