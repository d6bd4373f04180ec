"""Processes that sleep and wake: a worker that has lost its stories meanwhile, and everything else for five seconds."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Iterator

import pytest

from tests.e2e.observer import Observer, all_doors, bodies
from tests.e2e.processes import descendants
from tests.e2e.sleep import acknowledgements, another_worker, asleep, sleep_for
from tests.e2e.stories import api_of, watching
from tests.e2e.turns import check_watched, claims, holder
from tests.proof import PROOF, Run, record, runs, share_of
from tests.system import System
from tests.tiny_models import build_tiny_text_model

Pair = tuple[System, tuple[int, int]]

LEASE_SECONDS = 1.0
STORIES = 3
"""At a time, with two workers."""

SLEEP_SECONDS = 5.0
LONGEST_SILENCE_SECONDS = 20.0
"""Generous: a sleep, a lease, and a busy machine."""

WHOLE = "SUCCEEDED, 1…N exactly once, the same for all watchers"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Run a system with two workers; give it, and the process ids of both."""
    folder = tmp_path_factory.mktemp("pair")
    environment = {"FABULA_LEASE_SECONDS": str(LEASE_SECONDS)}
    with (
        System(folder / "data", words_per_second=40, environment=environment) as system,
        another_worker(system, folder / "worker.log") as second,
    ):
        yield system, (system.pid_of("story-worker"), second)


@pytest.mark.proof
@pytest.mark.timeout(60 + 60 * PROOF)
async def test_a_worker_that_wakes_finds_its_stories_taken(pair: Pair) -> None:
    """One of two goes on, the other stops without a word; each story is whole, and acknowledged once."""
    system, workers = pair
    count = max(2, share_of(10))
    waits: list[float] = []
    for run in itertools.islice(runs("sleeping worker"), count):
        async with acknowledgements(system) as acknowledged:
            waits += await sleep_through(run, system, workers)
            await until_rested(system)
        assert [1] * STORIES == list(acknowledged.values())
    assert workers[0] == system.pid_of("story-worker"), "nobody had to start it again"
    record(
        section="Faults of the surroundings",
        what=f"a worker sleeps in mid-stage until another has its stories, and wakes; {STORIES} stories at a time",
        runs=count,
        outcome=f"{WHOLE}; one worker goes on, each job acknowledged once",
        seconds=waits,
    )


async def sleep_through(run: Run, system: System, workers: tuple[int, int]) -> list[float]:
    """Have a worker sleep until its stories are with the other; return how long each of them waited for that."""
    async with api_of(system) as api:
        stories = [await api.start(words=run.chance.randint(60, 120), seed=number) for number in range(STORIES)]
        observers = [[Observer(story, [door]) for door in all_doors(system)] for story in stories]
        firsts = [group[0] for group in observers]
        async with watching(each for group in observers for each in group):
            await asyncio.gather(*(first.until_writing("write-1", words=1) for first in firsts))
            await asyncio.sleep(run.chance.uniform(0, 0.5))
            worker = run.chance.choice([pid for pid in workers if pid in map(holder, firsts)])
            lost = [first for first in firsts if holder(first) == worker]
            with asleep(worker):
                slept_at = time.monotonic()
                await asyncio.gather(*(first.until(lambda seen: len(claims(seen)) > 1, 20) for first in lost))
                await until_waking(run, firsts)

        for group in observers:
            await check_watched(api, group)
        assert all(holder(first) != worker for first in lost)
        assert all(len(claims(first)) == 1 + (first in lost) for first in firsts)
        return [first.times[claims(first)[1]] - slept_at for first in lost]


async def until_waking(run: Run, firsts: list[Observer]) -> None:
    """Wait for the moment to wake: at once, as the other begins to write; after it has finished; any."""
    match run.number:
        case 1:
            return
        case 2:
            await asyncio.gather(*(first.until(lambda seen: seen.ended) for first in firsts))
        case _:
            await asyncio.sleep(run.chance.uniform(0, 4))


async def until_rested(system: System) -> None:
    """Wait until whoever woke has said all it has to say: a worker renews and appends many times within that."""
    await asyncio.sleep(2 * LEASE_SECONDS)
    async with api_of(system) as api:
        assert (await api.http.get("/readyz")).is_success


@pytest.mark.proof
@pytest.mark.timeout(60 + 60 * PROOF)
async def test_everything_else_may_sleep_as_well(house: System) -> None:
    """Story server, gateway and nats-server sleep for five seconds each, at any moments: watchers miss nothing."""
    silences: list[float] = []
    victims = ("story-server", "gateway", "nats-server")
    restarts = [process.restarts for process in house.status.processes] if house.status else []
    for run in runs("sleeping system", 10):
        async with api_of(house) as api:
            story = await api.start(words=240)
            observers = [Observer(story, [door]) for door in all_doors(house)]
            async with watching(observers), asyncio.TaskGroup() as tasks:
                await observers[0].until_writing("write-1")
                slept_at = time.monotonic()
                for victim in victims:
                    tasks.create_task(sleep_for(house.pid_of(victim), SLEEP_SECONDS, run.chance.uniform(0, 2)))
            await check_watched(api, observers)
            assert 1 == len(claims(observers[0]))
            silences += [observer.longest_silence_after(slept_at) for observer in observers]
    assert restarts == [process.restarts for process in house.status.processes] if house.status else []
    assert max(silences) < LONGEST_SILENCE_SECONDS
    record(
        section="Faults of the surroundings",
        what=f"story server, gateway and nats-server sleep for {SLEEP_SECONDS:g} s each, overlapping, in mid-stage",
        runs=len(silences) // 6,
        outcome=f"{WHOLE}; the worker that had the story ends it",
        seconds=silences,
    )


@pytest.fixture(scope="module")
def modelled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Run a system whose stories a tiny language model of random weights writes."""
    folder = tmp_path_factory.mktemp("modelled")
    model = build_tiny_text_model(folder / "tiny", window=16384, fond_of='" ].')
    environment = {"FABULA_TEXT_MODEL": f"transformers:{model}", "FABULA_DEVICE": "cpu"}
    with System(folder / "data", environment=environment) as system:
        yield system


@pytest.mark.proof
@pytest.mark.timeout(120 + 30 * PROOF)
async def test_the_model_host_may_sleep(modelled: System) -> None:
    """The process that holds the model sleeps for five seconds in mid-chapter: the same one goes on when it wakes."""
    waits: list[float] = []
    for run in runs("sleeping model host", 5):
        async with api_of(modelled) as api:
            story = await api.start(words=60, revisions=0)
            observers = [Observer(story, [door]) for door in all_doors(modelled)]
            async with watching(observers):
                await observers[0].until_writing("write-1")
                await asyncio.sleep(run.chance.uniform(0, 0.2))
                host = host_of(modelled)
                slept_at = time.monotonic()
                await sleep_for(host, SLEEP_SECONDS)
            await check_watched(api, observers)
            assert {"claimed": 1, "stage_restarted": 0} == {
                body: bodies(observers[0]).count(body) for body in ("claimed", "stage_restarted")
            }
            assert host == host_of(modelled)
            waits.append(observers[0].longest_silence_after(slept_at))
    record(
        section="Faults of the surroundings",
        what=f"the model host sleeps for {SLEEP_SECONDS:g} s in mid-chapter",
        runs=len(waits),
        outcome=f"{WHOLE}; the same host goes on",
        seconds=waits,
    )


def host_of(system: System) -> int:
    """Return the process id of the model host."""
    [host] = [child for child in descendants(system.pid_of("story-worker")) if "host" in child.command]
    return host.pid
