"""One death of a process at a random moment of several generations: who was hit, where, and for how long."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from fabula.api.generation.v1.generation_pb2 import Event
from fabula.rpc.kinds import kind_of
from tests.e2e.observer import Observer, stages
from tests.e2e.stories import Api, api_of
from tests.system import REPLACE_SECONDS, System

TRIES = 30
"""So often at most a run is begun again whose kill came after the end."""

EDGE_SECONDS = 0.012
"""A third of all kills fall so soon after the start, and a third about the end: the bundled author plans and reviews
within milliseconds, and moments drawn from the whole life of a story would nearly all fall into its writing."""

ABOUT_WORKERS = frozenset({"claimed", "released", "stage_restarted", "log_line"})
"""Events that tell of who works, not of the work."""


@dataclass(frozen=True, slots=True)
class Victim:
    """Who is killed.

    Attributes:
        name: What the page calls it.
        pid: Finds its process.
        until_back: Waits until another has taken the place of a killed process.
        works_at: The kind of generation that is claimed anew when it dies at work; empty for no worker.
    """

    name: str
    pid: Callable[[System], int]
    until_back: Callable[[System, int], object]
    works_at: str = ""


def supervised(name: str, title: str, works_at: str = "", seconds: float = REPLACE_SECONDS) -> Victim:
    """Return a process that `fabula up` starts again, within so many seconds."""
    return Victim(
        title,
        lambda system: system.pid_of(name),
        lambda system, pid: system.until_replaced(name, pid, seconds),
        works_at,
    )


class Watcher(Protocol):
    """Who writes down what is told at one kind of door, and when."""

    @property
    def where(self) -> str:
        """The kind of door."""
        ...

    @property
    def events(self) -> Sequence[Event]:
        """What was told, in order."""
        ...

    @property
    def times(self) -> Sequence[float]:
        """When each of them came, by the monotonic clock."""
        ...


class Begun(Protocol):
    """What was begun, with watchers at every door. The first of them tells where it is."""

    @property
    def watchers(self) -> Sequence[Watcher]:
        """Those who watch it to its end."""
        ...

    @property
    def logs(self) -> Sequence[Sequence[Event]]:
        """The logs of all generations that it takes."""
        ...

    def phase_at(self, moment: float) -> str:
        """Return what was being done at a moment, by the wall clock."""
        ...


B = TypeVar("B", bound=Begun)


class Work(Protocol[B]):
    """What is interrupted."""

    @property
    def company(self) -> int:
        """How many are begun before the one that the kill aims at."""
        ...

    @property
    def life_seconds(self) -> float:
        """About how long one takes."""
        ...

    async def begin(self, api: Api, system: System, chance: random.Random, tasks: asyncio.TaskGroup) -> B:
        """Begin one, and have its watchers watch it to its end."""
        ...

    def moment(self, system: System, begun: B, chance: random.Random) -> AbstractAsyncContextManager[None]:
        """Wait for a moment that chance decides on; the kill is in the block."""
        ...

    async def check(self, api: Api, begun: B) -> None:
        """Check that it has ended as if nothing had been, and that every watcher saw all of it once."""
        ...


@dataclass(slots=True)
class Toll:
    """What kills have done so far.

    Attributes:
        hit: What was under way.
        missed: Kills that came after the end, and do not count.
        phases: In which phase the kills that count fell.
        waits: Seconds from the kill to the next event at each watcher of what was hit, by its door.
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


async def die_once(system: System, victim: Victim, work: Work[B], chance: random.Random, toll: Toll) -> None:
    """Kill the victim within the life of what is worked at, check all that was begun, and add to the toll.

    Raises:
        AssertionError: something was lost, repeated or not finished.
    """
    for _ in range(TRIES):
        company, aimed_at, death = await _kill(system, victim, work, chance)
        hit = [begun for begun in (*company, aimed_at) if written(begun.watchers[0].events[-1]) > death.time]
        for begun in (*company, aimed_at):
            for log in begun.logs:
                _check_claims(log, death, victim)
        if aimed_at in hit:
            toll.hit += len(hit)
            toll.phases[aimed_at.phase_at(death.time)] += 1
            for watcher in (watcher for begun in hit for watcher in begun.watchers):
                toll.waits.setdefault(watcher.where, []).append(_wait(watcher, death))
                toll.pauses.append(_wait(watcher, death, without=ABOUT_WORKERS))
            return
        toll.missed += 1
    raise AssertionError(f"{TRIES} kills in a row came after the end")


async def _kill(system: System, victim: Victim, work: Work[B], chance: random.Random) -> tuple[list[B], B, _Death]:
    """Begin the company, then what the kill aims at; kill; wait for the end of all, and check them."""
    company: list[B] = []
    async with api_of(system) as api:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(work.company):
                company.append(await work.begin(api, system, chance, tasks))
                await asyncio.sleep(chance.uniform(0, work.life_seconds / (work.company + 1)))
            aimed_at = await work.begin(api, system, chance, tasks)
            pid = await asyncio.to_thread(victim.pid, system)  # only now: a model that nobody needs is not loaded
            async with work.moment(system, aimed_at, chance):
                death = _Death(time.monotonic(), time.time())
                os.kill(pid, signal.SIGKILL)
        await asyncio.to_thread(victim.until_back, system, pid)
        for begun in (*company, aimed_at):
            await work.check(api, begun)
    return company, aimed_at, death


def check_finished_once(observer: Observer) -> None:
    """Check that no finished stage was begun again, and each was finished once."""
    finished = stages(observer, "stage_finished")
    assert sorted(set(finished)) == sorted(finished)
    assert sorted(finished) == sorted(stages(observer, "stage_started"))


def _check_claims(log: Sequence[Event], death: _Death, victim: Victim) -> None:
    """Check that another worker follows who was at work on it, and nobody else."""
    kind = kind_of(log[0].generation_id)
    assert kind is not None
    claims = [written(event) for event in log if event.WhichOneof("body") == "claimed"]
    taken = kind.name == victim.works_at and claims[0] < death.time < written(log[-1])
    assert (2 if taken else 1) == len(claims), log[0].generation_id


def _wait(watcher: Watcher, death: _Death, without: frozenset[str] = frozenset()) -> float:
    """Return after how many seconds the watcher saw something that was written after the death."""
    seen = zip(watcher.events, watcher.times, strict=True)
    later = ((event, clock) for event, clock in seen if written(event) > death.time)
    return next(clock for event, clock in later if event.WhichOneof("body") not in without) - death.clock


def written(event: Event) -> float:
    """Return when an event was written, by the wall clock."""
    return event.time.ToNanoseconds() / 1e9
