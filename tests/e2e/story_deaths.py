"""Stories, as deaths interrupt them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fabula.api.generation.v1.generation_pb2 import Event, State
from tests.e2e.deaths import EDGE_SECONDS, check_finished_once, written
from tests.e2e.observer import Observer, all_doors, check_equal, check_story, stages
from tests.e2e.stories import Api
from tests.system import System

PHASES_IN_ORDER = ("queued", "planning", "writing", "reviewing", "keeping")
PHASES = {
    "load_prompts": "planning",
    "load_characters": "planning",
    "outline": "planning",
    "write": "writing",
    "keep": "keeping",
}


@dataclass(frozen=True, slots=True)
class Told:
    """A story that was begun, and its watchers: one at each door."""

    seed: int
    watchers: list[Observer]

    @property
    def events(self) -> list[Event]:
        """What the first of them saw."""
        return self.watchers[0].events

    @property
    def logs(self) -> Sequence[Sequence[Event]]:
        """The story's own."""
        return [self.events]

    def phase_at(self, moment: float) -> str:
        """Return what it was at."""
        before = [event for event in self.events if written(event) <= moment]
        if not before or before[-1].state == State.STATE_QUEUED:
            return "queued"
        return PHASES.get(before[-1].progress.stage.partition("-")[0] or "outline", "reviewing")


@dataclass(frozen=True, slots=True)
class Stories:
    """Stories that are interrupted. Implements `tests.e2e.deaths.Work`.

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

    async def begin(self, api: Api, system: System, chance: random.Random, tasks: asyncio.TaskGroup) -> Told:
        """Ask for a story."""
        seed = chance.choice(sorted(self.texts)) if self.texts else chance.randrange(2**31)
        story = await api.start(**{**self.fields, "seed": seed})
        told = Told(seed, [Observer(story, [door]) for door in all_doors(system)])
        for observer in told.watchers:
            tasks.create_task(observer.watch())
        return told

    @asynccontextmanager
    async def moment(self, _system: System, begun: Told, chance: random.Random) -> AsyncIterator[None]:
        """Wait until just after the start, any time, or when all is written."""
        match chance.randrange(3):
            case 0:
                await asyncio.sleep(chance.uniform(0, EDGE_SECONDS))
            case 1:
                await asyncio.sleep(chance.uniform(0, self.life_seconds))
            case _:
                late = chance.uniform(0, EDGE_SECONDS / 2)
                await begun.watchers[0].until(lambda seen: seen.ended or "write-1" in stages(seen, "stage_finished"))
                await asyncio.sleep(late)
        yield

    async def check(self, api: Api, begun: Told) -> None:
        """Check that the story succeeded, and that every watcher saw all of it once, no finished stage twice."""
        for observer in begun.watchers:
            check_story(observer)
            check_finished_once(observer)
        check_equal(begun.watchers)
        last = begun.watchers[0].responses[-1]
        assert State.STATE_SUCCEEDED == last.event.state
        assert last.story.text == (await api.read(last.event.generation_id))["story"]["text"]
        if self.texts:
            assert self.texts[begun.seed] == last.story.text, "an undisturbed story of this seed reads otherwise"
