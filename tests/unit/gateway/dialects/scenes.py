"""Logs to translate: written with the engine's own table, meter and codec, one event each second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from fabula.engine.events import (
    Accepted,
    Advanced,
    Body,
    Cancelled,
    Claimed,
    Event,
    Failed,
    Failure,
    LogLine,
    Paused,
    Pending,
    Preview,
    Released,
    StageFinished,
    StageRestarted,
    StageStarted,
    State,
    Succeeded,
    TextDelta,
)
from fabula.engine.forecast import Forecast
from fabula.engine.history import History, Snapshot, fold
from fabula.engine.meter import Meter
from fabula.engine.pipeline import Outputs, Stage, StageContext
from fabula.engine.ports import GenerationId
from fabula.engine.states import Command, decide, next_event
from fabula.rpc.codec import OutputCodec, ProtoCodec
from fabula.rpc.kinds import Kind
from fabula.rpc.service import _next_event
from gateway.entries import SharedEntry, read_entry
from tests.log_rules import BEGINNING


async def nothing(_context: StageContext, _outputs: Outputs) -> None:
    """Stand where a plan needs a function."""


@dataclass(frozen=True, slots=True)
class Play:
    """What a generation of one kind goes through.

    Attributes:
        kind: Which.
        codec: What is special to it.
        request: What is asked for.
        plan: Its stages.
        outputs: What they put out, by name; a stage that is missing puts nothing out.
    """

    kind: Kind
    codec: OutputCodec
    request: object
    plan: Sequence[Stage]
    outputs: Outputs


class Scene:
    """One generation's log as it grows.

    Args:
        play: What happens in it.

    Attributes:
        log: Its events.
        entries: What a watcher from the beginning gets, previews and places in the queue included.
    """

    def __init__(self, play: Play) -> None:
        self.play = play
        self.codec = ProtoCodec(play.kind, play.codec)
        self.id = GenerationId(f"{play.kind.name}-00000000-0000-4000-8000-000000000001")
        self.now = 0.0
        self.stage: Stage | None = None
        self.log: list[Event] = []
        self._history = History()
        self.entries: list[SharedEntry] = []
        accepted = Accepted(play.kind.name, "ida", "request-1", play.request, "digest")
        self._store(Event(1, accepted, State.QUEUED, time=BEGINNING, trace_id="trace"))

    @property
    def last(self) -> Event:
        """The newest event."""
        return self.log[-1]

    @property
    def fold(self) -> Snapshot:
        """What the log says now."""
        return self._history.snapshot()

    @property
    def to_do(self) -> Stage | None:
        """The stage that comes next, or is at work; None when all are finished."""
        finished = self.fold.outputs
        return next((stage for stage in self.play.plan if stage.name not in finished), None)

    def ask(self, command: Command, from_stage: str = "") -> Scene:
        """Have a user ask for something."""
        last = self.last
        for body in decide(command, last.state, last.pending, last.run, from_stage=from_stage):
            self.now += 1
            self._store(replace(_next_event(self.last, body), time=self._time()))
        return self

    def claim(self) -> Scene:
        """Have a worker take the job, and take up the stage that was at work."""
        snapshot = self.fold
        self.meter = Meter(snapshot.progress, Forecast(), self.now)
        self.meter.plan(self.play.plan, list(snapshot.outputs))
        self.emit(Claimed(f"worker-{snapshot.attempt + 1}", snapshot.attempt + 1))
        stage = self.to_do
        view = snapshot.stages.get(stage.name) if stage else None
        self.stage = stage if view else None
        if stage is not None and view is not None:
            held = snapshot.progress
            step = held.step if held.stage == stage.name else None
            self.meter.begin(stage, self.now, before=max(0.0, held.elapsed - view.begun), step=step)
            if not stage.continues:
                self.restart("the work was interrupted")
        return self

    def begin(self) -> Scene:
        """Begin the next stage."""
        stage = self.to_do
        assert stage is not None
        self.stage = stage
        self.meter.begin(stage, self.now)
        return self.emit(StageStarted(stage.name, stage.agents))

    def write(self, text: str) -> Scene:
        """Write on in the stage at work."""
        written = self.fold.stages[self._at_work.name].text
        self.meter.advance(len((written + text).split()), None, "")
        return self.emit(TextDelta(self._at_work.name, len(written), text))

    def advance(self, step: int | None = None, steps: int | None = None, message: str = "") -> Scene:
        """Say how far the stage at work is."""
        self.meter.advance(step, steps, message)
        return self.emit(Advanced(self._at_work.name, step, steps, message))

    def restart(self, reason: str) -> Scene:
        """Begin the stage at work again."""
        self.meter.begin(self._at_work, self.now)
        return self.emit(StageRestarted(self._at_work.name, reason))

    def finish(self) -> Scene:
        """Finish the stage at work."""
        name = self._at_work.name
        self.meter.plan(self.play.plan, list(self.fold.outputs))
        seconds, units = self.meter.end(self.now)
        self.stage = None
        return self.emit(StageFinished(name, self.play.outputs.get(name), seconds, units))

    def work(self, until: str = "", *texts: str) -> Scene:
        """Do whole stages, up to the named one or to the last; texts are written in the last one done."""
        while (stage := self.to_do) is not None:
            if self.stage is None:
                self.begin()
            for text in texts if stage.name == until else ():
                self.write(text)
            self.finish()
            if stage.name == until:
                break
        return self

    def say(self, line: str) -> Scene:
        """Leave a line for people."""
        return self.emit(LogLine(line))

    def release(self) -> Scene:
        """Have the worker hand the job back."""
        self.meter.rest()
        return self.emit(Released("worker-1", "the worker shuts down"))

    def obey(self) -> Scene:
        """Carry out what is asked for."""
        self.meter.rest()
        return self.emit(Cancelled() if self.last.pending is Pending.CANCEL else Paused())

    def fail(self, code: str = "MODEL_OUT_OF_MEMORY", message: str = "The model needs more memory.") -> Scene:
        """Have the stage at work fail."""
        self.meter.rest()
        return self.emit(Failed(Failure(code, message, (("needs", "9 GB"),)), self.meter.stage, retryable=True))

    def succeed(self) -> Scene:
        """End the run with the last stage's output."""
        self.meter.rest()
        return self.emit(Succeeded(self.play.outputs.get(self.play.plan[-1].name)))

    def emit(self, body: Body) -> Scene:
        """Append what a worker says."""
        self.now += 1
        progress = self.meter.read(self.now, done=isinstance(body, Succeeded))
        self._store(next_event(self.last, body, progress, self._time()))
        return self

    def show(self, step: int, index: int = 0) -> Scene:
        """Show a preview."""
        preview = Preview(b"pixels", "image/webp", step, index)
        entry = self.codec.encode_preview(self.id, preview, State.RUNNING, self.meter.read(self.now))
        self.entries.append(read_entry(self.play.kind, self.id, entry.data))
        return self

    def wait(self, position: int) -> Scene:
        """Tell that the queue has moved."""
        entry = self.codec.encode_waiting(self.id, replace(self.last.progress, queue_position=position))
        self.entries.append(read_entry(self.play.kind, self.id, entry.data))
        return self

    def folded(self, reset: str = "", at: int | None = None) -> SharedEntry:
        """Return the log, or its first entries, as a snapshot, or as the reset with this reason."""
        return read_entry(self.play.kind, self.id, self.codec.encode_snapshot(self.id, fold(self.log[:at]), reset))

    @property
    def _at_work(self) -> Stage:
        assert self.stage is not None
        return self.stage

    def _time(self) -> datetime:
        return BEGINNING + timedelta(seconds=self.now, milliseconds=7.9)

    def _store(self, event: Event) -> None:
        self.log.append(event)
        self._history.apply(event)
        self.entries.append(read_entry(self.play.kind, self.id, self.codec.encode(self.id, event).data))
