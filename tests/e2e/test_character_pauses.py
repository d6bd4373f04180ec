"""Characters that are paused at random moments while workers come and go: text and face of an undisturbed one."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import Mapping

import httpx
import pytest

from tests.e2e.characters import (
    HISTORY,
    Companion,
    Known,
    Visitor,
    check,
    start,
    steps_painted,
    visitors,
    watch,
)
from tests.e2e.conftest import until_painting
from tests.e2e.deaths import EDGE_SECONDS
from tests.e2e.observer import bodies, texts_of
from tests.e2e.pauses import Pause, check_stands, paused, restart, resume, until_paused
from tests.e2e.stories import Api, api_of
from tests.proof import record, runs, share_of
from tests.system import System

CHARACTERS = 30
"""In a proof."""

MOST_PAUSES = 3
"""Of one character."""

LONGEST_RUN_SECONDS = 1.0
"""Until the next pause; half of them come as soon as a worker plans, which takes milliseconds."""

WORKER = "character-worker"


@pytest.mark.proof
@pytest.mark.timeout(400 + 60 * share_of(CHARACTERS))
async def test_paused_characters_go_on_where_they_were(town: System, known: Mapping[int, Known]) -> None:
    """Paused at any moments, the worker killed or stopped meanwhile, or not: nothing is told twice, or otherwise."""
    pauses: list[Pause] = []
    made = 0
    for run in runs("paused characters", CHARACTERS):
        seed = run.chance.choice(sorted(known))
        async with api_of(town) as api:
            id_ = await start(api, seed)
            seen, companion = visitors(town, id_), Companion(town.character_address, id_)
            async with asyncio.TaskGroup() as tasks:
                watch(api, seen, companion, tasks)
                stood = await stop_and_go(api, town, seen, run.chance)
            await check(api, seen, companion, known[seed].made)
        check_pauses(seen[0], stood)
        pauses += stood
        made += 1
    record(
        what="a character is paused at random moments, up to three times; its worker is killed or stopped meanwhile",
        runs=made,
        outcome="once at every door; text and picture of an undisturbed run",
        figures={"pauses": len(pauses), "in mid-history": sum(HISTORY in pause.texts for pause in pauses)},
        section="Characters",
    )


async def stop_and_go(api: Api, system: System, seen: list[Visitor], chance: random.Random) -> list[Pause]:
    """Pause a character some times, with deaths between; return how it stood each time."""
    observers = [visitor.character for visitor in seen]
    id_ = observers[0].generation_id
    stood: list[Pause] = []
    for _ in range(chance.randint(1, MOST_PAUSES)):
        await asyncio.sleep(chance.choice([chance.uniform(0, EDGE_SECONDS), chance.uniform(0, LONGEST_RUN_SECONDS)]))
        answer = await api.command(id_, "pause")
        if answer.status_code == httpx.codes.CONFLICT:  # it has ended
            return stood
        assert httpx.codes.OK == answer.status_code
        pause = await until_paused(observers)
        if (end := chance.choice([None, signal.SIGKILL, signal.SIGTERM])) is not None:
            pid = system.pid_of(WORKER)
            os.kill(pid, end)
            await asyncio.to_thread(system.until_replaced, WORKER, pid)
        await check_stands(api, pause)
        stood.append(pause)
        await resume(api, id_)
    return stood


def check_pauses(visitor: Visitor, stood: list[Pause]) -> None:
    """Check that a character went on behind what there was at each pause."""
    whole = visitor.character
    counts = [bodies(whole).count(body) for body in ("pause_requested", "paused", "resumed")]
    assert [len(stood)] * 3 == counts
    assert bodies(whole).count("claimed") <= 1 + len(stood)
    text = texts_of(whole.events)[HISTORY]
    for pause in stood:
        assert pause.log == whole.events[: len(pause.log)]
        assert text.startswith(pause.texts.get(HISTORY, ""))


@pytest.mark.timeout(800)
async def test_pauses_outlive_a_restart_of_everything(town: System, known: Mapping[int, Known]) -> None:
    """A character in mid-history, all processes stopped; its face in mid-painting, all killed: the same."""
    async with api_of(town) as api:
        id_ = await start(api, 0)
        seen, companion = visitors(town, id_), Companion(town.character_address, id_)
        async with asyncio.TaskGroup() as tasks:
            watch(api, seen, companion, tasks)
            await seen[0].character.until_writing(HISTORY, words=20)
            history = await paused(api, [visitor.character for visitor in seen])
            await restart(town, signal.SIGTERM)
            await check_stands(api, history)
            await resume(api, id_)

            face = seen[0].face
            await face.until(lambda painting: steps_painted(painting) >= 7, 120)
            picture = await paused(api, [visitor.face for visitor in seen])
            await restart(town, signal.SIGKILL)
            await asyncio.to_thread(until_painting, town)
            await check_stands(api, picture)
            await resume(api, face.generation_id)
        await check(api, seen, companion, known[0].made)
    check_pauses(seen[0], [history])
    assert picture.log == face.events[: len(picture.log)]
    assert "stage_restarted" not in bodies(face)
