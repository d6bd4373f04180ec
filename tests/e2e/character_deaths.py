"""Characters, and stories about them, as deaths interrupt them."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from fabula.api.generation.v1.generation_pb2 import Event, State
from tests.e2e.characters import (
    HISTORY,
    Companion,
    Undisturbed,
    Visitor,
    check,
    is_told,
    start,
    steps_painted,
    visitors,
    watch,
)
from tests.e2e.deaths import EDGE_SECONDS, Watcher, written
from tests.e2e.observer import stages
from tests.e2e.sleep import asleep
from tests.e2e.stories import Api
from tests.e2e.story_deaths import Stories, Told
from tests.system import System

PHASES_IN_ORDER = ("queued", "making up", "telling", "keeping", "waiting for the painter", "painting")

KEEPING_SECONDS = 0.05
"""About so long it takes from the last word of a history until the painter is asked."""

LONGEST_SILENCE_SECONDS = 1.0
"""Of the library, before somebody dies."""


@dataclass(frozen=True, slots=True)
class Made:
    """A character that was begun, and its watchers: one at each door, and one for both generations on one stream."""

    seed: int
    visitors: list[Visitor]
    companion: Companion

    @property
    def watchers(self) -> Sequence[Watcher]:
        """All of them."""
        return [*self.visitors, self.companion]

    @property
    def logs(self) -> Sequence[Sequence[Event]]:
        """The character's, and its face's."""
        return [self.visitors[0].character.events, self.visitors[0].face.events]

    def phase_at(self, moment: float) -> str:
        """Return what was being done."""
        before = [event for event in self.visitors[0].events if written(event) <= moment]
        if not before:
            return "queued"
        last = before[-1]
        if last.generation_id == self.visitors[0].face.generation_id:
            return "waiting for the painter" if last.state == State.STATE_QUEUED else "painting"
        match last.state, last.progress.stage:
            case State.STATE_QUEUED, _:
                return "queued"
            case State.STATE_SUCCEEDED, _:
                return "waiting for the painter"
            case _, "create_character" | "queue_avatar":
                return "keeping"
            case _, stage:
                return "telling" if stage == HISTORY else "making up"


@dataclass(frozen=True, slots=True)
class Characters:
    """Characters that are interrupted. Implements `tests.e2e.deaths.Work`.

    Attributes:
        company: How many are begun before the one that the kill aims at.
        life_seconds: About how long one takes, with its face.
        expected: What undisturbed ones are, by seed.
        steps: Of a face; the kill is to fall into its painting. 0: it may fall anywhere.
    """

    company: int
    life_seconds: float
    expected: Mapping[int, Undisturbed]
    steps: int = 0

    async def begin(self, api: Api, system: System, chance: random.Random, tasks: asyncio.TaskGroup) -> Made:
        """Ask for a character with a face."""
        seed = chance.choice(sorted(self.expected))
        id_ = await start(api, seed)
        made = Made(seed, visitors(system, id_), Companion(system.character_address, id_))
        watch(api, made.visitors, made.companion, tasks)
        return made

    @asynccontextmanager
    async def moment(self, _system: System, begun: Made, chance: random.Random) -> AsyncIterator[None]:
        """Wait until just after the start, any time, or when the history is told; or for any step of the painting."""
        first = begun.visitors[0]
        if self.steps:
            step = chance.randrange(1, self.steps)
            await first.face.until(lambda seen: seen.ended or steps_painted(seen) >= step)
            yield
            return
        match chance.randrange(3):
            case 0:
                await asyncio.sleep(chance.uniform(0, EDGE_SECONDS))
            case 1:
                await asyncio.sleep(chance.uniform(0, self.life_seconds))
            case _:
                late = chance.uniform(0, KEEPING_SECONDS)
                await first.character.until(is_told)
                await asyncio.sleep(late)
        yield

    async def check(self, api: Api, begun: Made) -> None:
        """Check that it came as if nothing had been."""
        await check(api, begun.visitors, begun.companion, self.expected[begun.seed])


@dataclass(frozen=True, slots=True)
class Introductions(Stories):
    """Stories about characters of the library, interrupted while they get to know them (`load_characters`).

    The library is put to sleep for that: else the stage lasts milliseconds.
    """

    async def begin(self, api: Api, system: System, chance: random.Random, tasks: asyncio.TaskGroup) -> Told:
        """Ask for a story, which the library lets pass, and then sleeps."""
        with asleep(system.pid_of("story-worker")):
            told = await super(Introductions, self).begin(api, system, chance, tasks)
            os.kill(system.pid_of("character-server"), signal.SIGSTOP)
        return told

    @asynccontextmanager
    async def moment(self, system: System, begun: Told, chance: random.Random) -> AsyncIterator[None]:
        """Wait until the story waits for the library, and a moment longer; afterwards the library wakes."""
        library = system.pid_of("character-server")
        try:
            await begun.watchers[0].until(lambda seen: "load_characters" in stages(seen, "stage_started"))
            await asyncio.sleep(chance.uniform(0, LONGEST_SILENCE_SECONDS))
            yield
        finally:
            with suppress(ProcessLookupError):
                os.kill(library, signal.SIGCONT)
