"""Dialect A, the Story Workshop: one JSON message per update, and the same content for who polls. Pure.

Each update replaces the one before. Every event of a log brings one, whatever it is about, for each tells anew how long
is left and who is at work: so the newest update is at any time what the REST fallback answers. The contract has no
field for how a generation stands, so `stage` says that wherever no stage is at work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from fabula.api.generation.v1 import generation_pb2 as pb
from fabula.api.story.v1 import story_pb2
from gateway.dialects.dialect import Payload
from gateway.dialects.standing import Standing, standing_of, standing_of_generation, waiting_message
from gateway.dialects.times import iso
from gateway.entries import SharedEntry

SILENT = frozenset(("", "preview"))
"""Bodies that bring none; the empty one is of an event that this version does not know."""


@dataclass(frozen=True, slots=True)
class Workshop:
    """Implements `Dialect`, and `Translator` as well: it remembers nothing."""

    name = "workshop"
    folds = False

    def translator(self, generation_id: str) -> Workshop:  # noqa: ARG002 - it is the same for all
        """Return a translator."""
        return self

    def payloads(self, entry: SharedEntry) -> Sequence[Payload]:
        """Return the update that an entry brings."""
        if entry.body in SILENT:
            return ()
        return (Payload("", update_of(standing_of(entry.response.event))),)


WORKSHOP = Workshop()


def update_of(standing: Standing) -> dict[str, Any]:
    """Return the update that shows where a generation stands."""
    progress, left = standing.progress, standing.seconds_left
    at_work = standing.state == pb.STATE_RUNNING and progress.stage
    return {
        "generation_id": standing.generation_id,
        "progress": round(min(max(progress.fraction, 0.0), 1.0) * 100, 2),
        "stage": progress.stage if at_work else standing.status,
        "stage_detail": _detail(standing),
        "estimated_time_remaining": 0 if left is None else max(0, ceil(left)),
        "active_agents": list(progress.active_agents),
        "timestamp": iso(standing.time),
    }


def status_of(response: story_pb2.GetGenerationResponse, waiting: SharedEntry | None = None) -> dict[str, Any]:
    """Return what the REST fallback answers: the newest update, the status, and the story once there is one.

    Args:
        response: The generation.
        waiting: What was told of its place in the queue since its newest event; None if nothing was.
    """
    standing = standing_of_generation(response.generation) if waiting is None else standing_of(waiting.response.event)
    content = {**update_of(standing), "status": standing.status}
    if standing.state == pb.STATE_SUCCEEDED and response.HasField("story"):
        content["story"] = story_content(response.story)
    return content


def story_content(story: story_pb2.Story) -> dict[str, Any]:
    """Return a finished story as this family's front ends read one."""
    return {
        "title": story.title,
        "content": story.text,
        "word_count": story.word_count,
        "genre": story.outline.genre,
        "chapters": [
            {"number": chapter.number, "title": chapter.title, "content": chapter.text} for chapter in story.chapters
        ],
        "model": story.model,
        "seed": story.seed,
    }


def _detail(standing: Standing) -> str:
    """Return a line for people: what is being done, what is waited for, or how it ended."""
    match standing.pending:
        case pb.PENDING_REQUEST_CANCEL:
            return "Cancelling"
        case pb.PENDING_REQUEST_PAUSE:
            return "Pausing"
    match standing.state:
        case pb.STATE_QUEUED:
            return waiting_message(standing.progress)
        case pb.STATE_PAUSED:
            return "Paused"
        case pb.STATE_SUCCEEDED:
            return "The story is complete"
        case pb.STATE_FAILED | pb.STATE_CANCELLED:
            return standing.failure.message
        case _:
            return standing.progress.message or "Beginning"
