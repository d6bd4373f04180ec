from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings

from fabula.engine.states import Command
from gateway.dialects.story_rooms import STORY_ROOMS
from tests.unit.gateway.dialects import plays
from tests.unit.gateway.dialects.scenes import Scene
from tests.unit.gateway.dialects.telling import by_run, recorded, told
from tests.unit.gateway.dialects.wander import STORIES, scenes

ID = "story-00000000-0000-4000-8000-000000000001"
START, PROGRESS, COMPLETE, ERROR = (f"story:processing:{word}" for word in ("start", "progress", "complete", "error"))


def brief(entries: Any) -> list[Any]:
    """Return the last word of each event's name, with its step where it has one."""
    payloads = told(STORY_ROOMS, entries)
    return [" ".join((each.event.rpartition(":")[2], each.data.get("step", ""))).rstrip() for each in payloads]


def test_a_story_to_the_letter() -> None:
    """Every event of a plain run, with exactly the contract's fields."""
    scene = Scene(plays.story(1, cast=True)).claim().work().succeed()
    text = "# The Lamp\n\n## 1. Part 1\n\nText 1.\n"

    assert [
        (START, {"storyId": ID, "step": "story_generation", "timestamp": "2026-01-01T00:00:00.000Z"}),
        (
            PROGRESS,
            {
                "storyId": ID,
                "progress": 25,
                "step": "reading_file",
                "message": "Doing read_source",
                "timestamp": "2026-01-01T00:00:04.007Z",
            },
        ),
        (
            PROGRESS,
            {
                "storyId": ID,
                "progress": 50,
                "step": "ai_processing",
                "message": "Doing outline",
                "timestamp": "2026-01-01T00:00:08.007Z",
            },
        ),
        (
            PROGRESS,
            {
                "storyId": ID,
                "progress": 75,
                "step": "saving_file",
                "message": "Doing keep",
                "timestamp": "2026-01-01T00:00:16.007Z",
            },
        ),
        (
            COMPLETE,
            {
                "storyId": ID,
                "generatedContent": text,
                "generatedWordCount": 2,
                "processingTime": 18000,
                "timestamp": "2026-01-01T00:00:18.007Z",
            },
        ),
    ] == [(payload.event, payload.data) for payload in told(STORY_ROOMS, scene.entries)]


def test_a_failure_to_the_letter() -> None:
    """What went wrong in a sentence, and at which step."""
    scene = Scene(plays.story()).claim().work("load_prompts").begin().fail()

    assert (
        ERROR,
        {
            "storyId": ID,
            "error": "The model needs more memory.",
            "step": "reading_file",
            "timestamp": "2026-01-01T00:00:05.007Z",
        },
    ) == (told(STORY_ROOMS, scene.entries)[-1].event, told(STORY_ROOMS, scene.entries)[-1].data)


@pytest.mark.parametrize(
    ("name", "events"),
    [
        ("success", ["start story_generation", "progress ai_processing", "progress saving_file", "complete"]),
        ("cancelled", ["start story_generation", "progress ai_processing", "error ai_processing"]),
        ("paused", ["start story_generation", "progress ai_processing", "progress saving_file", "complete"]),
        ("killed", ["start story_generation", "progress ai_processing", "progress saving_file", "complete"]),
        ("revised", ["start story_generation", "progress ai_processing", "progress saving_file", "complete"]),
        ("restarted", ["start story_generation", "progress ai_processing", "progress saving_file", "complete"]),
        ("poisoned", ["start story_generation", "progress ai_processing", "error ai_processing"]),
        (
            "retried",
            [
                "start story_generation",
                "progress reading_file",
                "error reading_file",
                "start story_generation",
                "progress reading_file",
                "progress ai_processing",
                "progress saving_file",
                "complete",
            ],
        ),
        (
            "retried_earlier",
            [
                "start story_generation",
                "progress ai_processing",
                "error ai_processing",
                "start story_generation",
                "progress ai_processing",
                "progress saving_file",
                "complete",
            ],
        ),
    ],
)
def test_recorded_histories_are_told_step_by_step(name: str, events: list[str]) -> None:
    """Each step once in a run, whatever comes between."""
    assert events == brief(recorded(name))


@pytest.mark.parametrize(
    ("first", "steps"),
    [
        ("load_prompts", ["reading_file", "ai_processing", "saving_file"]),
        ("read_source", ["reading_file", "ai_processing", "saving_file"]),
        ("load_characters", ["ai_processing", "saving_file"]),
        ("outline", ["ai_processing", "saving_file"]),
        ("write-2", ["ai_processing", "saving_file"]),
        ("review-1", ["ai_processing", "saving_file"]),
        ("keep", ["saving_file"]),
    ],
)
def test_a_retry_begins_with_the_step_that_it_is_at(first: str, steps: list[str]) -> None:
    """What is kept of the run before is not told again."""
    scene = Scene(plays.story(2, cast=True)).claim().work("review-1").begin().fail()
    before = len(told(STORY_ROOMS, scene.entries))
    scene.ask(Command.RETRY, first).claim().work().succeed()

    expected = ["start story_generation", *(f"progress {step}" for step in steps), "complete"]
    assert expected == brief(scene.entries)[before:]


@settings(max_examples=20, deadline=None)
@given(scenes(STORIES))
def test_each_run_starts_once_and_goes_forward(scene: Scene) -> None:
    """Start first, then steps that only grow, then at most one end."""
    for run in by_run(STORY_ROOMS, scene.entries):
        events = [payload.event for payload in run]
        numbers = [payload.data["progress"] for payload in run if payload.event == PROGRESS]
        assert START == events[0]
        assert 1 == events.count(START)
        assert all(before < after for before, after in pairwise(numbers))
        assert {(25, "reading_file"), (50, "ai_processing"), (75, "saving_file")} >= {
            (payload.data["progress"], payload.data["step"]) for payload in run if payload.event == PROGRESS
        }
        assert all(payload.data["generatedContent"] for payload in run if payload.event == COMPLETE)


def test_a_folded_log_tells_the_start_and_where_it_is() -> None:
    """Or only the end, once there is one."""
    scene = Scene(plays.story(2)).claim()
    assert ["start story_generation"] == brief([scene.folded()])

    scene.work("write-1")
    assert ["start story_generation", "progress ai_processing"] == brief([scene.folded("ahead of the log")])

    scene.work().succeed()
    assert ["complete"] == brief([scene.folded()])
