"""What a watcher is told of each event, in order: headings, pieces of text, remarks. Pure; it knows no terminal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fabula.api.generation.v1.generation_pb2 import LogLevel
from fabula.cli.rendering import duration

WRITE, REVISE = "write-", "revise-"


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
    """Turns a story's events into what its watcher is told. Remembers what it needs from event to event."""

    def __init__(self) -> None:
        self._title = ""
        self._chapters: dict[int, str] = {}
        self._writing = ""
        self._tenth = 0

    def tell(self, response: Any) -> Iterator[Item]:
        """Yield what a WatchProgressResponse brings."""
        event = response.event
        kind = event.WhichOneof("body")
        body = getattr(event, kind) if kind else None
        match kind:
            case "accepted":
                yield Remark(f"Accepted as {event.generation_id}", detail=True)
            case "claimed":
                attempt = f", attempt {body.attempt}" if body.attempt > 1 else ""
                yield Remark(f"A worker has taken it{attempt}", "warning" if attempt else "info", detail=not attempt)
            case "released":
                yield Remark("The worker has handed it back; it waits for the next one", "warning")
            case "stage_started":
                yield from self._started(body, event.progress)
            case "stage_restarted":
                self._writing = ""
                yield Remark(f"{body.stage} begins again: {body.reason}", "warning")
            case "text_delta":
                yield from self._text(body)
            case "stage_finished":
                yield from self._finished(response, body)
            case "advanced":
                yield from self._advanced(event)
            case "log_line":
                yield Remark(body.message, _LEVELS.get(body.level, "info"))
            case "snapshot":
                yield from self._so_far(body)
            case "reset":
                yield Remark(f"Starting over: {body.reason}", "warning")
                yield from self._so_far(body.snapshot)
            case "waiting":
                yield Remark(f"Waiting; {event.progress.queue_position} go before", detail=True)
            case _:
                yield from self._turned(kind, body, response)

    def _started(self, body: Any, progress: Any) -> Iterator[Item]:
        agents = f"{', '.join(body.agents)}: " if body.agents else ""
        yield Remark(f"{agents}{progress.message or body.stage}", detail=True)

    def _text(self, body: Any) -> Iterator[Item]:
        if body.stage != self._writing:
            self._writing = body.stage
            yield Heading(self._heading(body.stage))
        yield Passage(body.text)

    def _heading(self, stage: str) -> str:
        number = stage.rpartition("-")[2]
        if stage.startswith(WRITE) and number.isdigit():
            title = self._chapters.get(int(number), "")
            return f"{number}. {title}" if title else f"Chapter {number}"
        return f"Revision {number}" if stage.startswith(REVISE) else stage

    def _finished(self, response: Any, body: Any) -> Iterator[Item]:
        took = duration(body.elapsed.ToTimedelta().total_seconds())
        match response.WhichOneof("output"):
            case "outline":
                outline = response.outline
                self._title = outline.title
                self._chapters = {chapter.number: chapter.title for chapter in outline.chapters}
                count = f"{len(outline.chapters)} chapter{'s' if len(outline.chapters) != 1 else ''}"
                yield Remark(f"Outline: “{outline.title}”, {count} ({took})")
            case "review" if response.review.accepted:
                yield Remark(f"The Critic accepts it ({took})")
            case "review":
                found = len(response.review.findings)
                yield Remark(f"The Critic found {found} thing{'s' if found != 1 else ''} to mend ({took})")
            case _:
                yield Remark(f"{body.stage} finished ({took})", detail=True)

    def _advanced(self, event: Any) -> Iterator[Item]:
        tenth = int(event.progress.fraction * 10)
        if tenth > self._tenth:
            self._tenth = tenth
            steps = event.progress
            of = f", {steps.step} of {steps.steps}" if steps.HasField("step") and steps.HasField("steps") else ""
            yield Remark(f"{steps.stage}{of}", detail=True)

    def _so_far(self, snapshot: Any) -> Iterator[Item]:
        for view in snapshot.stages:
            if view.text:
                self._writing = view.stage
                yield Heading(self._heading(view.stage))
                yield Passage(view.text)

    def _turned(self, kind: str | None, body: Any, response: Any) -> Iterator[Item]:
        id_ = response.event.generation_id
        match kind:
            case "cancel_requested":
                yield Remark("Cancel asked for")
            case "pause_requested":
                yield Remark("Pause asked for")
            case "paused":
                yield Remark(f"Paused. Go on with: fabula resume {id_}", "warning")
            case "resumed":
                yield Remark("Goes on")
            case "retried":
                self._writing, self._tenth = "", 0
                yield Remark(f"A new run begins with {body.from_stage or 'the stage that failed'}")
            case "succeeded":
                story = response.story
                yield Remark(f"Finished: “{story.title}”, {story.word_count} words, by {story.model}", "good")
            case "failed":
                stage = f" in {body.stage}" if body.stage else ""
                yield Remark(f"Failed{stage}: {body.failure.message} [{body.failure.code}]", "error")
                yield Remark(f"Try again with: fabula retry {id_}", "error")
            case "cancelled":
                yield Remark("Cancelled", "warning")


_LEVELS = {LogLevel.LOG_LEVEL_WARNING: "warning", LogLevel.LOG_LEVEL_ERROR: "error"}
