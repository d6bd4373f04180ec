"""Dialect B, stories over Socket.IO: start, three steps, and how it ended. Pure.

Each run begins with a start and ends with exactly one complete or error. Each step is told once in a run, when its
first stage begins; a run that a retry begins in the middle begins with the step it is at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from fabula.api.generation.v1 import generation_pb2 as pb
from fabula.api.story.v1 import story_pb2
from gateway.dialects.dialect import Payload
from gateway.dialects.stages import role_and_number
from gateway.dialects.standing import Standing, standing_of
from gateway.dialects.times import iso, milliseconds
from gateway.entries import SharedEntry

START = "story:processing:start"
PROGRESS = "story:processing:progress"
COMPLETE = "story:processing:complete"
ERROR = "story:processing:error"

WHOLE = "story_generation"
"""The step of what concerns no single one."""


class Step(Enum):
    """A step, its progress, and what it does in a line for people."""

    READING = ("reading_file", 25, "Reading the file")
    WRITING = ("ai_processing", 50, "Writing the story")
    SAVING = ("saving_file", 75, "Saving the story")


STEPS = {
    "read_source": Step.READING,
    "load_characters": Step.WRITING,
    "outline": Step.WRITING,
    "write": Step.WRITING,
    "edit": Step.WRITING,
    "review": Step.WRITING,
    "revise": Step.WRITING,
    "keep": Step.SAVING,
}
"""The step that a native stage is part of, by its role."""

OPENING = frozenset(("read_source", "outline", "keep"))
"""The stages with which steps begin."""

WITHIN = frozenset(("write", "edit", "review", "revise"))
"""Roles of the stages behind the one with which their step begins: a retry from one of them has to tell the step."""


@dataclass(frozen=True, slots=True)
class StoryRooms:
    """Implements `Dialect`, and `Translator` as well: it remembers nothing."""

    name = "story_rooms"
    folds = False

    def translator(self, generation_id: str) -> StoryRooms:  # noqa: ARG002 - it is the same for all
        """Return a translator."""
        return self

    def payloads(self, entry: SharedEntry) -> Sequence[Payload]:
        """Return the events of a story's page that an entry brings."""
        event = entry.response.event
        standing = standing_of(event)
        match entry.body:
            case "accepted":
                return (_start(standing),)
            case "retried":
                first = event.retried.from_stage
                within = role_and_number(first)[0] in WITHIN
                return (_start(standing), *(_progress(standing, first) if within else ()))
            case "stage_started" if event.stage_started.stage in OPENING:
                return _progress(standing, event.stage_started.stage)
            case "succeeded" | "failed" | "cancelled":
                return (_end(standing, entry.response.story),)
            case "snapshot" | "reset":
                if standing.ended:
                    return (_end(standing, entry.response.story),)
                return (_start(standing), *_progress(standing, standing.progress.stage))
        return ()


STORY_ROOMS = StoryRooms()


def _start(standing: Standing) -> Payload:
    return _payload(START, standing, step=WHOLE)


def _progress(standing: Standing, stage: str) -> Sequence[Payload]:
    """Return the step that a stage is part of, if it is part of one."""
    step = STEPS.get(role_and_number(stage)[0])
    if step is None:
        return ()
    name, percent, doing = step.value
    message = standing.progress.message or doing
    return (_payload(PROGRESS, standing, progress=percent, step=name, message=message),)


def _end(standing: Standing, story: story_pb2.Story) -> Payload:
    if standing.state == pb.STATE_SUCCEEDED:
        return _payload(
            COMPLETE,
            standing,
            generatedContent=story.text,
            generatedWordCount=story.word_count,
            processingTime=milliseconds(standing.progress.elapsed),
        )
    step = STEPS.get(role_and_number(standing.progress.stage)[0])
    name = step.value[0] if step else WHOLE
    return _payload(ERROR, standing, error=standing.failure.message, step=name)


def _payload(event: str, standing: Standing, **fields: Any) -> Payload:
    return Payload(event, {"storyId": standing.generation_id, **fields, "timestamp": iso(standing.time)})
