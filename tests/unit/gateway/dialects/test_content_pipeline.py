from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings

from fabula.api.story.v1 import story_pb2
from fabula.engine.states import Command
from fabula.rpc.kinds import STORY
from fabula.rpc.summaries import Summaries
from gateway.dialects.content_pipeline import CONTENT_PIPELINE, result_of
from services.story.markdown import render
from tests.unit.gateway.dialects import plays
from tests.unit.gateway.dialects.scenes import Scene
from tests.unit.gateway.dialects.telling import by_run, recorded, told
from tests.unit.gateway.dialects.wander import STORIES, scenes

ID = "story-00000000-0000-4000-8000-000000000001"
DRAFT = "# The Lamp\n\n## 1. Part 1\n\nRaw text 1.\n\n## 2. Part 2\n\nRaw text 2.\n"
OUTPUT = "# The Lamp\n\n## 1. Part 1\n\nText 1.\n\n## 2. Part 2\n\nText 2.\n"


def stages(entries: Any) -> list[tuple[str, str, int]]:
    """Return event, stage and progress of all that is told before the last event."""
    payloads = told(CONTENT_PIPELINE, entries)
    return [(each.event, each.data["stage"], each.data["progress"]) for each in payloads if "progress" in each.data]


def result(scene: Scene) -> Any:
    """Return what the blocking call makes of a scene."""
    response = story_pb2.GetGenerationResponse(
        generation=Summaries(STORY, scene.codec, None).message(scene.id, scene.log[0], scene.last)  # type: ignore[arg-type] # unused
    )
    response.story.CopyFrom(scene.folded().response.story)
    return result_of(response)


def test_a_run_to_the_letter() -> None:
    """Every event, with exactly the contract's fields."""
    scene = Scene(plays.story(2, 1)).claim().work().succeed()
    metadata = {
        "generation_id": ID,
        "title": "The Lamp",
        "genre": "mystery",
        "word_count": 4,
        "chapters": 2,
        "attempts": 2,
        "validated": True,
        "issues": [],
        "model": "grammar/1",
        "seed": 7,
        "elapsed_seconds": 24.0,
    }

    assert [
        ("progress", {"stage": "load_prompts", "message": "Doing load_prompts", "progress": 10}),
        ("progress", {"stage": "generator", "message": "Doing outline", "progress": 30}),
        ("draft", {"stage": "generator", "message": "The draft is written", "progress": 50, "draft": DRAFT}),
        ("progress", {"stage": "formatter", "message": "Doing edit-1", "progress": 60}),
        ("progress", {"stage": "validator", "message": "Doing review-1", "progress": 80}),
        ("progress", {"stage": "retry", "message": "Doing revise-1", "progress": 85}),
        ("progress", {"stage": "done", "message": "The text is complete", "progress": 100}),
        ("complete", {"success": True, "output": OUTPUT, "metadata": metadata}),
    ] == [(payload.event, payload.data) for payload in told(CONTENT_PIPELINE, scene.entries)]


def test_a_failure_to_the_letter() -> None:
    """The bar ends, and the error says what and where."""
    scene = Scene(plays.story(2)).claim().work("write-1").begin().fail()

    assert [
        ("progress", {"stage": "fail", "message": "The model needs more memory.", "progress": 100}),
        (
            "error",
            {"message": "The model needs more memory.", "stage": "generator", "code": "MODEL_OUT_OF_MEMORY"},
        ),
    ] == [(payload.event, payload.data) for payload in told(CONTENT_PIPELINE, scene.entries)[-2:]]


def test_a_cancel_is_an_error() -> None:
    """The contract knows only success and failure."""
    payloads = told(CONTENT_PIPELINE, recorded("cancelled"))

    assert [
        {"stage": "fail", "message": "The generation was cancelled.", "progress": 100},
        {"message": "The generation was cancelled.", "stage": "generator", "code": "CANCELLED"},
    ] == [payload.data for payload in payloads[-2:]]


@pytest.mark.parametrize(("rejected", "expected"), [(1, [85]), (2, [85, 87]), (5, [85, 87, 89, 91, 93])])
def test_each_new_attempt_is_told_once(rejected: int, expected: list[int]) -> None:
    """Between 85 and 95; formatting and checking again are part of it, so that the bar never goes back."""
    scene = Scene(plays.story(1, rejected)).claim().work().succeed()

    assert expected == [progress for _, stage, progress in stages(scene.entries) if stage == "retry"]


def test_recorded_histories_are_told_stage_by_stage() -> None:
    """A real revision, and a real retry from the plan: the second run tells its own draft."""
    plain = [
        ("progress", "load_prompts", 10),
        ("progress", "generator", 30),
        ("draft", "generator", 50),
        ("progress", "formatter", 60),
        ("progress", "validator", 80),
    ]
    done = ("progress", "done", 100)

    assert [*plain, ("progress", "retry", 85), done] == stages(recorded("revised"))
    assert [*plain, done] == stages(recorded("restarted"))
    assert [*plain[:2], ("progress", "fail", 100), *plain[1:], done] == stages(recorded("retried_earlier"))
    draft = next(each for each in told(CONTENT_PIPELINE, recorded("retried_earlier")) if each.event == "draft")
    assert ("## 1. ", "## 2. ") == tuple(draft.data["draft"][at : at + 6] for at in _headings(draft.data["draft"]))


def _headings(draft: str) -> list[int]:
    return [at for at in range(len(draft)) if draft.startswith("## ", at)]


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        ("read_source", [("load_prompts", 10), ("generator", 30), ("generator", 50), ("formatter", 60)]),
        ("outline", [("generator", 30), ("generator", 50), ("formatter", 60)]),
        ("write-2", [("generator", 30), ("generator", 50), ("formatter", 60)]),
        ("edit-1", [("generator", 50), ("formatter", 60)]),
        ("revise-1", [("generator", 50), ("retry", 85)]),
        ("review-2", [("generator", 50), ("retry", 85)]),
        ("keep", [("done", 100)]),
    ],
)
def test_a_retry_begins_with_the_stage_that_it_is_at(first: str, expected: list[tuple[str, int]]) -> None:
    """And tells each that follows once; before it the draft, where one is worked on, for who was not there."""
    scene = Scene(plays.story(2, 1)).claim().work("review-2").begin().fail()
    before = len(stages(scene.entries))
    scene.ask(Command.RETRY, first).claim().work().succeed()

    assert expected == [(stage, number) for _, stage, number in stages(scene.entries)[before:]][: len(expected)]


@settings(max_examples=20, deadline=None)
@given(scenes(STORIES))
def test_progress_goes_forward_within_a_run(scene: Scene) -> None:
    """Each stage once, in the contract's range; the draft is all that the writer has put out."""
    for run in by_run(CONTENT_PIPELINE, scene.entries):
        rows = [(each.data["stage"], each.data["progress"]) for each in run if "progress" in each.data]
        assert all(before < after for (_, before), (_, after) in pairwise(rows))
        ranges = {"generator": (30, 50), "retry": (85, 95), "load_prompts": (10, 10), "formatter": (60, 60)}
        ranges |= {"validator": (80, 80), "done": (100, 100), "fail": (100, 100)}
        assert all(ranges[stage][0] <= number <= ranges[stage][1] for stage, number in rows)
        drafts = [each.data["draft"] for each in run if each.event == "draft"]
        outputs = scene.play.outputs
        written = [outputs[name] for name in outputs if name.startswith("write-")]
        assert drafts in ([], [render(plays.TITLE, written)])  # type: ignore[arg-type] # the outputs are chapters


@settings(max_examples=20, deadline=None)
@given(scenes(STORIES))
def test_who_waits_gets_what_the_stream_ends_with(scene: Scene) -> None:
    """The blocking answer and the last event are the same."""
    assert told(CONTENT_PIPELINE, scene.entries)[-1] == result(scene)


def test_a_new_plan_with_fewer_chapters_leaves_none_of_the_old_ones() -> None:
    """A retry may begin with the outline: what was written for the old one is void."""
    scene = Scene(plays.story(3)).claim().work("write-2").begin().fail().ask(Command.RETRY, "outline")
    scene.play = plays.story(1)
    scene.claim().work()

    drafts = [each.data["draft"] for each in told(CONTENT_PIPELINE, scene.entries) if each.event == "draft"]
    assert ["# The Lamp\n\nRaw text 1.\n"] == drafts


def test_there_is_no_result_while_it_runs() -> None:
    """Who waits has to wait."""
    assert result(Scene(plays.story()).claim()) is None


def test_a_folded_log_brings_the_draft_where_there_is_one() -> None:
    """Then the stage that it is at; from there the fold goes on."""
    scene = Scene(plays.story(2)).claim().work("write-1")
    assert [("progress", "generator", 30)] == stages([scene.folded()])

    translator = CONTENT_PIPELINE.translator(ID)
    translator.payloads(scene.folded("the log was cut"))
    scene.work("write-2")
    assert [DRAFT] == [each.data["draft"] for each in translator.payloads(scene.entries[-1])]

    scene.work("edit-1").begin()
    assert [("draft", "generator", 50), ("progress", "validator", 80)] == stages([scene.folded("ahead")])

    scene.work().succeed()
    assert [("progress", "done", 100)] == stages([scene.folded()])
