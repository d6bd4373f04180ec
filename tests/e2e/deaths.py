"""One death of a process at a random moment of several generations: who was hit, where, and for how long."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from fabula.api.generation.v1.generation_pb2 import Event, State
from tests.e2e.observer import Observer, all_doors, check_equal, check_story, family, stages
from tests.e2e.stories import Api, api_of
from tests.system import System

TRIES = 30
"""So often at most a run is begun again whose kill came after the end."""

EDGE_SECONDS = 0.012
"""A third of all kills fall so soon after the start, and a third about the end: the bundled author plans and reviews
within milliseconds, and moments drawn from the whole life of a story would nearly all fall into its writing."""

PHASES_IN_ORDER = ("queued", "planning", "writing", "reviewing", "keeping")
PHASES = {"load_prompts": "planning", "outline": "planning", "write": "writing", "keep": "keeping"}


ABOUT_WORKERS = frozenset({"claimed", "released", "stage_restarted", "log_line"})
"""Events that tell of who works, not of the work."""


@dataclass(frozen=True, slots=True)
class Victim:
    """Who is killed.

    Attributes:
        name: What the page calls it.
        pid: Finds its process.
        until_back: Waits until another has taken the place of a killed process.
        claims: How often a generation is claimed that it was at work on.
    """

    name: str
    pid: Callable[[System], int]
    until_back: Callable[[System, int], object]
    claims: int = 1


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the stories are that are interrupted.

    Attributes:
        company: How many are begun before the one that the kill aims at.
        life_seconds: About how long one takes.
        fields: Of the request.
        texts: What undisturbed stories say, by seed; empty if the author never writes the same twice.
    """

    company: int
    life_seconds: float
    fields: dict[str, object]
    texts: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class Toll:
    """What kills have done so far.

    Attributes:
        hit: Generations that were under way.
        missed: Kills that came after the end, and do not count.
        phases: In which phase of a generation the kills that count fell.
        waits: Seconds from the kill to the next event at each watcher of a generation that was hit, by its door.
        pauses: Seconds from the kill until work goes on: to the next text, stage or end, at each of these watchers.
    """

    hit: int = 0
    missed: int = 0
    phases: Counter[str] = field(default_factory=Counter)
    waits: dict[str, list[float]] = field(default_factory=dict)
    pauses: list[float] = field(default_factory=list)

    @property
    def all_waits(self) -> list[float]:
        """The waits at all doors."""
        return [wait for waits in self.waits.values() for wait in waits]


@dataclass(frozen=True, slots=True)
class _Death:
    clock: float
    """By the monotonic clock, as watchers note it."""
    time: float
    """By the wall clock, as writers note it."""


@dataclass(frozen=True, slots=True)
class _Told:
    """A story that was begun, and its watchers: one at each door."""

    seed: int
    observers: list[Observer]

    @property
    def events(self) -> list[Event]:
        return self.observers[0].events

    def outlived(self, death: _Death) -> bool:
        return _written(self.events[-1]) > death.time


async def die_once(system: System, victim: Victim, wishes: Wishes, chance: random.Random, toll: Toll) -> None:
    """Kill the victim within the life of a generation, check all that were begun, and add to the toll.

    Raises:
        AssertionError: something was lost, repeated or not finished.
    """
    for _ in range(TRIES):
        company, aimed_at, death = await _kill(system, victim, wishes, chance)
        hit = [story for story in (*company, aimed_at) if story.outlived(death)]
        for story in hit:
            _check_claims(story, death, victim)
        if aimed_at in hit:
            toll.hit += len(hit)
            toll.phases[phase_at(aimed_at.events, death.time)] += 1
            for observer in (observer for story in hit for observer in story.observers):
                toll.waits.setdefault(family(observer.doors[0]), []).append(_wait(observer, death))
                toll.pauses.append(_wait(observer, death, without=ABOUT_WORKERS))
            return
        toll.missed += 1
    raise AssertionError(f"{TRIES} kills in a row came after the end")


async def _kill(
    system: System, victim: Victim, wishes: Wishes, chance: random.Random
) -> tuple[list[_Told], _Told, _Death]:
    """Begin the company, then the story that the kill aims at; kill; wait for the end of all, and check them."""
    company: list[_Told] = []
    async with api_of(system) as api:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(wishes.company):
                company.append(await _begin(api, system, wishes, chance, tasks))
                await asyncio.sleep(chance.uniform(0, wishes.life_seconds / (wishes.company + 1)))
            aimed_at = await _begin(api, system, wishes, chance, tasks)
            pid = await asyncio.to_thread(victim.pid, system)  # only now: a model that nobody needs is not loaded
            await _until_moment(aimed_at.observers[0], wishes.life_seconds, chance)
            death = _Death(time.monotonic(), time.time())
            os.kill(pid, signal.SIGKILL)
        await asyncio.to_thread(victim.until_back, system, pid)
        for story in (*company, aimed_at):
            await _check(api, story, wishes)
    return company, aimed_at, death


async def _begin(api: Api, system: System, wishes: Wishes, chance: random.Random, tasks: asyncio.TaskGroup) -> _Told:
    seed = chance.choice(sorted(wishes.texts)) if wishes.texts else chance.randrange(2**31)
    story = await api.start(**{**wishes.fields, "seed": seed})
    told = _Told(seed, [Observer(story, [door]) for door in all_doors(system)])
    for observer in told.observers:
        tasks.create_task(observer.watch())
    return told


async def _until_moment(observer: Observer, life_seconds: float, chance: random.Random) -> None:
    """Wait until the moment that chance decides on: just after the start, at any time, or when all is written."""
    match chance.randrange(3):
        case 0:
            await asyncio.sleep(chance.uniform(0, EDGE_SECONDS))
        case 1:
            await asyncio.sleep(chance.uniform(0, life_seconds))
        case _:
            late = chance.uniform(0, EDGE_SECONDS / 2)
            await observer.until(lambda seen: seen.ended or "write-1" in stages(seen, "stage_finished"))
            await asyncio.sleep(late)


async def _check(api: Api, told: _Told, wishes: Wishes) -> None:
    """Check that the story succeeded, and that every watcher saw all of it once, no finished stage twice."""
    for observer in told.observers:
        check_story(observer)
        check_finished_once(observer)
    check_equal(told.observers)
    last = told.observers[0].responses[-1]
    assert State.STATE_SUCCEEDED == last.event.state
    assert last.story.text == (await api.read(last.event.generation_id))["story"]["text"]
    if wishes.texts:
        assert wishes.texts[told.seed] == last.story.text, "an undisturbed story of this seed reads otherwise"


def check_finished_once(observer: Observer) -> None:
    """Check that no finished stage was begun again, and each was finished once."""
    finished = stages(observer, "stage_finished")
    assert sorted(set(finished)) == sorted(finished)
    assert sorted(finished) == sorted(stages(observer, "stage_started"))


def _check_claims(told: _Told, death: _Death, victim: Victim) -> None:
    """Check that another worker follows who was at work on it, and nobody else."""
    claims = [_written(event) for event in told.events if event.WhichOneof("body") == "claimed"]
    assert (victim.claims if claims[0] < death.time else 1) == len(claims), told.events[0].generation_id


def phase_at(events: Sequence[Event], moment: float) -> str:
    """Return what a generation was at."""
    before = [event for event in events if _written(event) <= moment]
    if not before or before[-1].state == State.STATE_QUEUED:
        return "queued"
    return PHASES.get(before[-1].progress.stage.partition("-")[0] or "outline", "reviewing")


def _wait(observer: Observer, death: _Death, without: frozenset[str] = frozenset()) -> float:
    """Return after how many seconds the watcher saw something that was written after the death."""
    seen = zip(observer.events, observer.times, strict=True)
    later = ((event, clock) for event, clock in seen if _written(event) > death.time)
    return next(clock for event, clock in later if event.WhichOneof("body") not in without) - death.clock


def _written(event: Event) -> float:
    return event.time.ToNanoseconds() / 1e9
