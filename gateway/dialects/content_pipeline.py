"""Dialect D, the content pipeline over server-sent events: stages, the draft, and the result. Pure.

The draft is all that the writer's stages have put out: a translator folds it, so it needs the log from its beginning.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from fabula.api.generation.v1 import generation_pb2 as pb
from fabula.api.story.v1 import story_pb2
from gateway.dialects.dialect import Payload
from gateway.dialects.stages import role_and_number
from gateway.dialects.standing import Standing, standing_of, standing_of_generation
from gateway.dialects.times import seconds
from gateway.entries import SharedEntry

PROGRESS, DRAFT, COMPLETE, ERROR = "progress", "draft", "complete", "error"
"""Names of the events."""

LOADING = ("load_prompts", 10, "Loading the prompts")
GENERATING = ("generator", 30, "Writing the draft")
DRAFTED = ("generator", 50, "The draft is written")
FORMATTING = ("formatter", 60, "Setting the text")
VALIDATING = ("validator", 80, "Checking the text")
DONE = ("done", 100, "The text is complete")

FIRST_RETRY, LAST_RETRY, RETRY_STEP = 85, 95, 2
"""Progress of the first new attempt, the most that one shows, and what lies between two."""

Row = tuple[str, int, str]
"""Stage, progress and message."""


@dataclass(frozen=True, slots=True)
class ContentPipeline:
    """Implements `Dialect`."""

    name = "content_pipeline"
    folds = True

    def translator(self, generation_id: str) -> Drafting:  # noqa: ARG002 - the log says whose it is
        """Return a translator that knows nothing yet."""
        return Drafting()


CONTENT_PIPELINE = ContentPipeline()


@dataclass(slots=True)
class Drafting:
    """Gathers the chapters of one generation's draft. Implements `Translator`."""

    _outline: story_pb2.Outline = field(default_factory=story_pb2.Outline)
    _chapters: dict[int, story_pb2.Chapter] = field(default_factory=dict)

    def payloads(self, entry: SharedEntry) -> Sequence[Payload]:
        """Take an entry in; return the events that it brings."""
        event = entry.response.event
        match entry.body:
            case "retried":
                stage = event.retried.from_stage
                told = () if _begins_itself(stage) else _told(_row_of(stage), "")
                return (*self._kept(stage), *told)  # who was not there before has not seen the draft
            case "stage_started" if _begins_itself(event.stage_started.stage):
                return _told(_row_of(event.stage_started.stage), event.progress.message)
            case "stage_finished":
                return self._finished(entry.response)
            case "succeeded" | "failed" | "cancelled":
                return _end(standing_of(event), entry.response.story)
            case "snapshot" | "reset":
                return self._so_far(standing_of(event), entry.response.story)
        return ()

    def _finished(self, response: Any) -> Sequence[Payload]:
        match response.WhichOneof("output"):
            case "outline":
                self._outline, self._chapters = response.outline, {}
            case "chapter":
                self._chapters[response.chapter.number] = response.chapter
                if response.chapter.number == len(self._outline.chapters):
                    return (self._draft(),)
        return ()

    def _so_far(self, standing: Standing, story: story_pb2.Story) -> Sequence[Payload]:
        """Begin anew from a folded log; return where it stands."""
        self._outline = story.outline
        self._chapters = {chapter.number: chapter for chapter in story.chapters}
        if standing.ended:
            return _end(standing, story)
        stage = standing.progress.stage
        return (*self._kept(stage), *_told(_row_of(stage), standing.progress.message))

    def _kept(self, stage: str) -> Sequence[Payload]:
        """Return the draft, if it is there and a stage works on it."""
        row = _row_of(stage)
        return (self._draft(),) if row and row[1] > DRAFTED[1] and self._chapters else ()

    def _draft(self) -> Payload:
        stage, progress, message = DRAFTED
        chapters = [self._chapters[number] for number in sorted(self._chapters)]
        draft = _markdown(self._outline.title, chapters)
        return Payload(DRAFT, {"stage": stage, "message": message, "progress": progress, "draft": draft})


def result_of(response: story_pb2.GetGenerationResponse) -> Payload | None:
    """Return what the blocking call answers: the `complete` or `error` that a stream ends with; None while it runs."""
    standing = standing_of_generation(response.generation)
    return _ending(standing, response.story) if standing.ended else None


def _begins_itself(stage: str) -> bool:
    """Whether a native stage is told when it begins; those that are not are part of one that was told before."""
    return stage in ("load_prompts", "outline", "edit-1", "review-1") or role_and_number(stage)[0] == "revise"


def _row_of(stage: str) -> Row | None:
    """Return what is told of a native stage; None of what this contract has no stage for."""
    role, number = role_and_number(stage)
    match role:
        case "load_prompts" | "read_source" | "load_characters":
            return LOADING
        case "outline" | "write":
            return GENERATING
        case "edit" | "review" if number > 1:
            return _retry(number - 1)
        case "edit":
            return FORMATTING
        case "review":
            return VALIDATING
        case "revise":
            return _retry(number)
    return None


def _retry(number: int) -> Row:
    """Return what is told of the new attempt after the review of this number."""
    return ("retry", min(LAST_RETRY, FIRST_RETRY + RETRY_STEP * (max(1, number) - 1)), "Writing parts anew")


def _told(row: Row | None, message: str) -> Sequence[Payload]:
    if row is None:
        return ()
    stage, progress, doing = row
    return (Payload(PROGRESS, {"stage": stage, "message": message or doing, "progress": progress}),)


def _end(standing: Standing, story: story_pb2.Story) -> Sequence[Payload]:
    """Return the last two events of a run."""
    succeeded = standing.state == pb.STATE_SUCCEEDED
    row = DONE if succeeded else ("fail", 100, standing.failure.message)
    return (*_told(row, ""), _ending(standing, story))


def _ending(standing: Standing, story: story_pb2.Story) -> Payload:
    """Return the result of a run that has ended: who streams and who waits get the same."""
    if standing.state != pb.STATE_SUCCEEDED:
        failure, row = standing.failure, _row_of(standing.progress.stage)
        stage = row[0] if row else standing.progress.stage or "fail"
        return Payload(ERROR, {"message": failure.message, "stage": stage, "code": failure.code})
    metadata = _metadata(standing, story)
    return Payload(COMPLETE, {"success": True, "output": story.text, "metadata": metadata})


def _metadata(standing: Standing, story: story_pb2.Story) -> dict[str, Any]:
    reviews = story.reviews
    return {
        "generation_id": standing.generation_id,
        "title": story.title,
        "genre": story.outline.genre,
        "word_count": story.word_count,
        "chapters": len(story.chapters),
        "attempts": max(1, len(reviews)),
        "validated": bool(reviews) and reviews[-1].accepted,
        "issues": [finding.reason for finding in reviews[-1].findings] if reviews else [],
        "model": story.model,
        "seed": story.seed,
        "elapsed_seconds": round(seconds(standing.progress.elapsed), 3),
    }


def _markdown(title: str, chapters: Iterable[story_pb2.Chapter]) -> str:
    """Set a draft as finished stories are set: a story of one chapter has no chapter heading."""
    every = tuple(chapters)
    parts = [f"# {title}"] if title else []
    for chapter in every:
        if len(every) > 1:
            parts.append(f"## {chapter.number}. {chapter.title}".rstrip())
        parts.append(chapter.text)
    return "\n\n".join(part for part in parts if part) + "\n"
