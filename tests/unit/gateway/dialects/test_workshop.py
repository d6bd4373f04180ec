from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given, settings

from fabula.api.generation.v1 import generation_pb2
from fabula.api.story.v1 import story_pb2
from fabula.engine.states import Command
from fabula.rpc.kinds import STORY
from fabula.rpc.summaries import Summaries
from gateway.dialects.standing import Standing, standing_of
from gateway.dialects.workshop import WORKSHOP, status_of, update_of
from tests.unit.gateway.dialects import plays
from tests.unit.gateway.dialects.scenes import Scene
from tests.unit.gateway.dialects.telling import by_run, data_of, recorded, told
from tests.unit.gateway.dialects.wander import STORIES, scenes

ID = "story-00000000-0000-4000-8000-000000000001"


def polled(scene: Scene, length: int | None = None) -> dict[str, Any]:
    """Return what the REST fallback says: of the first events of a log in short, of the whole with the story."""
    first, last = scene.log[0], scene.log[:length][-1]
    generation = Summaries(STORY, scene.codec, None).message(scene.id, first, last)  # type: ignore[arg-type] # unused
    story = None if length else scene.folded().response.story
    return status_of(story_pb2.GetGenerationResponse(generation=generation, story=story))


def shown(entries: Any) -> list[tuple[Any, ...]]:
    """Return what a person would read off each update."""
    keys = ("progress", "stage", "stage_detail", "active_agents")
    return [tuple(data[key] for key in keys) for data in data_of(WORKSHOP, entries)]


def test_an_update_to_the_letter() -> None:
    """Exactly the contract's fields, in its order."""
    delta = next(entry for entry in recorded("revised") if entry.sequence == 25)
    (payload,) = told(WORKSHOP, [delta])

    assert ("text_delta", "") == (delta.body, payload.event)
    assert [
        ("generation_id", "story-3158261c-1f9e-4bde-8c61-b6200c36f10b"),
        ("progress", 47.56),
        ("stage", "write-1"),
        ("stage_detail", "Writing chapter 1 of 1: Whose Map?"),
        ("estimated_time_remaining", 1),
        ("active_agents", ["Writer"]),
        ("timestamp", "2026-11-21T02:35:25.831Z"),
    ] == list(payload.data.items())


def test_a_story_from_its_start_to_its_end() -> None:
    """Whoever watches sees each stage, each agent and each word that moves the bar, and how it ended."""
    scene = Scene(plays.story(1, source=False)).wait(2).wait(0).claim()
    scene.work("write-1", "One two ", "three.").say("All is well.").work().succeed()

    assert [
        (0.0, "queued", "Waiting for a worker", []),
        (0.0, "queued", "Waiting for a worker: 2 before this one", []),
        (0.0, "queued", "Waiting for a worker: next in line", []),
        (0.0, "running", "Beginning", []),
        (0.0, "load_prompts", "Doing load_prompts", []),
        (2.94, "load_prompts", "Doing load_prompts", []),
        (2.94, "outline", "Doing outline", ["Planner"]),
        (61.76, "outline", "Doing outline", []),
        (61.76, "write-1", "Doing write-1", ["Writer"]),
        (67.65, "write-1", "Doing write-1", ["Writer"]),
        (70.59, "write-1", "Doing write-1", ["Writer"]),
        (91.18, "write-1", "Doing write-1", []),
        (91.18, "write-1", "Doing write-1", []),
        (91.18, "edit-1", "Doing edit-1", ["Editor"]),
        (94.12, "edit-1", "Doing edit-1", []),
        (94.12, "review-1", "Doing review-1", ["Critic"]),
        (97.06, "review-1", "Doing review-1", []),
        (97.06, "keep", "Doing keep", []),
        (99.9, "keep", "Doing keep", []),
        (100.0, "completed", "The story is complete", []),
    ] == shown(scene.entries)


def test_pauses_cancels_and_failures_show_in_stage_and_detail() -> None:
    """The contract has no other field for them."""
    scene = Scene(plays.story()).claim().begin().ask(Command.PAUSE).obey().ask(Command.RESUME)
    scene.claim().ask(Command.CANCEL).obey()
    failed = Scene(plays.story()).claim().begin().fail()

    assert [
        (0.0, "load_prompts", "Pausing", []),
        (0.0, "paused", "Paused", []),
        (0.0, "queued", "Waiting for a worker", []),
    ] == shown(scene.entries)[3:6]
    assert [
        (0.0, "load_prompts", "Cancelling", []),
        (0.0, "cancelled", "The generation was cancelled.", []),
    ] == shown(scene.entries)[-2:]
    assert (0.0, "failed", "The model needs more memory.", []) == shown(failed.entries)[-1]


@pytest.mark.parametrize(
    ("left", "told_left"),
    [({}, 0), ({"remainingP50": "0s"}, 0), ({"remainingP50": "0.001s"}, 1), ({"remainingP50": "61.2s"}, 62)],
)
def test_time_left_is_whole_seconds_and_0_where_nobody_knows(left: dict[str, str], told_left: int) -> None:
    """Rounded up: what is nearly done is not done."""
    event = generation_pb2.Event(state=generation_pb2.STATE_RUNNING, generation_id=ID)
    json_format.ParseDict(left, event.progress)
    over = replace(standing_of(event), state=generation_pb2.STATE_FAILED)

    assert (told_left, 0) == tuple(update_of(each)["estimated_time_remaining"] for each in (standing_of(event), over))


def test_a_new_run_starts_over() -> None:
    """A retry brings the bar back to the beginning; nothing else does."""
    entries = recorded("retried_earlier")
    runs = [[payload.data["progress"] for payload in run] for run in by_run(WORKSHOP, entries)]

    assert [[0.0, 60.53], [0.0, 100.0]] == [[run[0], run[-1]] for run in runs]


@settings(max_examples=20, deadline=None)
@given(scenes(STORIES))
def test_progress_never_goes_back_within_a_run(scene: Scene) -> None:
    """From 0 to 100, and 100 only at the end."""
    for run in by_run(WORKSHOP, scene.entries):
        numbers = [payload.data["progress"] for payload in run]
        assert all(before <= after for before, after in pairwise(numbers))
        assert all(0.0 <= number <= 100.0 for number in numbers)
        assert [run[-1].data["stage"] == "completed"] == [100.0 in numbers]


@settings(max_examples=20, deadline=None)
@given(scenes(STORIES))
def test_who_polls_sees_what_the_newest_update_said(scene: Scene) -> None:
    """Socket and REST fallback show the same state after every event."""
    stored = [entry for entry in scene.entries if entry.sequence]
    for length, entry in enumerate(stored, 1):
        seen = polled(scene, length)
        seen.pop("status")
        assert [seen] == data_of(WORKSHOP, [entry])


def test_the_rest_fallback_brings_the_story_once_it_is_complete() -> None:
    """Not before, and with all that a page shows of it."""
    scene = Scene(plays.story(2)).claim().work()
    before, after = polled(scene), polled(scene.succeed())

    assert ("running", False) == (before["status"], "story" in before)
    assert "completed" == after["status"]
    assert {
        "title": "The Lamp",
        "content": "# The Lamp\n\n## 1. Part 1\n\nText 1.\n\n## 2. Part 2\n\nText 2.\n",
        "word_count": 4,
        "genre": "mystery",
        "chapters": [
            {"number": 1, "title": "Part 1", "content": "Text 1."},
            {"number": 2, "title": "Part 2", "content": "Text 2."},
        ],
        "model": "grammar/1",
        "seed": 7,
    } == after["story"]


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("QUEUED", "queued"),
        ("RUNNING", "running"),
        ("PAUSED", "paused"),
        ("SUCCEEDED", "completed"),
        ("FAILED", "failed"),
        ("CANCELLED", "cancelled"),
        ("UNSPECIFIED", "running"),
    ],
)
def test_every_state_has_the_contracts_word(state: str, status: str) -> None:
    """Six words; a state of a newer service is work in progress."""
    number = generation_pb2.State.Value(f"STATE_{state}")
    content = status_of(story_pb2.GetGenerationResponse(generation=generation_pb2.Generation(id=ID, state=number)))

    assert (status, status) == (content["status"], content["stage"])


def test_an_update_of_nothing_is_whole() -> None:
    """Even an event without progress has every field."""
    standing: Standing = standing_of(generation_pb2.Event(generation_id=ID))

    assert {
        "generation_id": ID,
        "progress": 0.0,
        "stage": "running",
        "stage_detail": "Beginning",
        "estimated_time_remaining": 0,
        "active_agents": [],
        "timestamp": "1970-01-01T00:00:00.000Z",
    } == update_of(standing)
