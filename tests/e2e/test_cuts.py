"""Watchers that are cut off in the middle of a story, at every door, and come back."""

from __future__ import annotations

import asyncio

from tests.e2e.observer import Observer, all_doors, check_equal, check_story
from tests.e2e.stories import api_of, watching
from tests.proof import PROOF, seeded
from tests.system import System

CUTS = 2 * PROOF
"""Of each watcher."""


async def test_watchers_that_are_cut_off_lose_nothing_and_see_nothing_twice(house: System) -> None:
    """Cut at random and back by cursor, by each door and changing between them, all watchers see the same log."""
    chance = seeded()
    async with api_of(house) as api:
        story = await api.start(words=300 * PROOF, chapters=2)
        doors = all_doors(house)
        undisturbed = Observer(story, doors[:1])
        cut = [Observer(story, [door], chance, (1, 80), CUTS) for door in doors]
        wanderer = Observer(story, doors, chance, (1, 40), 3 * CUTS)
        observers = [undisturbed, *cut, wanderer]

        async with watching(observers):
            pass

        for observer in observers:
            check_story(observer)
        check_equal(observers)
        assert 9 * CUTS == sum(observer.cuts for observer in observers)
        assert 0 == sum(observer.losses for observer in observers)
        final = (await api.read(story))["story"]["text"]
        assert undisturbed.responses[-1].story.text == final


async def test_a_watcher_cut_before_its_first_event_keeps_its_cursor(house: System) -> None:
    """Connections that are cut as soon as they stand, before anything came, cost nothing: the cursor is the same."""
    async with api_of(house) as api:
        story = await api.start(words=120)
        observers = [Observer(story, [door], seeded(), (0, 1), 6 * PROOF) for door in all_doors(house)]

        async with watching(observers):
            pass

        for observer in observers:
            check_story(observer)
            assert 6 * PROOF == observer.cuts
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
