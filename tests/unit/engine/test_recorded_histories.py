"""Logs that were recorded from the real service are read today as they were then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fabula.engine.events import (
    Accepted,
    Advanced,
    Body,
    LogLine,
    Retried,
    StageFinished,
    StageRestarted,
    StageStarted,
    TextDelta,
)
from fabula.engine.history import fold
from fabula.engine.ports import GenerationId
from fabula.rpc.codec import ProtoCodec
from fabula.rpc.kinds import STORY
from services.story.codec import StoryCodec
from tests.golden import FOLDER, load, summary
from tests.log_rules import assert_cuts, assert_rules

CODEC = ProtoCodec(STORY, StoryCodec())
HISTORIES = sorted(path for path in FOLDER.glob("*.json") if not path.name.endswith(".snapshot.json"))


@pytest.mark.parametrize(
    ("name", "happened"),
    [
        ("success", ["Claimed", "Succeeded"]),
        ("cancelled", ["Claimed", "CancelRequested", "Cancelled"]),
        ("paused", ["Claimed", "PauseRequested", "Paused", "Resumed", "Claimed", "Succeeded"]),
        ("killed", ["Claimed", "Claimed", "Succeeded"]),
        ("handed_back", ["Claimed", "Released", "Claimed", "Succeeded"]),
        ("retried", ["Claimed", "Failed", "Retried read_source", "Claimed", "Succeeded"]),
        ("retried_earlier", ["Claimed", "Failed", "Retried outline", "Claimed", "Succeeded"]),
        ("revised", ["Claimed", "StageStarted revise-1", "Succeeded"]),
        ("restarted", ["Claimed", "tried again", "StageRestarted write-1", "Succeeded"]),
        ("poisoned", ["Claimed", "Claimed", "Claimed", "Claimed", "Failed"]),
        ("host_killed", ["Claimed", "tried again", "Succeeded"]),
    ],
)
def test_history_tells_what_it_is_named_for(name: str, happened: list[str]) -> None:
    """Each recording is there, and shows the turns that its name promises."""
    log = [CODEC.decode(entry) for entry in load(FOLDER / f"{name}.json")]

    assert happened == [turn for event in log if (turn := _turn(event.body))]


def _turn(body: Body) -> str:
    """Return what an event means for the course of a generation; nothing for what every stage does."""
    match body:
        case Retried(from_stage=stage) | StageRestarted(stage=stage):
            return f"{type(body).__name__} {stage}"
        case StageStarted(stage=stage) if stage.startswith("revise"):
            return f"StageStarted {stage}"
        case LogLine(message=message):
            return "tried again" if "is tried again" in message else ""
        case Accepted() | StageStarted() | Advanced() | TextDelta() | StageFinished():
            return ""
        case _:
            return type(body).__name__


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_history_keeps_the_rules_and_folds_as_recorded(path: Path) -> None:
    """Every rule of the log holds, and the fold says what it said when the log was recorded."""
    log = [CODEC.decode(entry) for entry in load(path)]

    snapshot = assert_rules(log)

    assert json.loads(path.with_suffix(".snapshot.json").read_text()) == json.loads(json.dumps(summary(snapshot)))


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_history_may_be_cut_anywhere(path: Path) -> None:
    """Who joins with a snapshot and reads on sees the same as who was there from the beginning."""
    assert_cuts([CODEC.decode(entry) for entry in load(path)])


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_history_is_written_as_it_is_read(path: Path) -> None:
    """No field of a recorded event is forgotten by today's codec."""
    for entry in load(path):
        event = CODEC.decode(entry)
        response = CODEC._response()
        response.ParseFromString(entry.data)
        again = CODEC._response()
        again.ParseFromString(CODEC.encode(GenerationId(response.event.generation_id), event).data)
        assert response == again, f"event {event.sequence}"


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_history_can_be_shown_as_a_snapshot_at_every_moment(path: Path) -> None:
    """A watcher that asks for a snapshot gets one, wherever the log stands."""
    log = [CODEC.decode(entry) for entry in load(path)]
    for length in range(1, len(log) + 1, 7):
        snapshot = fold(log[:length])
        response = CODEC._response()
        response.ParseFromString(CODEC.encode_snapshot(GenerationId("story-1"), snapshot))
        assert length == response.event.sequence
        assert set(snapshot.stages) == {stage.stage for stage in response.event.snapshot.stages}
