"""Cancel and pause where a real language model writes: while it loads, while it does not answer, over restarts."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.observer import Observer, all_doors, bodies, check_equal, check_log, check_story, texts_of
from tests.e2e.pauses import check_pause, check_resumed, paused, restart, resume
from tests.e2e.processes import descendants, until_gone
from tests.e2e.stories import api_of, watching
from tests.system import System
from tests.tiny_models import build_tiny_text_model

BOUND_SECONDS = 2.0
"""So soon a model that does not obey is killed."""

SLACK_SECONDS = 10.0
"""For everything else, on a busy machine."""

pytestmark = pytest.mark.timeout(180)  # a model's process takes seconds to start


@pytest.fixture(scope="module")
def modelled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Run a system whose stories a tiny language model of random weights writes."""
    folder = build_tiny_text_model(tmp_path_factory.mktemp("models") / "tiny", window=16384, fond_of='" ].')
    environment = {"FABULA_TEXT_MODEL": f"transformers:{folder}", "FABULA_DEVICE": "cpu"}
    with System(tmp_path_factory.mktemp("modelled") / "data", environment=environment) as system:
        yield system


def hosts(system: System) -> list[int]:
    """Return the processes that hold the model: one, or none."""
    return [child.pid for child in descendants(system.pid_of("story-worker")) if "host" in child.command]


async def until_host(system: System) -> int:
    """Wait until there is a process for the model."""
    async with asyncio.timeout(20):
        while not (found := hosts(system)):  # noqa: ASYNC110 - another process's doing
            await asyncio.sleep(0.02)
    return found[0]


async def test_a_cancel_while_the_model_loads(modelled: System) -> None:
    """A model that does not come to its end of loading is killed by the cancel; the story behind it is told."""
    for idle in hosts(modelled):
        os.kill(idle, signal.SIGKILL)
    async with api_of(modelled) as api:
        cancelled = Observer(await api.start(words=60, revisions=0), all_doors(modelled))
        async with watching([cancelled]):
            loading = await until_host(modelled)
            os.kill(loading, signal.SIGSTOP)  # seconds before it is loaded
            behind = Observer(await api.start(words=60, revisions=0), all_doors(modelled))
            began = time.monotonic()
            assert httpx.codes.OK == (await api.command(cancelled.generation_id, "cancel")).status_code
        assert BOUND_SECONDS * 0.8 < time.monotonic() - began < BOUND_SECONDS + SLACK_SECONDS
        await until_gone([loading], 1)
        check_log(cancelled)
        assert ["cancel_requested", "cancelled"] == bodies(cancelled)[-2:]
        await behind.watch()
        check_story(behind)
        assert 1 == bodies(behind).count("claimed")


async def test_a_cancel_while_the_model_does_not_answer(modelled: System) -> None:
    """A model that is stopped in mid-chapter is killed within the bound; its text stays, and the next story is told."""
    worker = modelled.pid_of("story-worker")
    async with api_of(modelled) as api:
        observers = [Observer(await api.start(words=300, revisions=0), [door]) for door in all_doors(modelled)[:1]]
        observers += [Observer(observers[0].generation_id, [door]) for door in all_doors(modelled)[1:]]
        async with watching(observers):
            await observers[0].until_writing("write-1")
            [stuck] = hosts(modelled)
            os.kill(stuck, signal.SIGSTOP)
            began = time.monotonic()
            answers = [await api.command(observers[0].generation_id, "cancel") for _ in range(2)]
        assert [httpx.codes.OK] * 2 == [answer.status_code for answer in answers]
        assert BOUND_SECONDS * 0.8 < time.monotonic() - began < BOUND_SECONDS + SLACK_SECONDS
        await until_gone([stuck], 1)
        for observer in observers:
            check_log(observer)
        check_equal(observers)
        assert ["cancel_requested", "cancelled"] == [each for each in bodies(observers[0]) if "cancel" in each]
        [chapter] = (await api.read(observers[0].generation_id))["story"]["chapters"]
        assert texts_of(observers[0].events)["write-1"] == chapter["text"]
        after = Observer(await api.start(words=60, revisions=0), all_doors(modelled))
        await after.watch()
        check_story(after)
    assert worker == modelled.pid_of("story-worker")


async def test_a_pause_outlives_a_restart_of_everything(modelled: System) -> None:
    """Paused in mid-chapter, a model's text goes on where it was after all processes have stopped, or were killed."""
    async with api_of(modelled) as api:
        # The third chapter keeps the Editor away, who would set anew what was streamed.
        story = await api.start(words=400, chapters=3, revisions=0)
        observers = [Observer(story, [door]) for door in all_doors(modelled)]
        async with watching(observers):
            pauses = []
            for stage, end in (("write-1", signal.SIGTERM), ("write-2", signal.SIGKILL)):
                await observers[0].until_writing(stage)
                pauses.append(await paused(api, observers))
                await restart(modelled, end)
                await check_pause(api, pauses[-1])
                await resume(api, story)
        check_resumed(observers, *pauses)
