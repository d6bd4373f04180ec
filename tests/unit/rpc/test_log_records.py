"""A generation's events as lines of its log."""

from __future__ import annotations

from typing import Any

import pytest

from fabula.api.generation.v1.generation_pb2 import Event, LogLevel, LogLine, Progress
from fabula.rpc.log_records import LEVELS, LINE_BODIES, matters, record_of

SILENT = {"advanced", "text_delta", "preview", "snapshot", "reset", "waiting"}
"""Bodies that are no lines."""


def line(**body: Any) -> tuple[str, str, str]:
    """Return level, stage and message of an event during the stage write-1."""
    record = record_of(Event(sequence=7, run=2, progress=Progress(stage="write-1"), **body))
    assert record is not None
    assert (7, 2) == (record.sequence, record.run)
    return record.level, record.stage, record.message


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"accepted": {"kind": "story"}}, ("INFO", "write-1", "accepted")),
        ({"claimed": {"worker": "w", "attempt": 1}}, ("INFO", "write-1", "taken by worker w")),
        ({"claimed": {"worker": "w", "attempt": 2}}, ("WARNING", "write-1", "taken by worker w, attempt 2")),
        ({"released": {"worker": "w", "reason": "bye"}}, ("WARNING", "write-1", "handed back by worker w: bye")),
        ({"stage_started": {"stage": "edit"}}, ("INFO", "edit", "edit begins")),
        ({"stage_started": {"stage": "edit", "agents": ["A", "B"]}}, ("INFO", "edit", "edit begins, by A, B")),
        ({"stage_restarted": {"stage": "edit", "reason": "r"}}, ("WARNING", "edit", "edit begins again: r")),
        ({"log_line": {"message": "m"}}, ("INFO", "write-1", "m")),
        ({"log_line": {"message": "a\nb", "level": LogLevel.LOG_LEVEL_ERROR}}, ("ERROR", "write-1", "a b")),
        ({"retried": {"from_stage": "edit"}}, ("INFO", "write-1", "run 2 begins with edit")),
        (
            {"failed": {"failure": {"code": "C", "message": "m"}, "stage": "edit"}},
            ("ERROR", "edit", "failed: m [C]"),
        ),
    ],
)
def test_what_happens_is_told_in_a_line(body: dict[str, Any], expected: tuple[str, str, str]) -> None:
    """With the stage it is about, and how important it is."""
    assert expected == line(**body)


def test_a_finished_stage_tells_how_long_it_took() -> None:
    """And what it did, where it counts."""
    event = Event(sequence=1)
    event.stage_finished.stage, event.stage_finished.units = "edit", 40
    event.stage_finished.elapsed.FromMilliseconds(2_040)
    record = record_of(event)

    assert record is not None
    assert "edit finished in 2.0 s, 40 units" == record.message


def test_every_body_is_a_line_or_known_to_be_none() -> None:
    """A new kind of event has to be decided on."""
    bodies = {field.name for field in Event.DESCRIPTOR.oneofs_by_name["body"].fields}

    assert bodies == LINE_BODIES | SILENT
    assert not LINE_BODIES & SILENT


@pytest.mark.parametrize("body", sorted(SILENT))
def test_what_is_no_line_is_none(body: str) -> None:
    """Text, progress and what is not part of the log."""
    event = Event()
    getattr(event, body).SetInParent()

    assert record_of(event) is None


def test_levels_are_ordered() -> None:
    """Who asks for warnings gets errors as well."""
    record = record_of(Event(log_line=LogLine(message="m", level=LogLevel.LOG_LEVEL_WARNING)))

    assert record is not None
    assert [True, True, True, False] == [matters(record, least) for least in ("", *LEVELS)]
