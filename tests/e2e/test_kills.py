"""`kill -9` of every process in the middle of a story: it succeeds, and watchers lose and repeat nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.observer import (
    Observer,
    all_doors,
    bodies,
    check_equal,
    check_story,
    stages,
)
from tests.e2e.processes import descendants, until_gone
from tests.e2e.stories import api_of, watching
from tests.proof import PROOF
from tests.system import System
from tests.tiny_models import build_tiny_text_model

SLOWEST_COMEBACK_SECONDS = 20.0
"""Generous: the machine may be busy, and a process takes a second or two to start on an idle one."""


def report(what: str, observers: list[Observer], killed_at: float) -> None:
    """Print how long each watcher had to wait at most for its next event."""
    waits = {observer.name: round(observer.longest_silence_after(killed_at), 2) for observer in observers}
    print(f"kill -9 of {what}: longest wait for the next event, in seconds: {waits}")  # noqa: T201 - a figure for the docs
    assert max(waits.values()) < SLOWEST_COMEBACK_SECONDS


def check_finished_once(observer: Observer) -> None:
    """Check that no finished stage was begun again, and each was finished once."""
    finished = stages(observer, "stage_finished")
    assert sorted(set(finished)) == sorted(finished)
    assert sorted(finished) == sorted(stages(observer, "stage_started"))


@pytest.mark.timeout(90 * PROOF)
@pytest.mark.parametrize("victim", ["story-worker", "story-server", "gateway", "nats-server"] * PROOF)
async def test_a_story_survives_the_death_of_a_process(house: System, victim: str) -> None:
    """A process is killed in the middle of the second chapter: the first is kept, the text goes on, nobody notices."""
    async with api_of(house) as api:
        story = await api.start(words=160, chapters=2)
        observers = [Observer(story, [door]) for door in all_doors(house)]
        async with watching(observers):
            await asyncio.gather(*(observer.until_writing("write-2") for observer in observers))
            pid = await asyncio.to_thread(house.kill, victim)
            killed_at = time.monotonic()
        await asyncio.to_thread(house.until_replaced, victim, pid)

        for observer in observers:
            check_story(observer)
            check_finished_once(observer)
        check_equal(observers)
        assert "stage_restarted" not in bodies(observers[0]), "the bundled author goes on in the middle"
        assert (2 if victim == "story-worker" else 1) == bodies(observers[0]).count("claimed")
        assert observers[0].responses[-1].story.text == (await api.read(story))["story"]["text"]
        report(victim, observers, killed_at)


async def test_the_death_of_the_whole_system_loses_nothing(tmp_path: Path) -> None:
    """`fabula up` is killed: its children are gone within seconds, and a new one on the same data ends the story."""
    system = System(tmp_path / "data", words_per_second=40)
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
            report("fabula up, and a new start", observers, killed_at)
    finally:
        system.stop()


@pytest.fixture
def modelled(tmp_path: Path) -> Iterator[System]:
    """Run a system whose stories a tiny language model of random weights writes."""
    model = build_tiny_text_model(tmp_path / "tiny", window=16384, fond_of='" ].')
    environment = {"FABULA_TEXT_MODEL": f"transformers:{model}", "FABULA_DEVICE": "cpu"}
    with System(tmp_path / "data", environment=environment) as system:
        yield system


@pytest.mark.timeout(120)
async def test_a_story_survives_the_death_of_the_model_host(modelled: System) -> None:
    """The process that holds the model is killed in mid-chapter: the stage goes on, finished stages are kept."""
    async with api_of(modelled) as api:
        story = await api.start(words=100, revisions=0)
        observers = [Observer(story, [door]) for door in all_doors(modelled)]
        async with watching(observers):
            await observers[0].until_writing("write-1")
            worker = modelled.pid_of("story-worker")
            [host] = [child for child in descendants(worker) if "host" in child.command]
            killed_at = time.monotonic()
            os.kill(host.pid, signal.SIGKILL)
        for observer in observers:
            check_story(observer)
            check_finished_once(observer)
        check_equal(observers)
        seen = bodies(observers[0])
        assert ["claimed"] == [body for body in seen if body in ("claimed", "released")], "the worker lives on"
        assert "stage_restarted" not in seen, "a local model goes on in the middle"
        assert not observers[0].responses[-1].story.reviews[-1].accepted, "noise is kept, and called what it is"
        assert worker == modelled.pid_of("story-worker")
        assert host.pid not in [child.pid for child in descendants(worker)]
        report("the model host", observers, killed_at)
