"""The journal's disk fills up in the middle of stories: callers hear the truth, and nothing is lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from uuid import uuid4

import pytest

from fabula.errors import Unavailable
from tests.e2e.callers import Answer, Callers, callers_of
from tests.e2e.observer import Observer, all_doors, bodies, check_story
from tests.e2e.stories import PREMISE, Api, api_of, watching
from tests.e2e.turns import check_watched, claims
from tests.proof import PROOF, record, runs
from tests.small_disk import SmallDisk, small_disk
from tests.system import System

STORIES = 3
PROMPT_SECONDS = 7.0
"""Generous: a caller is to hear within about five seconds that nothing can be stored."""

COMEBACK_SECONDS = 30.0
FULL_DISKS = 5
"""In a proof."""


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmallDisk]:
    """Give a disk that may be filled."""
    with small_disk(tmp_path_factory.mktemp("full") / "disk") as disk:
        yield disk


@pytest.fixture(scope="module")
def cramped(disk: SmallDisk) -> Iterator[System]:
    """Run a system with everything it keeps on a small disk."""
    with System(disk.folder, words_per_second=40) as system:
        yield system


@pytest.mark.proof
@pytest.mark.timeout(60 + 60 * PROOF)
async def test_a_full_disk_is_named_and_survived(disk: SmallDisk, cramped: System) -> None:
    """Starts are refused for the disk while it is full; when it is not, all goes on and nothing accepted is lost."""
    waits: list[float] = []
    restarts = restarts_of(cramped)
    for run in runs("full disk", FULL_DISKS):
        async with api_of(cramped) as api, callers_of(cramped) as callers:
            stories = [await api.start(words=100, seed=seed) for seed in range(STORIES)]
            observers = [[Observer(story, [door]) for door in all_doors(cramped)] for story in stories]
            async with watching(each for group in observers for each in group):
                await observers[0][0].until_events(run.chance.randint(10, 40))
                await asyncio.to_thread(disk.fill)
                accepted, refused = await until_refused(callers)
                await check_told(api, callers, refused, stories)
                await asyncio.sleep(run.chance.uniform(0, 2))
                await asyncio.to_thread(disk.clear)
                cleared = time.monotonic()
                again = await until_accepted(callers, refused)
                waits.append(time.monotonic() - cleared)

            for group in observers:
                await check_watched(api, group)
                assert 1 == len(claims(group[0]))
                assert "cancel_requested" not in bodies(group[0]), "what was refused has not happened"
            for started in [*accepted, again]:
                late = Observer(started, all_doors(cramped)[:1])
                await late.watch()
                check_story(late)
            assert sorted([*stories, *accepted, again]) == sorted((await api.ids())[: STORIES + len(accepted) + 1])
    await asyncio.sleep(0.2)  # the status file follows within a tenth of a second
    assert {**restarts, "nats-server": restarts["nats-server"] + len(waits)} == restarts_of(cramped)
    record(
        section="Faults of the surroundings",
        what=f"the journal's disk is full in mid-story, {STORIES} stories at a time",
        runs=len(waits),
        outcome="starts refused with the reason, all accepted SUCCEEDED, nobody restarted anything by hand",
        seconds=waits,
    )


def test_ctrl_c_needs_no_room(disk: SmallDisk, cramped: System) -> None:
    """A system on a full disk stops as cleanly as any, and starts again when there is room."""
    disk.fill()
    assert 0 == cramped.stop()
    disk.clear()

    cramped.start()


def restarts_of(system: System) -> dict[str, int]:
    """Return how often each process was started again."""
    assert system.status is not None
    return {process.name: process.restarts for process in system.status.processes}


async def until_refused(callers: Callers) -> tuple[list[str], str]:
    """Start small stories until one is refused; return those that were accepted, and the refused request's id."""
    accepted: list[str] = []
    while len(accepted) < 100:  # what fits into an open page of the disk is still taken
        request_id = str(uuid4())
        answer = await callers.start(request_id, words=60)
        if not answer.accepted:
            check_refusal(answer)
            return accepted, request_id
        accepted.append(answer.generation_id)
    raise AssertionError("a full disk took a hundred stories")


def check_refusal(answer: Answer) -> None:
    """Check that a caller was told at once what is the matter, and that it may try again."""
    assert isinstance(answer.error, Unavailable)
    assert "disk" in answer.error.message
    assert answer.retry
    assert answer.seconds < PROMPT_SECONDS


async def check_told(api: Api, callers: Callers, request_id: str, stories: list[str]) -> None:
    """Check that every door says the same, and what is stored can be read."""
    web = {"requestId": request_id, "premise": PREMISE}
    started, cancelled, refused = await asyncio.gather(
        callers.start(request_id, words=60),
        callers.command("cancel", stories[0]),
        api.http.post("/v1/stories", json=web, timeout=2 * PROMPT_SECONDS),
    )
    check_refusal(started)
    check_refusal(cancelled)
    assert (503, "UNAVAILABLE") == (refused.status_code, refused.json()["error"]["code"])
    assert "disk" in refused.json()["error"]["message"]
    assert int(refused.headers["Retry-After"]) >= 1
    for story in stories:
        assert "RUNNING" == await api.state(story)


async def until_accepted(callers: Callers, request_id: str) -> str:
    """Repeat a refused request until it is accepted; return the generation's id."""
    deadline = time.monotonic() + COMEBACK_SECONDS
    while not (answer := await callers.start(request_id, words=60)).accepted:
        assert time.monotonic() < deadline, answer
        await asyncio.sleep(0.1)
    return answer.generation_id
