"""Where a generation stands, read alike from an event and from a generation in short. Pure.

What a dialect makes of it is then the same for who watches and for who asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from fabula.api.generation.v1 import generation_pb2 as pb
from gateway.entries import TERMINAL_STATES

STATUSES = {
    pb.STATE_QUEUED: "queued",
    pb.STATE_RUNNING: "running",
    pb.STATE_PAUSED: "paused",
    pb.STATE_SUCCEEDED: "completed",
    pb.STATE_FAILED: "failed",
    pb.STATE_CANCELLED: "cancelled",
}
"""The states in the words that the front ends share."""

CANCELLED = pb.Failure(code="CANCELLED", message="The generation was cancelled.")
"""What stands for the failure where a contract knows only success and failure."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A generation at one moment. Its messages are shared: nobody may change them.

    Attributes:
        generation_id: Whose it is.
        state: `fabula.api.generation.v1.State`.
        pending: What is asked for and not carried out: `PendingRequest`.
        progress: How far it is.
        time: When that came to hold.
        failure: Why it failed; `CANCELLED` if it was; without a code otherwise.
    """

    generation_id: str
    state: pb.State.ValueType
    pending: pb.PendingRequest.ValueType
    progress: pb.Progress
    time: Timestamp
    failure: pb.Failure

    @property
    def status(self) -> str:
        """The state in a front end's word; a state that this version does not know is work in progress."""
        return STATUSES.get(self.state, "running")

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return self.state in TERMINAL_STATES

    @property
    def seconds_left(self) -> float | None:
        """Median of the time left in seconds; None where it is not known or nothing is left."""
        progress = self.progress
        if self.ended or not progress.HasField("remaining_p50"):
            return None
        return progress.remaining_p50.ToMicroseconds() / 1_000_000


def standing_of(event: pb.Event) -> Standing:
    """Return what holds after an event; of a snapshot or a reset, what holds with it."""
    return Standing(
        event.generation_id, event.state, event.pending_request, event.progress, event.time, _failure_of(event)
    )


def standing_of_generation(generation: pb.Generation) -> Standing:
    """Return the same from a generation in short."""
    failure = CANCELLED if generation.state == pb.STATE_CANCELLED else generation.failure
    return Standing(
        generation.id,
        generation.state,
        generation.pending_request,
        generation.progress,
        generation.update_time,
        failure,
    )


def waiting_message(progress: pb.Progress) -> str:
    """Return a line for who waits in the queue."""
    if not progress.HasField("queue_position"):
        return "Waiting for a worker"
    before = progress.queue_position
    return f"Waiting for a worker: {before} before this one" if before else "Waiting for a worker: next in line"


def _failure_of(event: pb.Event) -> pb.Failure:
    if event.state == pb.STATE_CANCELLED:
        return CANCELLED
    body: Any = event
    match event.WhichOneof("body"):
        case "failed":
            body = event.failed
        case "snapshot":
            body = event.snapshot
        case "reset":
            body = event.reset.snapshot
        case _:
            return pb.Failure()
    failure: pb.Failure = body.failure
    return failure
