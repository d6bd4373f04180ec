"""Watchers that are cut off in the middle of a story, at every door, and come back."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack

import pytest

from tests.e2e.observer import Observer, all_doors, check_equal, check_story, family
from tests.e2e.stories import api_of, watching
from tests.e2e.wire import cut_at_random, wired
from tests.proof import record, runs, seeded, share_of
from tests.system import System

CUTS = 1000
"""In a proof, of all watchers together."""

CUTS_OF_A_DOOR = 12
CUTS_OF_A_WANDERER = 14
WANDERERS = 2
"""Of each watcher of one story: by each of the six doors, and changing between them; 100 in all."""

CHANGING = "changing doors"


@pytest.mark.proof
@pytest.mark.timeout(120 + share_of(CUTS))
async def test_watchers_that_are_cut_off_lose_nothing_and_see_nothing_twice(house: System) -> None:
    """Cut off at random moments, at each door and changing between them, all watchers see the same log once."""
    cuts: Counter[str] = Counter()
    stories = 0
    for run in runs("cuts"):
        cuts += await cut_one_story(house, run.chance, share_of(CUTS) - cuts.total())
        stories += 1
        if cuts.total() >= share_of(CUTS):
            break
    record(
        what="watchers' connections cut",
        runs=cuts.total(),
        outcome="1…N once; text equal to the result; all watchers equal",
        figures={**dict(sorted(cuts.items())), "stories": stories},
    )


async def cut_one_story(house: System, chance: random.Random, at_most: int) -> Counter[str]:
    """Have a story watched, cut its watchers off again and again, check what they saw; return the cuts, by door."""
    async with api_of(house) as api, AsyncExitStack() as held:
        story = await api.start(words=300, chapters=2)
        undisturbed = Observer(story, all_doors(house)[:1])
        observers, wires, cutters = [], [], []
        places = [(place, CUTS_OF_A_DOOR) for place in range(len(all_doors(house)))]
        for place, quota in [*places, *[(-1, CUTS_OF_A_WANDERER)] * WANDERERS]:
            wire = await held.enter_async_context(wired(house))
            doors = all_doors(wire) if place < 0 else [all_doors(wire)[place]]
            own = random.Random(chance.randrange(2**32))  # who is slow must not change what the others draw
            observer = Observer(story, doors, own)
            allowed = min(quota, at_most)
            at_most -= allowed
            wires.append(wire)
            observers.append(observer)
            cutters.append(cut_at_random(wire, observer, random.Random(chance.randrange(2**32)), allowed))

        async with asyncio.TaskGroup() as tasks:
            cutting = [tasks.create_task(cutter) for cutter in cutters]
            async with watching([undisturbed, *observers]):
                pass
            for task in cutting:
                task.cancel()

        for observer in (undisturbed, *observers):
            check_story(observer)
        check_equal([undisturbed, *observers])
        assert undisturbed.responses[-1].story.text == (await api.read(story))["story"]["text"]
        counted: Counter[str] = Counter()
        for observer, wire in zip(observers, wires, strict=True):
            counted[CHANGING if len(observer.doors) > 1 else family(observer.doors[0])] += wire.cuts
        return counted


async def test_a_watcher_cut_before_its_first_event_keeps_its_cursor(house: System) -> None:
    """Connections that are cut as soon as they stand, before anything came, cost nothing: the cursor is the same."""
    async with api_of(house) as api:
        story = await api.start(words=120)
        observers = [Observer(story, [door], seeded(), (0, 1), 6) for door in all_doors(house)]

        async with watching(observers):
            pass

        for observer in observers:
            check_story(observer)
            assert 6 == observer.cuts
        check_equal(observers)


async def test_who_comes_late_sees_the_whole_story(house: System) -> None:
    """A log that has ended is told from its first event to its last, and from any cursor on, at every door."""
    async with api_of(house) as api:
        story = await api.start(words=60)
        live = Observer(story, all_doors(house)[:1])
        await live.watch()

        late = [Observer(story, [door]) for door in all_doors(house)]
        async with watching(late):
            pass
        check_equal([live, *late])

        for door in all_doors(house):
            behind = Observer(story, [door], responses=live.responses[:10])
            await behind.watch()
            check_equal([live, behind])
            done = Observer(story, [door], responses=list(live.responses))
            await done.watch()
            assert len(live.responses) == len(done.responses)


async def test_many_watchers_see_one_log(house: System) -> None:
    """Dozens of watchers, coming at different moments by all doors, see the same log to its end."""
    chance = seeded()
    async with api_of(house) as api, asyncio.TaskGroup() as tasks:
        story = await api.start(words=100, chapters=2)
        first = Observer(story, all_doors(house)[:1])
        watch = tasks.create_task(first.watch())
        observers = [first]
        for count in (10, 30, 60):
            await first.until_events(count)
            fresh = [Observer(story, [door], chance) for door in all_doors(house)]
            for observer in fresh:
                tasks.create_task(observer.watch())
            observers += fresh
        await watch
    for observer in observers:
        check_story(observer)
    check_equal(observers)
