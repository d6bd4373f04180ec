"""Dialect E, image generation: one message for each denoising step, under the id that the client chose. Pure.

Steps count over both models. A run that is not denoising has nothing to count: 0 of 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from fabula.api.generation.v1 import generation_pb2 as pb
from fabula.api.image.v1 import image_pb2
from gateway.dialects.dialect import Payload
from gateway.dialects.standing import Standing, standing_of, waiting_message
from gateway.dialects.times import iso, seconds
from gateway.entries import SharedEntry

KEEP_ALIVE: Mapping[str, Any] = MappingProxyType({"type": "keep-alive"})
"""What is sent to a watcher who would otherwise hear nothing for half a minute."""

BASE, REFINER = "base_model", "refiner_model"
"""The stages that denoise: their native names are the contract's."""

BEFORE = frozenset(("", "encode_prompt"))
"""Native stages before the first step: what follows the last one is told by the end of the run."""

SILENT = frozenset(("", "log_line", "preview", "stage_finished", "text_delta", "cancel_requested", "pause_requested"))
"""Bodies that this contract has no words for."""

OF_STAGES = frozenset(("advanced", "claimed", "resumed", "stage_started", "stage_restarted"))
"""Bodies that are told only where they concern the reading of the prompt or the denoising."""

Count = tuple[int, int]
"""Steps done, and steps in all."""


@dataclass(frozen=True, slots=True)
class ImageTasks:
    """Implements `Dialect`.

    Attributes:
        task_id: What the client calls the generation; empty: by its own id.
    """

    name = "image_tasks"
    folds = False
    task_id: str = ""

    def translator(self, generation_id: str) -> Task:
        """Return a translator."""
        return Task(self.task_id or generation_id)


@dataclass(frozen=True, slots=True)
class Task:
    """Implements `Translator`; it remembers nothing.

    Attributes:
        task_id: What messages say it is.
    """

    task_id: str

    def payloads(self, entry: SharedEntry) -> Sequence[Payload]:
        """Return the message that an entry brings."""
        event = entry.response.event
        standing = standing_of(event)
        if not _is_told(entry.body, standing):
            return ()
        if standing.state == pb.STATE_FAILED:
            return (self._failed(standing),)
        count, stage = _count_of(standing.progress), standing.progress.stage
        if standing.state == pb.STATE_SUCCEEDED:
            count, stage = _count_of_all(entry.response.image)
        message = self._progress(standing, count, REFINER if stage == REFINER else BASE)
        if entry.body == "stage_restarted":
            message["message"] = f"Starting over: {event.stage_restarted.reason}"
        return (Payload("", message),)

    def _progress(self, standing: Standing, count: Count, stage: str) -> dict[str, Any]:
        done, in_all = count
        running = standing.status == "running"
        return {
            "type": "progress",
            "task_id": self.task_id,
            "status": "generating" if running else standing.status,
            "current_step": done,
            "total_steps": in_all,
            "percentage": _percentage(standing, count),
            "current_stage": stage,
            "elapsed_time": round(seconds(standing.progress.elapsed), 1),
            "estimated_remaining": round(standing.seconds_left or 0.0, 1),
            "message": _message(standing),
            "timestamp": iso(standing.time),
        }

    def _failed(self, standing: Standing) -> Payload:
        content = {
            "type": "progress",
            "task_id": self.task_id,
            "status": "failed",
            "error": standing.failure.message,
            "message": "The picture could not be painted",
        }
        return Payload("", content)


def _is_told(body: str, standing: Standing) -> bool:
    stage = standing.progress.stage
    if body in SILENT or (body == "stage_started" and stage == REFINER):  # its first step is the last of the base model
        return False
    return standing.state != pb.STATE_RUNNING or body not in OF_STAGES or stage in (*BEFORE, BASE, REFINER)


def _count_of(progress: pb.Progress) -> Count:
    return progress.step, max(progress.step, progress.steps)


def _count_of_all(image: image_pb2.Image) -> tuple[Count, str]:
    """Return the steps of a finished picture, and which model did the last."""
    steps = image.base_steps + image.refiner_steps
    return (steps, steps), REFINER if image.refiner_steps else BASE


def _percentage(standing: Standing, count: Count) -> float:
    """Return the part of the denoising steps that is done, in percent."""
    done, in_all = count
    if standing.state == pb.STATE_SUCCEEDED:
        return 100.0
    if not in_all:
        return 0.0 if standing.progress.stage in (*BEFORE, BASE, REFINER) else 100.0
    return round(100 * done / in_all, 1)


def _message(standing: Standing) -> str:
    match standing.state:
        case pb.STATE_QUEUED:
            return waiting_message(standing.progress)
        case pb.STATE_PAUSED:
            return "Paused"
        case pb.STATE_SUCCEEDED:
            return "The picture is painted"
        case pb.STATE_CANCELLED:
            return standing.failure.message
        case _:
            return standing.progress.message or "Beginning"
