"""Watchers that are cut off in the middle of a story, at every door, and come back."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack

import pytest

from tests.e2e.observer import Observer, all_doors, check_equal, check_story, family
from tests.e2e.stories import api_of, watching
from tests.e2e.wire import cut_at_random, wired
from tests.proof import PROOF, record, runs, seeded, share_of
from tests.system import System

CUTS_OF_A_DOOR = 90
CUTS_OF_A_WANDERER = 140
WANDERERS = 2
"""In a proof: of the watcher at each of the eight doors, and of each of those that change doors; 1,000 in all."""

CUTS_OF_A_STORY = 14
"""Of one watcher, at most."""

STORY_SECONDS = 7.5
"""About how long the story of these tests takes at the pace of the house."""

CHANGING = "changing doors"


@pytest.mark.proof
@pytest.mark.timeout(120 + 100 * PROOF)
async def test_watchers_that_are_cut_off_lose_nothing_and_see_nothing_twice(house: System) -> None:
    """Cut off at random moments, at each door and changing between them, all watchers see the same log once."""
    left = [share_of(CUTS_OF_A_DOOR)] * len(all_doors(house)) + [share_of(CUTS_OF_A_WANDERER)] * WANDERERS
    by_door: Counter[str] = Counter()
    by_third: Counter[int] = Counter()
    stories = 0
    for run in runs("cuts"):
        for watcher, door, third in await cut_one_story(house, run.chance, left):
            left[watcher] -= 1
            by_door[door] += 1
            by_third[third] += 1
        stories += 1
        if not any(left):
            break
    thirds = " / ".join(str(by_third[third]) for third in range(3))
    record(
        what="watchers' connections cut",
        runs=by_door.total(),
        outcome="1…N once; text equal to the result; all watchers equal",
        figures={**dict(sorted(by_door.items())), "in the thirds of a story": thirds, "stories": stories},
    )
    assert all(by_third[third] for third in range(3))


async def cut_one_story(house: System, chance: random.Random, left: Sequence[int]) -> list[tuple[int, str, int]]:
    """Have a story watched, cut its watchers off again and again, so often each at most, and check what they saw.

    Returns:
        For each cut the watcher, its door, and the third of the story that it was in.
    """
    async with api_of(house) as api, AsyncExitStack() as held:
        story = await api.start(words=300, chapters=2)
        undisturbed = Observer(story, all_doors(house)[:1])
        wires = [await held.enter_async_context(wired(house)) for _ in left]
        observers = [
            Observer(story, all_doors(wire)[place : place + 1] or all_doors(wire), random.Random(chance.random()))
            for place, wire in enumerate(wires)
        ]
        async with asyncio.TaskGroup() as tasks:
            cutting = [
                # Each has a chance of its own: what it draws does not depend on how quick the others are.
                tasks.create_task(cut_at_random(wire, observer, random.Random(chance.random()), count, STORY_SECONDS))
                for wire, observer, count in zip(
                    wires, observers, (min(some, CUTS_OF_A_STORY) for some in left), strict=True
                )
            ]
            async with watching([undisturbed, *observers]):
                pass
            for task in cutting:
                task.cancel()
        for observer in (undisturbed, *observers):
            check_story(observer)
        check_equal([undisturbed, *observers])
        assert undisturbed.responses[-1].story.text == (await api.read(story))["story"]["text"]
    return [
        (watcher, _door(observers[watcher]), 3 * cursor // (undisturbed.cursor + 1))
        for watcher, wire in enumerate(wires)
        for cursor in wire.cuts
    ]


def _door(observer: Observer) -> str:
    return family(observer.doors[0]) if len(observer.doors) == 1 else CHANGING


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
