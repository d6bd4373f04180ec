"""Domain events to protobuf and back: the one place where the engine's values and the wire's messages meet.

The encoded `WatchProgressResponse` is what the log stores and what every watcher receives. What is special to a
service, its request and its stages' outputs, an `OutputCodec` of that service translates.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.protobuf.timestamp_pb2 import Timestamp

from fabula.api.generation.v1 import generation_pb2 as pb
from fabula.engine import events as ev
from fabula.engine.events import Body, Event, Failure, Pending, Preview, Progress, Remaining, State
from fabula.engine.history import Snapshot, StageView
from fabula.engine.ports import Entry, GenerationId, Tag
from fabula.errors import LogCorrupted
from fabula.rpc.kinds import Kind

STATES = {
    State.QUEUED: pb.STATE_QUEUED,
    State.RUNNING: pb.STATE_RUNNING,
    State.PAUSED: pb.STATE_PAUSED,
    State.SUCCEEDED: pb.STATE_SUCCEEDED,
    State.FAILED: pb.STATE_FAILED,
    State.CANCELLED: pb.STATE_CANCELLED,
}
PENDING = {
    Pending.NOTHING: pb.PENDING_REQUEST_UNSPECIFIED,
    Pending.CANCEL: pb.PENDING_REQUEST_CANCEL,
    Pending.PAUSE: pb.PENDING_REQUEST_PAUSE,
}
LEVELS = {
    ev.LogLevel.INFO: pb.LOG_LEVEL_INFO,
    ev.LogLevel.WARNING: pb.LOG_LEVEL_WARNING,
    ev.LogLevel.ERROR: pb.LOG_LEVEL_ERROR,
}
_STATES_BACK = {number: state for state, number in STATES.items()}
_PENDING_BACK = {number: pending for pending, number in PENDING.items()}
_LEVELS_BACK = {number: level for level, number in LEVELS.items()}


class OutputCodec(Protocol):
    """Translates what is special to one service."""

    def to_message(self, value: object) -> Message | None:
        """Return the message of a request, a stage's output or a result; None for an output of None."""
        ...

    def from_message(self, message: Any) -> object:
        """Return the value of such a message."""
        ...

    def so_far(self, snapshot: Snapshot) -> Message:
        """Return the result as far as there is one: what snapshots carry."""
        ...

    def title(self, request: object) -> str:
        """Return the line by which people tell a generation from others; may be empty."""
        ...


class ProtoCodec:
    """The events of one service as protobuf. Implements `EventCodec`.

    Args:
        kind: Which service.
        outputs: What is special to it.
    """

    def __init__(self, kind: Kind, outputs: OutputCodec) -> None:
        self.kind = kind
        self.outputs = outputs
        self._response: Callable[[], Any] = kind.response("WatchProgress")
        output: Any = kind.response("WatchProgress").DESCRIPTOR.oneofs_by_name["output"]
        self._fields: dict[str, str] = {field.message_type.full_name: field.name for field in output.fields}

    def encode(self, generation: GenerationId, event: Event) -> Entry:
        """Return the event as it is stored and sent."""
        response = self._response()
        wire = response.event
        wire.generation_id = generation
        wire.sequence = event.sequence
        wire.time.FromDatetime(event.time)
        wire.trace_id = event.trace_id
        _fill_standing(wire, event.state, event.progress, event.pending, event.run)
        name, encode, _ = _BODIES[type(event.body)]
        part = getattr(wire, name)
        part.SetInParent()
        encode(part, event.body)
        self._put_output(response, _output_of(event.body))
        return Entry(event.sequence, ev.tag_of(event.body), response.SerializeToString())

    def decode(self, entry: Entry) -> Event:
        """Return the event. Raises `LogCorrupted` for bytes that are none."""
        response = self._response()
        try:
            response.ParseFromString(entry.data)
            return self._event_of(response)
        except DecodeError as error:
            raise LogCorrupted(f"entry {entry.sequence} cannot be read: {error}") from error
        except (KeyError, ValueError, OverflowError) as error:
            raise LogCorrupted(f"entry {entry.sequence} has no event that this version knows") from error

    def _event_of(self, response: Any) -> Event:
        wire = response.event
        name = wire.WhichOneof("body")
        field = response.WhichOneof("output")
        output = self.outputs.from_message(getattr(response, field)) if field else None
        return Event(
            sequence=wire.sequence,
            body=_BODIES_BACK[name](getattr(wire, name), output),
            state=_STATES_BACK[wire.state],
            progress=progress_of(wire.progress),
            pending=_PENDING_BACK[wire.pending_request],
            run=wire.run,
            time=wire.time.ToDatetime(UTC),
            trace_id=wire.trace_id,
        )

    def encode_preview(self, generation: GenerationId, preview: Preview, state: State, progress: Progress) -> Entry:
        """Return a preview as an ephemeral entry, in the place of its picture."""
        response = self._ephemeral(generation, state, progress)
        wire = response.event.preview
        wire.image, wire.media_type = preview.image, preview.media_type
        wire.step, wire.index = preview.step, preview.index
        return Entry(0, Tag.EPHEMERAL, response.SerializeToString(), place=preview.index)

    def encode_waiting(self, generation: GenerationId, progress: Progress) -> Entry:
        """Return the news that the queue before a generation has moved, as an ephemeral entry."""
        response = self._ephemeral(generation, State.QUEUED, progress)
        response.event.waiting.SetInParent()
        return Entry(0, Tag.EPHEMERAL, response.SerializeToString())

    def encode_snapshot(self, generation: GenerationId, snapshot: Snapshot, reset: str = "") -> bytes:
        """Return a snapshot as one event; with `reset`, as the answer to a cursor that cannot be served."""
        response = self._response()
        wire = response.event
        wire.generation_id = generation
        wire.sequence = snapshot.sequence
        wire.time.FromDatetime(snapshot.update_time)
        wire.trace_id = snapshot.trace_id
        state = snapshot.state or State.QUEUED
        _fill_standing(wire, state, snapshot.progress, snapshot.pending, snapshot.run)
        if reset:
            wire.reset.reason = reset
        _fill_snapshot(wire.reset.snapshot if reset else wire.snapshot, snapshot)
        self._put_output(response, None, self.outputs.so_far(snapshot))
        data: bytes = response.SerializeToString()
        return data

    def _ephemeral(self, generation: GenerationId, state: State, progress: Progress) -> Any:
        response = self._response()
        response.event.generation_id = generation
        response.event.time.FromDatetime(datetime.now(UTC))
        _fill_standing(response.event, state, progress, Pending.NOTHING, 1)
        return response

    def _put_output(self, response: Any, value: object, message: Message | None = None) -> None:
        message = message if message is not None else self.outputs.to_message(value)
        if message is not None:
            getattr(response, self._fields[message.DESCRIPTOR.full_name]).CopyFrom(message)


def _fill_standing(wire: Any, state: State, progress: Progress, pending: Pending, run: int) -> None:
    wire.state = STATES[state]
    wire.pending_request = PENDING[pending]
    wire.run = run
    fill_progress(wire.progress, progress)


def fill_progress(wire: Any, progress: Progress) -> None:
    """Write a progress into its message."""
    wire.fraction = progress.fraction
    wire.stage = progress.stage
    wire.message = progress.message
    if progress.step is not None:
        wire.step = progress.step
    if progress.steps is not None:
        wire.steps = progress.steps
    wire.active_agents.extend(progress.active_agents)
    _fill_seconds(wire.elapsed, progress.elapsed)
    if progress.remaining is not None:
        _fill_seconds(wire.remaining_p50, progress.remaining.p50)
        _fill_seconds(wire.remaining_p90, progress.remaining.p90)
    if progress.queue_position is not None:
        wire.queue_position = progress.queue_position


def progress_of(wire: pb.Progress) -> Progress:
    """Return the progress in a message."""
    remaining = None
    if wire.HasField("remaining_p50"):
        remaining = Remaining(_seconds(wire.remaining_p50), _seconds(wire.remaining_p90))
    return Progress(
        fraction=wire.fraction,
        stage=wire.stage,
        message=wire.message,
        step=wire.step if wire.HasField("step") else None,
        steps=wire.steps if wire.HasField("steps") else None,
        active_agents=tuple(wire.active_agents),
        elapsed=_seconds(wire.elapsed),
        remaining=remaining,
        queue_position=wire.queue_position if wire.HasField("queue_position") else None,
    )


def fill_failure(wire: Any, failure: Failure) -> None:
    """Write a failure into its message."""
    wire.code, wire.message = failure.code, failure.message
    for key, value in failure.details:
        wire.details[key] = value


def timestamp(time: datetime) -> Timestamp:
    """Return a time as its message."""
    wire = Timestamp()
    wire.FromDatetime(time)
    return wire


def _fill_seconds(wire: Duration, seconds: float) -> None:
    wire.FromMicroseconds(round(seconds * 1_000_000))


def _seconds(wire: Duration) -> float:
    return wire.ToMicroseconds() / 1_000_000


def _failure(wire: pb.Failure) -> Failure:
    return Failure(wire.code, wire.message, tuple(sorted(wire.details.items())))


def _fill_snapshot(wire: pb.Snapshot, snapshot: Snapshot) -> None:
    wire.SetInParent()
    for view in snapshot.stages.values():
        _fill_stage(wire.stages.add(), view)
    if snapshot.failure is not None:
        fill_failure(wire.failure, snapshot.failure)


def _fill_stage(wire: pb.StageView, view: StageView) -> None:
    wire.stage, wire.finished, wire.text = view.name, view.finished, view.text
    if view.finished:
        _fill_seconds(wire.elapsed, view.elapsed)


def _output_of(body: Body) -> object:
    match body:
        case ev.Accepted(request=value) | ev.StageFinished(output=value) | ev.Succeeded(result=value):
            return value
        case _:
            return None


def _nothing(_wire: Any, _body: Any) -> None:
    """Encode a body that says all by its type."""


def _accepted(wire: Any, body: ev.Accepted) -> None:
    wire.kind, wire.owner = body.kind, body.owner
    wire.request_id, wire.request_digest = body.request_id, body.request_digest


def _claimed(wire: Any, body: ev.Claimed) -> None:
    wire.worker, wire.attempt = body.worker, body.attempt


def _released(wire: Any, body: ev.Released) -> None:
    wire.worker, wire.reason = body.worker, body.reason


def _stage_started(wire: Any, body: ev.StageStarted) -> None:
    wire.stage = body.stage
    wire.agents.extend(body.agents)


def _advanced(wire: Any, body: ev.Advanced) -> None:
    wire.stage, wire.message = body.stage, body.message
    if body.step is not None:
        wire.step = body.step
    if body.steps is not None:
        wire.steps = body.steps


def _text_delta(wire: Any, body: ev.TextDelta) -> None:
    wire.stage, wire.offset, wire.text = body.stage, body.offset, body.text


def _stage_finished(wire: Any, body: ev.StageFinished) -> None:
    wire.stage, wire.units = body.stage, body.units
    _fill_seconds(wire.elapsed, body.elapsed)


def _stage_restarted(wire: Any, body: ev.StageRestarted) -> None:
    wire.stage, wire.reason = body.stage, body.reason


def _log_line(wire: Any, body: ev.LogLine) -> None:
    wire.level, wire.message = LEVELS[body.level], body.message


def _retried(wire: Any, body: ev.Retried) -> None:
    wire.from_stage = body.from_stage


def _failed(wire: Any, body: ev.Failed) -> None:
    fill_failure(wire.failure, body.failure)
    wire.stage, wire.retryable = body.stage, body.retryable


def _advanced_back(wire: Any) -> ev.Advanced:
    step = wire.step if wire.HasField("step") else None
    steps = wire.steps if wire.HasField("steps") else None
    return ev.Advanced(wire.stage, step, steps, wire.message)


_Row = tuple[str, Callable[[Any, Any], None], Callable[[Any, object], Body]]

_BODIES: dict[type[Body], _Row] = {
    ev.Accepted: ("accepted", _accepted, lambda w, o: ev.Accepted(w.kind, w.owner, w.request_id, o, w.request_digest)),
    ev.Claimed: ("claimed", _claimed, lambda w, _: ev.Claimed(w.worker, w.attempt)),
    ev.Released: ("released", _released, lambda w, _: ev.Released(w.worker, w.reason)),
    ev.StageStarted: ("stage_started", _stage_started, lambda w, _: ev.StageStarted(w.stage, tuple(w.agents))),
    ev.Advanced: ("advanced", _advanced, lambda w, _: _advanced_back(w)),
    ev.TextDelta: ("text_delta", _text_delta, lambda w, _: ev.TextDelta(w.stage, w.offset, w.text)),
    ev.StageFinished: (
        "stage_finished",
        _stage_finished,
        lambda w, o: ev.StageFinished(w.stage, o, _seconds(w.elapsed), w.units),
    ),
    ev.StageRestarted: ("stage_restarted", _stage_restarted, lambda w, _: ev.StageRestarted(w.stage, w.reason)),
    ev.LogLine: (
        "log_line",
        _log_line,
        lambda w, _: ev.LogLine(w.message, _LEVELS_BACK.get(w.level, ev.LogLevel.INFO)),
    ),
    ev.CancelRequested: ("cancel_requested", _nothing, lambda _w, _o: ev.CancelRequested()),
    ev.PauseRequested: ("pause_requested", _nothing, lambda _w, _o: ev.PauseRequested()),
    ev.Paused: ("paused", _nothing, lambda _w, _o: ev.Paused()),
    ev.Resumed: ("resumed", _nothing, lambda _w, _o: ev.Resumed()),
    ev.Retried: ("retried", _retried, lambda w, _: ev.Retried(w.from_stage)),
    ev.Succeeded: ("succeeded", _nothing, lambda _w, o: ev.Succeeded(o)),
    ev.Failed: ("failed", _failed, lambda w, _: ev.Failed(_failure(w.failure), w.stage, w.retryable)),
    ev.Cancelled: ("cancelled", _nothing, lambda _w, _o: ev.Cancelled()),
}
"""Each body's field on the wire, how it is written, and how it is read."""

_BODIES_BACK = {name: back for name, _, back in _BODIES.values()}
