"""The table of transitions: which event may happen in which state, and what it leads to.

Everything that decides on states asks this module. Pure.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from fabula.engine.events import (
    Accepted,
    Advanced,
    Body,
    Cancelled,
    CancelRequested,
    Claimed,
    Event,
    Failed,
    LogLine,
    Paused,
    PauseRequested,
    Pending,
    Progress,
    Released,
    Resumed,
    Retried,
    StageFinished,
    StageRestarted,
    StageStarted,
    State,
    Succeeded,
    TextDelta,
)
from fabula.errors import Conflict, LogCorrupted

_WORK: tuple[type[Body], ...] = (StageStarted, Advanced, TextDelta, StageFinished, StageRestarted)

TRANSITIONS: dict[tuple[State | None, type[Body]], State] = {
    (None, Accepted): State.QUEUED,
    (State.QUEUED, Claimed): State.RUNNING,
    (State.QUEUED, CancelRequested): State.QUEUED,
    (State.QUEUED, PauseRequested): State.QUEUED,
    (State.QUEUED, Paused): State.PAUSED,
    (State.QUEUED, Cancelled): State.CANCELLED,
    (State.QUEUED, LogLine): State.QUEUED,
    (State.RUNNING, Claimed): State.RUNNING,  # the worker before died
    (State.RUNNING, Released): State.QUEUED,
    **{(State.RUNNING, work): State.RUNNING for work in _WORK},
    (State.RUNNING, LogLine): State.RUNNING,
    (State.RUNNING, CancelRequested): State.RUNNING,
    (State.RUNNING, PauseRequested): State.RUNNING,
    (State.RUNNING, Resumed): State.RUNNING,  # a pause withdrawn before it was carried out
    (State.RUNNING, Paused): State.PAUSED,
    (State.RUNNING, Succeeded): State.SUCCEEDED,
    (State.RUNNING, Failed): State.FAILED,
    (State.RUNNING, Cancelled): State.CANCELLED,
    (State.PAUSED, Resumed): State.QUEUED,
    (State.PAUSED, CancelRequested): State.PAUSED,
    (State.PAUSED, Cancelled): State.CANCELLED,
    (State.FAILED, Retried): State.QUEUED,
}


def next_state(state: State | None, body: Body) -> State:
    """Return the state after `body` happens in `state` (None: the log is empty).

    Raises:
        LogCorrupted: the table does not allow it.
    """
    try:
        return TRANSITIONS[state, type(body)]
    except KeyError:
        raise LogCorrupted(f"{type(body).__name__} cannot happen in state {state}") from None


def next_pending(pending: Pending, body: Body) -> Pending:
    """Return what is asked for and not carried out after `body`. A cancel outweighs a pause."""
    match body:
        case CancelRequested():
            return Pending.CANCEL
        case PauseRequested():
            return pending if pending is Pending.CANCEL else Pending.PAUSE
        case Resumed():
            return pending if pending is Pending.CANCEL else Pending.NOTHING
        case Paused() | Cancelled() | Succeeded() | Failed() | Retried():
            return Pending.NOTHING
        case _:
            return pending


def next_event(last: Event, body: Body, progress: Progress, time: datetime) -> Event:
    """Return the event that follows `last` in its log when `body` happens at `time`.

    Raises:
        LogCorrupted: the table does not allow it.
    """
    return Event(
        sequence=last.sequence + 1,
        body=body,
        state=next_state(last.state, body),
        progress=progress,
        pending=next_pending(last.pending, body),
        run=last.run + 1 if isinstance(body, Retried) else last.run,
        time=time,
        trace_id=last.trace_id,
    )


def enqueues(state: State | None, body: Body) -> bool:
    """Whether `body`, happening in `state`, puts the generation into the queue."""
    return isinstance(body, Accepted | Resumed | Retried) and next_state(state, body) is State.QUEUED


class Command(StrEnum):
    """What a caller may ask of a generation that exists."""

    CANCEL = "cancel"
    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"
    DELETE = "delete"


def decide(command: Command, state: State, pending: Pending, run: int, *, from_stage: str = "") -> tuple[Body, ...]:
    """Return the events that carry out `command`; none if it was carried out or asked for before.

    Args:
        command: What is asked; DELETE writes no event, it is only checked.
        state: Where the generation stands.
        pending: What is asked for already.
        run: Which run this is.
        from_stage: For RETRY: the first stage to do again.

    Raises:
        Conflict: the state does not allow it.
    """
    match command, state:
        case Command.CANCEL, State.QUEUED | State.PAUSED:
            return (CancelRequested(), Cancelled())
        case Command.CANCEL, State.RUNNING:
            return () if pending is Pending.CANCEL else (CancelRequested(),)
        case Command.PAUSE, State.QUEUED:
            return (PauseRequested(), Paused())
        case Command.PAUSE, State.RUNNING if pending is not Pending.CANCEL:
            return () if pending is Pending.PAUSE else (PauseRequested(),)
        case Command.RESUME, State.RUNNING if pending is not Pending.CANCEL:
            return (Resumed(),) if pending is Pending.PAUSE else ()
        case Command.RESUME, State.PAUSED:
            return (Resumed(),)
        case Command.RETRY, State.FAILED:
            return (Retried(from_stage),)
        case (
            (Command.CANCEL, State.CANCELLED)
            | (Command.PAUSE, State.PAUSED)
            | (Command.RESUME, State.QUEUED)
            | (Command.DELETE, State.QUEUED | State.PAUSED | State.SUCCEEDED | State.FAILED | State.CANCELLED)
        ):
            return ()
        case Command.RETRY, State.QUEUED | State.RUNNING | State.PAUSED if run > 1:
            return ()
        case _:
            raise Conflict(_refusal(command, state, pending), command=command.value, state=state.value)


def _refusal(command: Command, state: State, pending: Pending) -> str:
    if state is State.RUNNING and pending is Pending.CANCEL:
        wait = "; try again when it has ended" if command is Command.DELETE else ""
        return f"cannot {command}: the generation is being cancelled{wait}"
    advice = {
        Command.CANCEL: "only a queued, running or paused generation can be cancelled",
        Command.PAUSE: "only a queued or running generation can be paused",
        Command.RESUME: "only a paused generation can be resumed",
        Command.RETRY: "only a failed generation can be retried",
        Command.DELETE: "cancel it first, and delete it when it has ended",
    }[command]
    return f"cannot {command}: the generation is {state}; {advice}"
