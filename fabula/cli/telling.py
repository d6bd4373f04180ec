"""What a watcher is told of each event, in order: headings, pieces of text, remarks. Pure; it knows no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from fabula.api.generation.v1.generation_pb2 import LogLevel
from fabula.cli.rendering import duration


@dataclass(frozen=True, slots=True)
class Remark:
    """A line about the work.

    Attributes:
        text: The line.
        level: "info", "warning", "error" or "good".
        detail: Whether only those want to know who see no progress bar.
    """

    text: str
    level: str = "info"
    detail: bool = False


@dataclass(frozen=True, slots=True)
class Heading:
    """The heading of the text that follows."""

    text: str


@dataclass(frozen=True, slots=True)
class Passage:
    """The next piece of the text."""

    text: str


Item = Remark | Heading | Passage


class Teller:
    """Turns a generation's events into what its watcher is told. Remembers what it needs from event to event.

    What all kinds have in common; a kind that has more to say has a class of its own.
    """

    def __init__(self) -> None:
        self._writing = ""
        self._tenth = 0

    def tell(self, response: Any) -> Iterator[Item]:
        """Yield what a WatchProgressResponse brings."""
        event = response.event
        kind = event.WhichOneof("body")
        if kind in _SIMPLE:
            yield _SIMPLE[kind](event, getattr(event, kind))
            return
        match kind:
            case "stage_started":
                yield self._started(event.stage_started, event.progress)
            case "stage_restarted":
                self._writing = ""
                yield Remark(f"{event.stage_restarted.stage} begins again: {event.stage_restarted.reason}", "warning")
            case "text_delta":
                yield from self._text(event.text_delta)
            case "stage_finished":
                yield self.finished(response, event.stage_finished)
            case "advanced":
                yield from self._advanced(event.progress)
            case "snapshot":
                yield from self._so_far(event.snapshot)
            case "reset":
                yield Remark(f"Starting over: {event.reset.reason}", "warning")
                yield from self._so_far(event.reset.snapshot)
            case _:
                yield from self._turned(kind, response)

    def heading(self, stage: str) -> str:
        """Return the heading of a stage's text."""
        return stage

    def finished(self, _response: Any, body: Any) -> Item:
        """Return what is told when a stage is finished."""
        return Remark(f"{body.stage} finished ({took(body)})", detail=True)

    def succeeded(self, _response: Any) -> str:
        """Return the line that says what came out of it."""
        return "Finished"

    def _started(self, body: Any, progress: Any) -> Item:
        agents = f"{', '.join(body.agents)}: " if body.agents else ""
        return Remark(f"{agents}{progress.message or body.stage}", detail=True)

    def _text(self, body: Any) -> Iterator[Item]:
        if body.stage != self._writing:
            self._writing = body.stage
            yield Heading(self.heading(body.stage))
        yield Passage(body.text)

    def _advanced(self, progress: Any) -> Iterator[Item]:
        tenth = int(progress.fraction * 10)
        if tenth > self._tenth:
            self._tenth = tenth
            of = f", {progress.step} of {progress.steps}" if progress.HasField("steps") else ""
            yield Remark(f"{progress.stage}{of}", detail=True)

    def _so_far(self, snapshot: Any) -> Iterator[Item]:
        for view in snapshot.stages:
            if view.text:
                self._writing = view.stage
                yield Heading(self.heading(view.stage))
                yield Passage(view.text)

    def _turned(self, kind: str | None, response: Any) -> Iterator[Item]:
        event = response.event
        match kind:
            case "retried":
                self._writing, self._tenth = "", 0
                yield Remark(f"A new run begins with {event.retried.from_stage or 'the stage that failed'}")
            case "succeeded":
                yield Remark(self.succeeded(response), "good")
            case "failed":
                failed = event.failed
                stage = f" in {failed.stage}" if failed.stage else ""
                yield Remark(f"Failed{stage}: {failed.failure.message} [{failed.failure.code}]", "error")
                yield Remark(f"Try again with: fabula retry {event.generation_id}", "error")


def took(body: Any) -> str:
    """Return the working time of a finished stage, in words."""
    return duration(body.elapsed.ToTimedelta().total_seconds())


def count(number: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _claimed(_event: Any, body: Any) -> Item:
    if body.attempt > 1:
        return Remark(f"Another worker has taken it, attempt {body.attempt}", "warning")
    return Remark("A worker has taken it", detail=True)


def _waiting(event: Any, _body: Any) -> Item:
    before = event.progress.queue_position
    return Remark(f"Waiting; {before} before it" if before else "Waiting; it is next", detail=True)


def _log_line(_event: Any, body: Any) -> Item:
    return Remark(body.message, _LEVELS.get(body.level, "info"))


_LEVELS = {LogLevel.LOG_LEVEL_WARNING: "warning", LogLevel.LOG_LEVEL_ERROR: "error"}

_SIMPLE: dict[str | None, Callable[[Any, Any], Item]] = {
    "accepted": lambda event, _: Remark(f"Accepted as {event.generation_id}", detail=True),
    "claimed": _claimed,
    "released": lambda _event, _body: Remark("The worker has handed it back; it waits for the next one", "warning"),
    "log_line": _log_line,
    "waiting": _waiting,
    "cancel_requested": lambda _event, _body: Remark("Cancel asked for"),
    "pause_requested": lambda _event, _body: Remark("Pause asked for"),
    "paused": lambda event, _: Remark(f"Paused. Go on with: fabula resume {event.generation_id}", "warning"),
    "resumed": lambda _event, _body: Remark("Goes on"),
    "cancelled": lambda _event, _body: Remark("Cancelled", "warning"),
}
"""Events whose remark needs nothing from the events before."""
