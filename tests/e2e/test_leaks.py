"""Thousands of watches opened, cancelled and finished: what a process holds of memory levels off."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass

import pytest

from bench.processes import private_bytes
from fabula.journal import Journal
from tests.e2e.doors import Door, EventStream, Grpc, WebSocketDoor
from tests.e2e.live_log import LiveLog, journal_of, new_log
from tests.proof import PROOF, record, seeded, share_of
from tests.system import System

WATCHES = {"grpc": share_of(20_000), "websocket": share_of(10_000), "sse": share_of(10_000)}
"""At each door. The gateway is asked for as many as the story server, over two of them."""

AT_ONCE = 20
FRESH_EVERY = 10
"""Rounds after which other generations are watched: what is kept by generation would be seen."""

MOST_KEPT_BYTES = 512
"""Of each watch, over the last half. One that was forgotten costs thirty times as much."""

MOST_ROUNDS = 4
"""How often it may be asked whether a half more makes nothing grow. What is forgotten shows in every one of them; what
Python's allocator takes once, and keeps, does not."""

MIB = 2**20
SLACK_BYTES = 2**20
"""What a process may have grown by beside that: pages that it takes and gives back."""

Watch = Callable[[Door, "Logs", random.Random], Awaitable[None]]


@pytest.fixture
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Run a system of its own: what its processes hold is measured."""
    with System(tmp_path_factory.mktemp("leaks") / "data") as system:
        yield system


@dataclass(frozen=True, slots=True)
class Logs:
    """What is watched: one log that goes on, and one that has ended."""

    live: LiveLog
    ended: LiveLog


async def finish(door: Door, logs: Logs, _chance: random.Random) -> None:
    """Watch to the end."""
    async with aclosing(door.connect(logs.ended.id, 0)) as watch:
        seen = [response async for response in watch if response is not None]
    assert logs.ended.sequence == len(seen)


async def leave_early(door: Door, logs: Logs, chance: random.Random) -> None:
    """Leave in the middle of what is there to be read."""
    await _leave_after(door, logs.ended, chance.randrange(logs.ended.sequence))


async def leave_idle(door: Door, logs: Logs, chance: random.Random) -> None:
    """Leave while the server waits for something to send."""
    await _leave_after(door, logs.live, logs.live.sequence)
    await asyncio.sleep(chance.uniform(0, 0.01))


async def leave_at_once(door: Door, logs: Logs, _chance: random.Random) -> None:
    """Leave as soon as the watch stands."""
    await _leave_after(door, logs.live, 0)


async def _leave_after(door: Door, log: LiveLog, count: int) -> None:
    seen = 0
    async with aclosing(door.connect(log.id, 0)) as watch:
        async for response in watch:
            seen += response is not None
            if seen >= count:
                return


WAYS: tuple[Watch, ...] = (finish, leave_early, leave_idle, leave_at_once)


@pytest.mark.proof
@pytest.mark.timeout(240 * PROOF)
@pytest.mark.parametrize("name", WATCHES)
async def test_watches_leave_nothing_behind(system: System, name: str) -> None:
    """However a watch ends, server and gateway come to a point from which they hold no more."""
    doors: dict[str, Door] = {
        "grpc": Grpc(system.story_address),
        "websocket": WebSocketDoor(system.url, "fabula.v1.proto"),
        "sse": EventStream(system.url),
    }
    chance, half = seeded(), WATCHES[name] // 2
    async with journal_of(system) as journal:
        await watch_many(doors[name], journal, half, chance)
        before, watches = await held_by(system), half
        for _ in range(MOST_ROUNDS):
            await watch_many(doors[name], journal, half, chance)
            held, watches = await held_by(system), watches + half
            grown = {process: held[process] - before[process] for process in held}
            if max(grown.values()) < MOST_KEPT_BYTES * half + SLACK_BYTES:
                break
            before = held
        else:
            raise AssertionError(f"{watches} watches, and it goes on to grow: by {grown} bytes over the last {half}")

    record(
        what=f"watches by {name}, opened, left in four ways and finished",
        runs=watches,
        outcome="memory levels off",
        figures={
            process: f"{size / half:+.0f} bytes a watch over the last {half}, of {held[process] / MIB:.0f} MiB"
            for process, size in grown.items()
        },
        section="Watchers",
    )


async def held_by(system: System) -> dict[str, float]:
    """Return how many bytes the processes that were watched hold for themselves."""
    await asyncio.sleep(6)  # the gateway keeps what was watched for some seconds
    return {name: private_bytes(system.pid_of(name)) for name in ("story-server", "gateway")}


async def watch_many(door: Door, journal: Journal, count: int, chance: random.Random) -> None:
    """Open so many watches, and end each in one of the ways."""
    logs = await new_logs(journal)
    for number in range(count // AT_ONCE):
        if number % FRESH_EVERY == 0:
            logs = await new_logs(journal)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(chance.choice(WAYS)(door, logs, chance))  # type: ignore[arg-type]  # coroutines


async def new_logs(journal: Journal) -> Logs:
    """Write two logs."""
    logs = Logs(new_log(journal), new_log(journal))
    for log in (logs.live, logs.ended):
        await log.begin()
        for _ in range(5):
            await log.tell(4)
    await logs.ended.end()
    return logs
