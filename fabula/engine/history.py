"""The fold: everything that can be read of a generation, computed from its log. Pure.

`History` is the running fold, `Snapshot` what it says at one moment. It checks the rules of the log on the way: dense
sequences, legal transitions, offsets that fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from fabula.engine.events import (
    ZERO_TIME,
    Accepted,
    Claimed,
    Event,
    Failed,
    Failure,
    Paused,
    Pending,
    Progress,
    Released,
    Retried,
    StageFinished,
    StageRestarted,
    StageStarted,
    State,
    Succeeded,
    TextDelta,
)
from fabula.engine.states import enqueues, next_pending, next_state
from fabula.errors import LogCorrupted


@dataclass(frozen=True, slots=True)
class StageView:
    """One stage as the log has it so far.

    Attributes:
        name: The stage's name.
        text: All text it has written.
        finished: Whether it is complete.
        output: Its checkpoint, once finished.
        elapsed: Its working time in seconds, once finished.
        units: Units it did, once finished.
        begun: Working time of the run, in seconds, when the stage began.
    """

    name: str
    text: str = ""
    finished: bool = False
    output: object = None
    elapsed: float = 0.0
    units: int = 0
    begun: float = 0.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A generation at one moment: the fold of its log up to `sequence`.

    Attributes:
        sequence: The last event folded in.
        state: Where it stands; None for an empty log.
        kind, owner, request_id, request: From `Accepted`.
        progress: After the last event.
        pending: What is asked for and not carried out.
        run: Which run this is, from 1.
        attempt: Workers that have had the stage at hand, hand-backs not counted; the next claim's number less one.
        stages: The stages begun in this run or kept from earlier ones, in order.
        queued_sequence: Sequence of the last event that queued the generation.
        failure: Why the last run failed; only in FAILED.
        failed_stage: The stage that failed; only in FAILED.
        result: What came out; only in SUCCEEDED.
        create_time, update_time: Times of the first and last event.
        trace_id: Of the first event.
    """

    sequence: int = 0
    state: State | None = None
    kind: str = ""
    owner: str = ""
    request_id: str = ""
    request: object = None
    progress: Progress = field(default_factory=Progress)
    pending: Pending = Pending.NOTHING
    run: int = 1
    attempt: int = 0
    stages: Mapping[str, StageView] = field(default_factory=lambda: MappingProxyType({}))
    queued_sequence: int = 0
    failure: Failure | None = None
    failed_stage: str = ""
    result: object = None
    create_time: datetime = ZERO_TIME
    update_time: datetime = ZERO_TIME
    trace_id: str = ""

    @property
    def outputs(self) -> dict[str, object]:
        """The outputs of the finished stages, by name, in order."""
        return {stage.name: stage.output for stage in self.stages.values() if stage.finished}


class History:
    """The running fold of one log.

    Args:
        start: A snapshot to go on from; an empty log if absent.
    """

    def __init__(self, start: Snapshot | None = None) -> None:
        self._head = start or Snapshot()
        self._stages = dict(self._head.stages)
        self._texts = {name: [view.text] for name, view in self._stages.items()}
        self._lengths = {name: len(view.text) for name, view in self._stages.items()}

    @property
    def sequence(self) -> int:
        """The last event folded in."""
        return self._head.sequence

    @property
    def state(self) -> State | None:
        """The state after it."""
        return self._head.state

    @property
    def queued_sequence(self) -> int:
        """The last event that queued the generation."""
        return self._head.queued_sequence

    def apply(self, event: Event) -> None:
        """Fold one more event in.

        Raises:
            LogCorrupted: the event does not follow from the log so far.
        """
        head = self._head
        if event.sequence != head.sequence + 1:
            raise LogCorrupted(f"event {event.sequence} follows event {head.sequence}: the log has a gap or a repeat")
        state = next_state(head.state, event.body)
        if state is not event.state:
            raise LogCorrupted(f"event {event.sequence} says {event.state}, but leads to {state}")
        self._apply_to_stages(event)
        changes = _changes(head, event)
        if enqueues(head.state, event.body):
            changes["queued_sequence"] = event.sequence
        self._head = replace(
            head,
            sequence=event.sequence,
            state=state,
            progress=event.progress,
            pending=next_pending(head.pending, event.body),
            update_time=event.time,
            **changes,
        )

    def _apply_to_stages(self, event: Event) -> None:
        match event.body:
            case StageStarted(stage=name):
                if name in self._stages:
                    raise LogCorrupted(f"event {event.sequence} starts stage {name!r}, which has begun before")
                self._open(name, event.progress.elapsed)
            case StageRestarted(stage=name):
                self._at_work(event, name)
                self._open(name, event.progress.elapsed)
            case TextDelta(stage=name, offset=offset, text=text):
                self._at_work(event, name)
                if offset != self._lengths[name]:
                    raise LogCorrupted(f"event {event.sequence} writes at {offset}, not at {self._lengths[name]}")
                self._texts[name].append(text)
                self._lengths[name] += len(text)
            case StageFinished(stage=name, output=output, elapsed=elapsed, units=units):
                view = self._at_work(event, name)
                self._stages[name] = replace(view, finished=True, output=output, elapsed=elapsed, units=units)
            case Retried(from_stage=first):
                self._drop_from(first)

    def _at_work(self, event: Event, name: str) -> StageView:
        """Return the stage that an event belongs to, which must have begun and not be finished."""
        view = self._stages.get(name)
        if view is None or view.finished:
            problem = "has not begun" if view is None else "is finished"
            raise LogCorrupted(f"event {event.sequence} is of stage {name!r}, which {problem}")
        return view

    def _open(self, name: str, begun: float) -> None:
        self._stages[name] = StageView(name, begun=begun)
        self._texts[name] = []
        self._lengths[name] = 0

    def _drop_from(self, first: str) -> None:
        names = list(self._stages)
        cut = names.index(first) if first in names else len(names)
        unfinished = [name for name in names[:cut] if not self._stages[name].finished]
        for name in names[cut:] + unfinished:
            del self._stages[name], self._texts[name], self._lengths[name]

    def snapshot(self) -> Snapshot:
        """Return what the log says now."""
        for name, parts in self._texts.items():
            if len(parts) != 1 or parts[0] != self._stages[name].text:
                text = "".join(parts)
                self._texts[name] = [text]
                self._stages[name] = replace(self._stages[name], text=text)
        return replace(self._head, stages=MappingProxyType(dict(self._stages)))


def _changes(head: Snapshot, event: Event) -> dict[str, Any]:
    """Return the fields of the snapshot that this event changes beside those that every event does."""
    match event.body:
        case Accepted(kind=kind, owner=owner, request_id=request_id, request=request):
            who = {"kind": kind, "owner": owner, "request_id": request_id, "request": request}
            return {**who, "create_time": event.time, "trace_id": event.trace_id}
        case Claimed(attempt=attempt):
            return {"attempt": attempt}
        case Released():
            return {"attempt": max(0, head.attempt - 1)}
        case StageFinished():
            return {"attempt": 1}  # who finished it is the first to have the next one
        case Paused():
            return {"attempt": 0}
        case Retried():
            return {"attempt": 0, "run": head.run + 1, "failure": None, "failed_stage": ""}
        case Failed(failure=failure, stage=stage):
            return {"failure": failure, "failed_stage": stage}
        case Succeeded(result=result):
            return {"result": result}
        case _:
            return {}


def fold(events: Iterable[Event], start: Snapshot | None = None) -> Snapshot:
    """Return the snapshot after `events`, beginning from `start` or an empty log.

    Raises:
        LogCorrupted: the events break the rules of the log.
    """
    history = History(start)
    for event in events:
        history.apply(event)
    return history.snapshot()
