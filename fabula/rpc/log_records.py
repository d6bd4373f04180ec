"""A generation's events as lines of a log: what people read who want to know what goes on. Pure.

A stage's own lines, and what becomes of the work: who took it, which stages began, ended or began again, how it ended.
Text, progress and previews are no lines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fabula.api.gateway.v1.gateway_pb2 import LogRecord
from fabula.api.generation.v1.generation_pb2 import Event, LogLevel

INFO, WARNING, ERROR = "INFO", "WARNING", "ERROR"

LEVELS = (INFO, WARNING, ERROR)
"""How important a line is, the least important first."""

_LEVELS = {LogLevel.LOG_LEVEL_WARNING: WARNING, LogLevel.LOG_LEVEL_ERROR: ERROR}

Words = Callable[[Event, Any], tuple[str, str]]
"""What a body says: level and message."""


def record_of(event: Event) -> LogRecord | None:
    """Return the line that an event is; None for one that is none."""
    name = event.WhichOneof("body")
    words = _WORDS.get(name or "")
    if words is None or name is None:
        return None
    body = getattr(event, name)
    level, message = words(event, body)
    stage = getattr(body, "stage", "") or event.progress.stage
    record = LogRecord(sequence=event.sequence, level=level, stage=stage, message=_one_line(message), run=event.run)
    record.time.CopyFrom(event.time)
    return record


def matters(record: LogRecord, least: str) -> bool:
    """Say whether a line is at least this important; empty: any is."""
    return not least or LEVELS.index(record.level) >= LEVELS.index(least)


def _one_line(message: str) -> str:
    return " ".join(message.split("\n")) if "\n" in message else message


def _claimed(_event: Event, body: Any) -> tuple[str, str]:
    if body.attempt > 1:
        return WARNING, f"taken by worker {body.worker}, attempt {body.attempt}"
    return INFO, f"taken by worker {body.worker}"


def _started(_event: Event, body: Any) -> tuple[str, str]:
    agents = f", by {', '.join(body.agents)}" if body.agents else ""
    return INFO, f"{body.stage} begins{agents}"


def _finished(_event: Event, body: Any) -> tuple[str, str]:
    units = f", {body.units} units" if body.units else ""
    return INFO, f"{body.stage} finished in {body.elapsed.ToMilliseconds() / 1000:.1f} s{units}"


def _failed(_event: Event, body: Any) -> tuple[str, str]:
    return ERROR, f"failed: {body.failure.message} [{body.failure.code}]"


def _says(message: str) -> Words:
    return lambda _event, _body: (INFO, message)


_WORDS: dict[str, Words] = {
    "accepted": _says("accepted"),
    "claimed": _claimed,
    "released": lambda _, body: (WARNING, f"handed back by worker {body.worker}: {body.reason}"),
    "stage_started": _started,
    "stage_finished": _finished,
    "stage_restarted": lambda _, body: (WARNING, f"{body.stage} begins again: {body.reason}"),
    "log_line": lambda _, body: (_LEVELS.get(body.level, INFO), body.message),
    "cancel_requested": _says("cancel asked for"),
    "pause_requested": _says("pause asked for"),
    "paused": _says("paused"),
    "resumed": _says("goes on"),
    "retried": lambda event, body: (INFO, f"run {event.run} begins with {body.from_stage or 'the stage that failed'}"),
    "succeeded": _says("finished"),
    "failed": _failed,
    "cancelled": _says("cancelled"),
}

LINE_BODIES = frozenset(_WORDS)
"""Names of the bodies that are lines."""
