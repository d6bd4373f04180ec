"""Real worker processes, killed for good: the next one goes on, and watchers see 1 … N exactly once."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from fabula.engine.events import Claimed, Event, Failed, Released, StageFinished, State
from fabula.engine.ports import Address
from tests.integration.engine.slow_worker import POISON, WORDS
from tests.integration.engine.workplace import PATIENCE_SECONDS, Workplace
from tests.log_rules import texts_of
from tests.nats import LEASE_SECONDS

TEXT = "".join(f"word-{number} " for number in range(WORDS))


@asynccontextmanager
async def process(place: Workplace) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a worker process; kill it at the end, if it is still there."""
    command = (sys.executable, "-m", "tests.integration.engine.slow_worker")
    url = place.journal.link.settings.url
    started = await asyncio.create_subprocess_exec(
        *command, url, place.kind, str(place.journal.link.settings.lease_seconds)
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.wait()


async def test_killed_process_is_succeeded_within_its_lease(place: Workplace) -> None:
    """Killed in mid-sentence: another process takes over within the lease and a second, and repeats nothing."""
    async with process(place) as first, process(place) as second:
        by_pid = {first.pid: first, second.pid: second}
        address = await place.start()
        watcher = asyncio.create_task(_watch(place, address))
        log = await place.until(address, lambda event: (event.progress.step or 0) > 10)
        victim = next(event.body.worker for event in log if isinstance(event.body, Claimed))
        killed = time.monotonic()
        by_pid[_pid(victim)].kill()
        await place.until(address, lambda event: isinstance(event.body, Claimed) and event.body.attempt == 2)
        took = time.monotonic() - killed
        log = await place.until_end(address)
        assert await place.queue_is_empty()

    assert State.SUCCEEDED is log[-1].state
    assert took < LEASE_SECONDS + 2  # a lease and a second, and a second more for a busy machine
    assert {"write": TEXT} == texts_of(log)
    assert ["plan", "write"] == [event.body.stage for event in log if isinstance(event.body, StageFinished)]
    assert list(range(1, len(log) + 1)) == await watcher


async def test_poison_kills_three_processes_and_no_more(place: Workplace) -> None:
    """A job that kills every process that touches it: the fourth gives it up, and lives."""
    address = await place.start(POISON)
    for _ in range(3):
        async with process(place) as victim:
            assert -signal.SIGKILL == await asyncio.wait_for(victim.wait(), PATIENCE_SECONDS)
    async with process(place) as survivor:
        log = await place.until_end(address)
        assert await place.queue_is_empty()
        assert survivor.returncode is None

    assert isinstance(log[-1].body, Failed)
    assert ("WORKER_DIED", "write") == (log[-1].body.failure.code, log[-1].body.stage)
    assert 4 == sum(isinstance(event.body, Claimed) for event in log)


async def test_terminated_process_hands_its_work_over(long_lease_place: Workplace) -> None:
    """SIGTERM: released, exit code 0, and another process has it at once, long before the lease would lapse."""
    place = long_lease_place
    async with process(place) as first, process(place) as second:
        by_pid = {first.pid: first, second.pid: second}
        address = await place.start()
        log = await place.until(address, lambda event: (event.progress.step or 0) > 10)
        worker = by_pid[_pid(next(event.body.worker for event in log if isinstance(event.body, Claimed)))]
        worker.terminate()
        assert 0 == await asyncio.wait_for(worker.wait(), PATIENCE_SECONDS)
        log = await place.until_end(address)

    assert {"write": TEXT} == texts_of(log)
    released = next(event for event in log if isinstance(event.body, Released))
    taken_over = log[released.sequence]
    assert isinstance(taken_over.body, Claimed)
    assert 1 == taken_over.body.attempt


async def _watch(place: Workplace, address: Address) -> list[int]:
    """Watch from the beginning to the end; return the sequences that were seen."""
    seen: list[Event] = []
    async with aclosing(place._follow(address)) as events:
        async for event in events:
            seen.append(event)
            if event.state.terminal:
                break
    return [event.sequence for event in seen]


def _pid(worker: str) -> int:
    """Return the process id in a worker's name."""
    return int(worker.rsplit("-", 2)[-2])
