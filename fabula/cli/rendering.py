"""How things read: times, states, lists, outlines and reviews. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from fabula.api.generation.v1.generation_pb2 import Generation, PendingRequest, Progress, State

STATE_STYLES = {
    "queued": "blue",
    "running": "cyan",
    "paused": "yellow",
    "succeeded": "green",
    "failed": "red",
    "cancelled": "magenta",
}


def clock(seconds: float) -> str:
    """Return a length of time as a clock shows it: `0:07`, `12:30`, `1:02:03`."""
    whole = max(0, round(seconds))
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def duration(seconds: float) -> str:
    """Return a length of time in words: `0.3 s`, `42 s`, `2 min 5 s`, `1 h 2 min`."""
    if seconds < 9.95:
        return f"{max(0.0, seconds):.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def remaining(progress: Progress, passed: float = 0.0) -> str:
    """Return the time left as an interval; "unknown" where it is not known.

    Args:
        progress: What is known.
        passed: Seconds since it was known.
    """
    if not progress.HasField("remaining_p50"):
        return "unknown"
    low = clock(progress.remaining_p50.ToTimedelta().total_seconds() - passed)
    high = clock(progress.remaining_p90.ToTimedelta().total_seconds() - passed)
    return low if low == high else f"{low}–{high}"


def state_name(state: State.ValueType) -> str:
    """Return a state in lower case: `running`."""
    return State.Name(state).removeprefix("STATE_").lower()


def state_number(name: str) -> State.ValueType:
    """Return the state of this name. Raises `KeyError`."""
    return State.Value(f"STATE_{name.upper()}")


def standing(generation: Generation) -> str:
    """Return where a generation stands, in a word or two."""
    name = state_name(generation.state)
    match generation.pending_request:
        case PendingRequest.PENDING_REQUEST_CANCEL:
            return f"{name}, being cancelled"
        case PendingRequest.PENDING_REQUEST_PAUSE:
            return f"{name}, being paused"
        case _:
            return name


def age(moment: datetime, now: datetime) -> str:
    """Return how long ago something was, in one unit: `5 s ago`, `3 h ago`."""
    seconds = max(0, int((now - moment).total_seconds()))
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def created(generation: Generation) -> datetime:
    """Return when a generation was accepted."""
    return generation.create_time.ToDatetime(tzinfo=UTC)


def outline_lines(outline: Any) -> Iterator[str]:
    """Yield an outline, in Markdown."""
    yield f"# {outline.title}"
    yield ""
    yield outline.logline
    yield ""
    for name, value in (("Genre", outline.genre), ("Setting", outline.setting), ("Theme", outline.theme)):
        if value:
            yield f"- {name}: {value}"
    for person in outline.cast:
        yield f"- {person.name}: {person.description}" if person.description else f"- {person.name}"
    for chapter in outline.chapters:
        yield ""
        yield f"## {chapter.number}. {chapter.title}"
        yield ""
        yield f"{chapter.summary} (about {chapter.words} words)"


def review_lines(reviews: Any) -> Iterator[str]:
    """Yield what the critic said, in Markdown."""
    for number, review in enumerate(reviews, 1):
        if number > 1:
            yield ""
        yield f"# Review {number}: {'accepted' if review.accepted else 'to be revised'}"
        if not review.findings:
            yield ""
            yield "Nothing was found wrong."
        for finding in review.findings:
            where = f"chapter {finding.chapter}" if finding.chapter else "whole story"
            yield f"- {finding.check}, {where}: {finding.reason}"
