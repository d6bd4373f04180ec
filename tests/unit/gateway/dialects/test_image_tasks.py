from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings

from fabula.engine.states import Command
from gateway.dialects.image_tasks import KEEP_ALIVE, ImageTasks
from tests.unit.gateway.dialects import plays
from tests.unit.gateway.dialects.scenes import Scene
from tests.unit.gateway.dialects.telling import by_run, data_of
from tests.unit.gateway.dialects.wander import IMAGES, scenes

TASK = ImageTasks("task_1")


def brief(entries: Any) -> list[tuple[Any, ...]]:
    """Return what each message says of how far it is."""
    keys = ("status", "current_step", "total_steps", "percentage", "current_stage", "message")
    return [tuple(data.get(key) for key in keys) for data in data_of(TASK, entries)]


def painting(base: int, refiner: int) -> Scene:
    """Return a scene in which all steps are done."""
    scene = Scene(plays.image(base, refiner)).claim().work("encode_prompt").begin()
    for step in range(1, base + 1):
        scene.advance(step, base + refiner)
    scene.finish()
    if refiner:
        scene.begin()
        for step in range(base + 1, base + refiner + 1):
            scene.advance(step, base + refiner)
        scene.finish()
    return scene


def test_a_step_to_the_letter() -> None:
    """Exactly the contract's fields, in its order."""
    scene = painting(40, 10)
    at_step = next(each for each in scene.entries if each.response.event.advanced.step == 32)

    assert [
        ("type", "progress"),
        ("task_id", "task_1"),
        ("status", "generating"),
        ("current_step", 32),
        ("total_steps", 50),
        ("percentage", 64.0),
        ("current_stage", "base_model"),
        ("elapsed_time", 36.0),
        ("estimated_remaining", 0.0),
        ("message", "Painting"),
        ("timestamp", "2026-01-01T00:00:36.007Z"),
    ] == list(data_of(TASK, [at_step])[0].items())


def test_steps_count_over_both_models() -> None:
    """One message for each step; the hand-over is no step, and what follows the last is told by the end."""
    scene = painting(3, 2).work().say("a line").succeed()

    assert [
        ("queued", 0, 0, 0.0, "base_model", "Waiting for a worker"),
        ("generating", 0, 0, 0.0, "base_model", "Beginning"),
        ("generating", 0, 0, 0.0, "base_model", "Reading the prompt"),
        ("generating", 0, 5, 0.0, "base_model", "Painting"),
        ("generating", 1, 5, 20.0, "base_model", "Painting"),
        ("generating", 2, 5, 40.0, "base_model", "Painting"),
        ("generating", 3, 5, 60.0, "base_model", "Painting"),
        ("generating", 4, 5, 80.0, "refiner_model", "Refining"),
        ("generating", 5, 5, 100.0, "refiner_model", "Refining"),
        ("completed", 5, 5, 100.0, "refiner_model", "The picture is painted"),
    ] == brief(scene.entries)


def test_without_refinement_the_base_model_does_all_steps() -> None:
    """To the last one."""
    scene = painting(3, 0).work().succeed()

    assert [
        ("generating", 3, 3, 100.0, "base_model", "Painting"),
        ("completed", 3, 3, 100.0, "base_model", "The picture is painted"),
    ] == brief(scene.entries)[-2:]


def test_a_failure_to_the_letter() -> None:
    """A shape of its own."""
    scene = Scene(plays.image()).claim().begin().fail()

    assert {
        "type": "progress",
        "task_id": "task_1",
        "status": "failed",
        "error": "The model needs more memory.",
        "message": "The picture could not be painted",
    } == data_of(TASK, scene.entries)[-1]


def test_waiting_pausing_and_cancelling_show_in_the_status() -> None:
    """The steps stay where they are; what is asked for shows when it is carried out."""
    scene = Scene(plays.image(4, 1)).wait(2).claim().work("encode_prompt").begin().advance(2, 5)
    scene.ask(Command.PAUSE).obey().ask(Command.RESUME).claim().release().claim().ask(Command.CANCEL).obey()

    assert ("queued", 0, 0, 0.0, "base_model", "Waiting for a worker: 2 before this one") == brief(scene.entries)[1]
    assert [
        ("generating", 2, 5, 40.0, "base_model", "Painting"),
        ("paused", 2, 5, 40.0, "base_model", "Paused"),
        ("queued", 2, 5, 40.0, "base_model", "Waiting for a worker"),
        ("generating", 2, 5, 40.0, "base_model", "Painting"),
        ("queued", 2, 5, 40.0, "base_model", "Waiting for a worker"),
        ("generating", 2, 5, 40.0, "base_model", "Painting"),
        ("cancelled", 2, 5, 40.0, "base_model", "The generation was cancelled."),
    ] == brief(scene.entries)[-7:]


def test_a_stage_that_begins_again_counts_again() -> None:
    """And says why the count goes back."""
    scene = Scene(plays.image(4, 1)).claim().work("encode_prompt").begin().advance(2, 5).restart("it was interrupted")

    assert ("generating", 0, 5, 0.0, "base_model", "Starting over: it was interrupted") == brief(scene.entries)[-1]


def test_a_new_run_starts_over() -> None:
    """From the queue, and from the step at which the stage to be done again begins."""
    scene = painting(3, 2).begin().fail().ask(Command.RETRY, "refiner_model").claim().begin().advance(4, 5)

    assert [
        ("queued", 0, 0, 0.0, "base_model", "Waiting for a worker"),
        ("generating", 0, 0, 0.0, "base_model", "Beginning"),
        ("generating", 4, 5, 80.0, "refiner_model", "Refining"),
    ] == brief(scene.entries)[-3:]


def test_what_loads_the_model_is_told_before_the_first_step() -> None:
    """It may take long, and the picture has not begun."""
    scene = Scene(plays.image()).claim().begin().advance(message="Loading the model")

    assert ("generating", 0, 0, 0.0, "base_model", "Loading the model") == brief(scene.entries)[-1]


def test_a_pause_behind_the_last_step_counts_nothing() -> None:
    """Nobody knows then any more how many steps there were; the percentage says that all are done."""
    scene = painting(3, 2).begin().ask(Command.PAUSE).obey()

    assert ("paused", 0, 0, 100.0, "base_model", "Paused") == brief(scene.entries)[-1]


@settings(max_examples=20, deadline=None)
@given(scenes(IMAGES))
def test_steps_go_forward_within_a_run_unless_a_stage_begins_again(scene: Scene) -> None:
    """Counts are counts, and percentages follow from them."""
    for run in by_run(TASK, scene.entries):
        counted = [each.data for each in run if each.data.get("total_steps")]
        for before, after in pairwise(counted):
            assert before["current_step"] <= after["current_step"] or after["message"].startswith("Starting over")
        for data in counted:
            assert 0 <= data["current_step"] <= data["total_steps"]
            assert round(100 * data["current_step"] / data["total_steps"], 1) == data["percentage"]
            assert data["current_stage"] in ("base_model", "refiner_model")


def test_a_message_is_small() -> None:
    """About 200 bytes, with a task id as clients choose them."""
    dialect = ImageTasks("6f1c1d3e-6d1a-4a53-9a0b-0c8f8c1f2a77")
    sizes = [len(json.dumps(data, separators=(",", ":"))) for data in data_of(dialect, painting(40, 10).entries)]

    assert 300 > max(sizes)


def test_the_keep_alive_to_the_letter() -> None:
    """It is no progress."""
    assert {"type": "keep-alive"} == dict(KEEP_ALIVE)


def test_a_task_without_an_id_of_its_own_is_called_by_the_generations() -> None:
    """So that a picture can be watched that was started elsewhere."""
    scene = Scene(plays.image())

    assert str(scene.id) == data_of(ImageTasks(), scene.entries)[0]["task_id"]


@pytest.mark.parametrize("reset", ["", "the cursor is ahead of the log"])
def test_a_folded_log_tells_where_it_stands(reset: str) -> None:
    """One message, as a watcher had it last."""
    scene = painting(3, 2)
    for length in (1, 2, 7, len(scene.log)):
        folded = [scene.folded(reset, length)]
        at_length = [each for each in scene.entries if each.sequence == length]
        assert brief(at_length) in (brief(folded), [])
    assert brief(painting(3, 2).work().succeed().entries)[-1:] == brief([painting(3, 2).work().succeed().folded(reset)])
