"""Logs that were recorded from the real service are read today as they were then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fabula.engine.events import (
    Accepted,
    Advanced,
    Body,
    Event,
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
from services.story.domain import Cast
from tests.golden import CODECS, FOLDER, kind_of, load, summary
from tests.log_rules import assert_cuts, assert_rules

HISTORIES = sorted(path for path in FOLDER.glob("*.json") if not path.name.endswith(".snapshot.json"))


def codec_of(path: Path) -> ProtoCodec:
    """Return today's codec for a recorded log."""
    return CODECS[kind_of(path)]


def decoded(path: Path) -> list[Event]:
    """Return a recorded log as today's code reads it."""
    return [codec_of(path).decode(entry) for entry in load(path)]


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
        ("cast", ["Claimed", "StageFinished load_characters", "Succeeded"]),
        ("character_success", ["Claimed", "StageFinished queue_avatar", "Succeeded"]),
        ("character_killed", ["Claimed", "Claimed", "StageFinished queue_avatar", "Succeeded"]),
        ("character_cancelled", ["Claimed", "CancelRequested", "Cancelled"]),
        (
            "character_retried",
            ["Claimed", "Failed", "Retried upload_image", "Claimed", "StageFinished queue_avatar", "Succeeded"],
        ),
    ],
)
def test_history_tells_what_it_is_named_for(name: str, happened: list[str]) -> None:
    """Each recording is there, and shows the turns that its name promises."""
    log = decoded(FOLDER / f"{name}.json")

    assert happened == [turn for event in log if (turn := _turn(event.body))]


def _turn(body: Body) -> str:
    """Return what an event means for the course of a generation; nothing for what every stage does."""
    match body:
        case Retried(from_stage=stage) | StageRestarted(stage=stage):
            return f"{type(body).__name__} {stage}"
        case StageFinished(stage=stage) if stage in {"queue_avatar", "load_characters"}:
            return f"StageFinished {stage}"
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
    log = decoded(path)

    snapshot = assert_rules(log)

    assert json.loads(path.with_suffix(".snapshot.json").read_text()) == json.loads(json.dumps(summary(snapshot)))


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_history_may_be_cut_anywhere(path: Path) -> None:
    """Who joins with a snapshot and reads on sees the same as who was there from the beginning."""
    assert_cuts(decoded(path))


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_history_is_written_as_it_is_read(path: Path) -> None:
    """No field of a recorded event is forgotten by today's codec."""
    codec = codec_of(path)
    for entry in load(path):
        event = codec.decode(entry)
        response = codec._response()
        response.ParseFromString(entry.data)
        again = codec._response()
        again.ParseFromString(codec.encode(GenerationId(response.event.generation_id), event).data)
        assert response == again, f"event {event.sequence}"


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_history_can_be_shown_as_a_snapshot_at_every_moment(path: Path) -> None:
    """A watcher that asks for a snapshot gets one, wherever the log stands."""
    codec, log = codec_of(path), decoded(path)
    for length in range(1, len(log) + 1, 7):
        snapshot = fold(log[:length])
        response = codec._response()
        response.ParseFromString(codec.encode_snapshot(GenerationId("any-1"), snapshot))
        assert length == response.event.sequence
        assert set(snapshot.stages) == {stage.stage for stage in response.event.snapshot.stages}


def test_people_of_the_library_are_read_with_all_that_was_known_of_them() -> None:
    """A story that took characters by their ids can be told again without the library."""
    outputs = [event.body.output for event in decoded(FOLDER / "cast.json") if isinstance(event.body, StageFinished)]
    cast = next(output for output in outputs if isinstance(output, Cast))

    assert [True, True] == [person.id.startswith("character-") for person in cast.characters]
    assert "Ottilie" == cast.characters[1].name
    assert all(person.description and person.looks and person.history for person in cast.characters)
