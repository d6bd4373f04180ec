"""The journal is away for a minute while stories are written and people ask for things: every answer is true."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio

from fabula.errors import Unavailable
from fabula.journal.embedded import EmbeddedServer
from tests.e2e.callers import Answer, Callers, callers_of
from tests.e2e.observer import Observer, all_doors, bodies, check_log, check_story
from tests.e2e.sleep import asleep
from tests.e2e.stories import Api, api_of, watching
from tests.e2e.turns import check_watched, claims
from tests.proof import PROOF, Run, record, runs
from tests.system import System, free_port

AWAY_SECONDS = 60.0 if PROOF > 1 else 8.0
RUNS = 3
"""In a proof."""

WORDS = 480
LONG_WORDS = 6000
"""Of stories that are cancelled or paused: they must not end before."""

WRITING_SECONDS = 1.2 * AWAY_SECONDS + 2
"""Longer than the journal is away."""

PROMPT_SECONDS = 7.0
"""Generous: within about five seconds a caller is to hear that the journal is away."""

COMEBACK_SECONDS = 30.0


@dataclass(slots=True)
class Wish:
    """One thing that somebody asks for while the journal is away, and again until the answer is yes.

    Attributes:
        verb: "start", "cancel" or "pause".
        subject: The id of the request for a start, else of the story.
        answers: What was answered; the last one is a yes.
    """

    verb: str
    subject: str
    answers: list[Answer] = field(default_factory=list)

    async def ask(self, callers: Callers) -> Answer:
        """Ask once. Check that a refusal says what is the matter, in time."""
        if self.verb == "start":
            answer = await callers.start(self.subject, words=60)
        else:
            answer = await callers.command(self.verb, self.subject)
        self.answers.append(answer)
        if not answer.accepted:
            assert isinstance(answer.error, Unavailable)
            assert "journal" in answer.error.message
            assert answer.retry
            assert answer.seconds < PROMPT_SECONDS
        return answer

    async def ask_later(self, callers: Callers, seconds: float) -> None:
        """Ask once, after so many seconds."""
        await asyncio.sleep(seconds)
        await self.ask(callers)

    async def insist(self, callers: Callers) -> None:
        """Ask until the answer is yes."""
        deadline = time.monotonic() + COMEBACK_SECONDS
        while not (await self.ask(callers)).accepted:
            assert time.monotonic() < deadline, self.answers[-1]


@pytest_asyncio.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    """Run a nats-server that nobody starts again when it is gone."""
    async with EmbeddedServer(tmp_path, port=free_port()) as server:
        yield server


@pytest_asyncio.fixture
async def system(server: EmbeddedServer, tmp_path: Path) -> AsyncIterator[System]:
    """Run everything else on that nats-server."""
    environment = {"FABULA_NATS_URL": server.url, "FABULA_WORKER_SLOTS": "16"}
    system = System(tmp_path / "data", words_per_second=WORDS / WRITING_SECONDS, environment=environment)
    await asyncio.to_thread(system.start)
    yield system
    await asyncio.to_thread(system.stop)


@pytest.mark.proof
@pytest.mark.timeout(120 + 45 * PROOF)
async def test_a_journal_that_is_away_costs_nothing_but_time(system: System, server: EmbeddedServer) -> None:
    """Stories go on being written, calls are refused in time, and what was answered holds when all is over."""
    scenes: list[Scene] = []
    restarts = restarts_of(system)
    for run in runs("journal away", RUNS):
        async with api_of(system) as api, callers_of(system) as callers:
            scene = await set_scene(run, system, api)
            async with watching(scene.everybody):
                await asyncio.gather(*(observer.until_writing("write-1") for observer in scene.everybody))
                async with away(run, server):
                    scene.went_at = time.monotonic()
                    moments = [0.0, *(run.chance.uniform(0, AWAY_SECONDS - 1) for _ in scene.wishes[1:])]
                    asking = zip(scene.wishes, moments, strict=True)
                    await asyncio.gather(
                        *(wish.ask_later(callers, moment) for wish, moment in asking), asyncio.sleep(AWAY_SECONDS)
                    )
                scene.back_at = time.monotonic()
                await asyncio.gather(*(wish.insist(callers) for wish in scene.wishes))
                await scene.end_what_is_paused(callers)
            await check(system, api, scene)
        scenes.append(scene)
    assert restarts == restarts_of(system)
    record(
        section="Faults of the surroundings",
        what=f"the journal is away for {AWAY_SECONDS:g} s, stopped or hanging, while callers start, cancel and pause",
        runs=len(scenes),
        outcome="all accepted SUCCEEDED, refused in time, every answer true, nothing written meanwhile is lost",
        seconds=[wait for scene in scenes for wait in scene.waits],
        figures={"calls refused": sum(len(scene.refusals) for scene in scenes)},
    )


@dataclass(slots=True)
class Scene:
    """What goes on while the journal is away.

    Attributes:
        steady: The watchers of each story of which nobody asks anything, one at each door.
        wishes: What is asked for.
        concerned: A watcher of each story of which something is asked.
        went_at, back_at: When the journal went, and was back, by the monotonic clock.
    """

    steady: list[list[Observer]]
    wishes: list[Wish]
    concerned: dict[str, Observer]
    went_at: float = 0.0
    back_at: float = 0.0

    @property
    def everybody(self) -> list[Observer]:
        """All watchers."""
        return [*(observer for group in self.steady for observer in group), *self.concerned.values()]

    @property
    def refusals(self) -> list[Answer]:
        """What was not accepted."""
        return [answer for wish in self.wishes for answer in wish.answers if not answer.accepted]

    @property
    def waits(self) -> list[float]:
        """How long each steady story's watchers waited for the first event after the journal was back, in seconds."""
        return [min(time for time in group[0].times if time > self.back_at) - self.back_at for group in self.steady]

    async def end_what_is_paused(self, callers: Callers) -> None:
        """Wait until what was to be paused is paused, and cancel it."""
        for wish in self.wishes:
            if wish.verb == "pause":
                await self.concerned[wish.subject].until(lambda seen: "paused" in bodies(seen))
                assert (await callers.command("cancel", wish.subject)).accepted


async def set_scene(run: Run, system: System, api: Api) -> Scene:
    """Start some stories, and think of some things to ask for."""
    steady = [await api.start(words=WORDS, seed=seed) for seed in range(run.chance.randint(1, 4))]
    wishes = [Wish("start", str(uuid4())) for _ in range(run.chance.randint(1, 3))]
    for verb in ("cancel", "pause"):
        wishes += [Wish(verb, await api.start(words=LONG_WORDS)) for _ in range(run.chance.randint(1, 2))]
    stories = [wish.subject for wish in wishes if wish.verb != "start"]
    return Scene(
        [[Observer(story, [door]) for door in all_doors(system)] for story in steady],
        wishes,
        {story: Observer(story, all_doors(system)) for story in stories},
    )


@asynccontextmanager
async def away(run: Run, server: EmbeddedServer) -> AsyncIterator[None]:
    """Take the journal away while the block lasts: it is stopped, or hangs."""
    if run.chance.random() < 0.5:
        assert server.pid is not None
        with asleep(server.pid):
            yield
    else:
        await server.stop()
        yield
        await server.start()


async def check(system: System, api: Api, scene: Scene) -> None:
    """Check that nothing was lost, nobody was held up, and every answer has come true."""
    for group in scene.steady:
        await check_watched(api, group)
        check_not_held_up(group[0], scene.back_at - scene.went_at)
    for observer in scene.concerned.values():
        check_log(observer)
        assert "cancelled" == bodies(observer)[-1]
        assert 1 == bodies(observer).count("cancel_requested")
    started = [await story_of(system, wish) for wish in scene.wishes if wish.verb == "start"]
    expected = {*(group[0].generation_id for group in scene.steady), *scene.concerned, *started}
    assert expected == set((await api.ids())[: len(expected)]), "one story for each request, no more"
    assert scene.refusals, "nobody has noticed that the journal was away"


def check_not_held_up(observer: Observer, away_seconds: float) -> None:
    """Check that a story was written on meanwhile: by the same worker, and in about the time that it takes anyway."""
    assert 1 == len(claims(observer))
    assert "stage_restarted" not in bodies(observer)
    words = sum(len(chapter.text.split()) for chapter in observer.responses[-1].story.chapters)
    seconds = observer.times[-1] - observer.times[bodies(observer).index("text_delta")]
    assert seconds < words * WRITING_SECONDS / WORDS + away_seconds / 2


async def story_of(system: System, wish: Wish) -> str:
    """Return the one story that a start has made; check that it has succeeded."""
    [story] = {answer.generation_id for answer in wish.answers if answer.accepted}
    observer = Observer(story, all_doors(system))
    await observer.watch()
    check_story(observer)
    return story


def restarts_of(system: System) -> list[int]:
    """Return how often each process was started again."""
    return [process.restarts for process in system.status.processes] if system.status is not None else []
