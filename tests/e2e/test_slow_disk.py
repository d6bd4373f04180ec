"""The journal's disk takes 200 ms for every sync: records hold more, and nothing else changes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from tests.e2e.observer import Observer, all_doors, bodies
from tests.e2e.sleep import another_worker
from tests.e2e.stories import api_of, watching
from tests.e2e.turns import check_watched, claims
from tests.proof import PROOF, record, runs
from tests.slow_disk import slow_nats_server
from tests.system import System

SYNC_SECONDS = 0.2
PACE = 40.0
"""Words per second that the author writes."""

STORIES = 3
RUNS = 5
"""In a proof."""

FEWEST_WORDS_AT_ONCE = 4.0
"""What an event with text holds on average, at least; on a quick disk it is one word."""

MOST_DELAY = 2.0
"""How much longer than at its own pace the author may write: the machine is busy, the disk must not count."""


@pytest.fixture(scope="module")
def sluggish(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Run a system with two workers, to which a lease can be lost, on a slow disk."""
    folder = tmp_path_factory.mktemp("sluggish")
    path = f"{slow_nats_server(folder / 'bin', SYNC_SECONDS)}{os.pathsep}{os.environ['PATH']}"
    with (
        System(folder / "data", words_per_second=PACE, environment={"PATH": path}) as system,
        another_worker(system, folder / "worker.log"),
    ):
        yield system


@pytest.mark.proof
@pytest.mark.timeout(90 + 30 * PROOF)
async def test_a_slow_disk_holds_nobody_up(sluggish: System) -> None:
    """Text that waits for the disk joins, the author keeps its pace, and renewals are in time: no lease is lost."""
    delays: list[float] = []
    words_at_once: list[float] = []
    for run in runs("slow disk", RUNS):
        async with api_of(sluggish) as api:
            began = time.monotonic()
            stories = [await api.start(words=run.chance.randint(80, 120), seed=seed) for seed in range(STORIES)]
            assert time.monotonic() - began > STORIES * SYNC_SECONDS, "the disk is not slow"
            observers = [[Observer(story, [door]) for door in all_doors(sluggish)] for story in stories]
            async with watching(each for group in observers for each in group):
                pass

            for group in observers:
                await check_watched(api, group)
                assert 1 == len(claims(group[0]))
                words_at_once.append(words_of(group[0]) / bodies(group[0]).count("text_delta"))
                delays.append(seconds_of_writing(group[0]) / (words_of(group[0]) / PACE))
    assert min(words_at_once) > FEWEST_WORDS_AT_ONCE
    assert max(delays) < MOST_DELAY
    record(
        section="Faults of the surroundings",
        what=f"a disk that takes {SYNC_SECONDS * 1000:g} ms for every sync; {STORIES} stories at a time, two workers",
        runs=len(delays) // STORIES,
        outcome="SUCCEEDED, 1…N exactly once, the same for all watchers; no lease lost",
        figures={
            "words to an event, at least": round(min(words_at_once), 1),
            "time to write, of what the author's pace allows, at most": f"{max(delays):.0%}",
        },
    )


def words_of(observer: Observer) -> int:
    """Return how many words the chapters have."""
    return sum(len(chapter.text.split()) for chapter in observer.responses[-1].story.chapters)


def seconds_of_writing(observer: Observer) -> float:
    """Return how long the chapters took."""
    finished = [event.stage_finished for event in observer.events if event.WhichOneof("body") == "stage_finished"]
    return sum(stage.elapsed.ToNanoseconds() / 1e9 for stage in finished if stage.stage.startswith("write-"))
