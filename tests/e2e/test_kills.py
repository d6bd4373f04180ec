"""`kill -9` of every process at random moments of stories: they succeed, and watchers lose and repeat nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.conftest import READING_PACE
from tests.e2e.deaths import Toll, Victim, check_finished_once, die_once, supervised
from tests.e2e.observer import Observer, all_doors, bodies, check_equal, check_story
from tests.e2e.processes import descendants, until_gone
from tests.e2e.stories import api_of, watching
from tests.e2e.story_deaths import Stories
from tests.e2e.tolls import SLOWEST_COMEBACK_SECONDS, tell_stories
from tests.proof import runs, share_of
from tests.system import System
from tests.tiny_models import build_tiny_text_model

KILLS = 50
"""Of each victim, in a proof."""

SHORT: dict[str, object] = {"words": 60}
SHORT_LIFE_SECONDS = 2.1
"""At the pace of the house."""

NOISE: dict[str, object] = {"words": 60, "revisions": 0}


@pytest_asyncio.fixture
async def undisturbed(house: System) -> dict[int, str]:
    """Give what the bundled author writes when nobody dies, by seed."""
    async with api_of(house) as api:
        observers = {seed: Observer(await api.start(**SHORT, seed=seed), all_doors(house)[:1]) for seed in range(4)}
        async with watching(observers.values()):
            pass
    return {seed: check_story(observer).text for seed, observer in observers.items()}


@pytest.mark.proof
@pytest.mark.timeout(60 + 40 * share_of(KILLS))
@pytest.mark.parametrize(
    "victim",
    [
        supervised("story-worker", "the worker", works_at="story"),
        supervised("story-server", "the story server"),
        supervised("gateway", "the gateway"),
        supervised("nats-server", "the nats-server"),
    ],
    ids=["worker", "server", "gateway", "nats"],
)
async def test_stories_survive_the_death_of_a_process(
    house: System, undisturbed: dict[int, str], victim: Victim
) -> None:
    """Killed at any moment: every story ends as if nothing had been, and its watchers lose and repeat nothing."""
    stories = Stories(company=2, life_seconds=SHORT_LIFE_SECONDS, fields=SHORT, texts=undisturbed)
    toll = Toll()
    kills = 0
    for run in runs(victim.name, KILLS):
        await die_once(house, victim, stories, run.chance, toll)
        kills += 1
    tell_stories(victim.name, toll, kills)


@pytest.fixture
def modelled(tmp_path: Path) -> Iterator[System]:
    """Run a system whose stories a tiny language model of random weights writes."""
    model = build_tiny_text_model(tmp_path / "tiny", window=16384, fond_of='" ].')
    environment = {
        "FABULA_TEXT_MODEL": f"transformers:{model}",
        "FABULA_DEVICE": "cpu",
        "OMP_NUM_THREADS": "1",  # several would wait for each other longer than they compute
    }
    with System(tmp_path / "data", environment=environment) as system:
        yield system


def host_of(system: System) -> int:
    """Return the process that holds the model; wait while there is none: the next story loads it again."""
    deadline = time.monotonic() + SLOWEST_COMEBACK_SECONDS
    while time.monotonic() < deadline:
        children = descendants(system.pid_of("story-worker"))
        if hosts := [child for child in children if "host" in child.command]:
            return hosts[0].pid
        time.sleep(0.05)
    raise AssertionError(f"no host among {children}")


@pytest.mark.proof
@pytest.mark.timeout(120 + 60 * share_of(KILLS))
async def test_stories_survive_the_death_of_the_model_host(modelled: System) -> None:
    """The process that holds the model is killed at any moment: text goes on where it was, the worker lives on."""
    worker = modelled.pid_of("story-worker")
    # Alone: others would wait for their turn at the model, whoever dies.
    stories = Stories(company=0, life_seconds=await life_of(modelled, NOISE), fields=NOISE)
    victim = Victim("the model host", host_of, lambda _system, _pid: None)
    toll = Toll()
    kills = 0
    for run in runs("the model host", KILLS):
        await die_once(modelled, victim, stories, run.chance, toll)
        kills += 1
    assert worker == modelled.pid_of("story-worker")
    tell_stories("the model host", toll, kills)


async def life_of(system: System, fields: dict[str, object]) -> float:
    """Return how many seconds a story takes when nobody dies; the second one, as the first may load a model."""
    async with api_of(system) as api:
        for _ in range(2):
            observer = Observer(await api.start(**fields), all_doors(system)[:1])
            await observer.watch()
    return observer.times[-1] - observer.times[0]


async def test_the_death_of_the_whole_system_loses_nothing(tmp_path: Path) -> None:
    """`fabula up` is killed: its children are gone within seconds, and a new one on the same data ends the story."""
    system = System(tmp_path / "data", words_per_second=READING_PACE)
    try:
        system.start()
        async with api_of(system) as api:
            story = await api.start(words=160, chapters=2)
            observers = [Observer(story, [door]) for door in all_doors(system)]
            async with watching(observers):
                await observers[0].until_writing("write-2")
                assert system.process is not None
                children = descendants(system.process.pid)
                assert len(children) >= 4
                killed_at = time.monotonic()
                os.kill(system.process.pid, signal.SIGKILL)
                system.process.wait()
                await until_gone([child.pid for child in children], 10)
                gone_after = time.monotonic() - killed_at
                await asyncio.to_thread(system.start)

            for observer in observers:
                check_story(observer)
                check_finished_once(observer)
            check_equal(observers)
            assert "stage_restarted" not in bodies(observers[0])
            print(f"kill -9 of fabula up: its children are gone after {gone_after:.2f} s")  # noqa: T201
    finally:
        system.stop()
