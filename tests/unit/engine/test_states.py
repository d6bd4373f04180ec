"""The table of transitions, and what commands lead to."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest

from fabula.engine.events import (
    Accepted,
    Advanced,
    Body,
    Cancelled,
    CancelRequested,
    Claimed,
    Failed,
    Failure,
    LogLine,
    Paused,
    PauseRequested,
    Pending,
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
from fabula.engine.states import Command, decide, enqueues, next_event, next_pending, next_state
from fabula.errors import Conflict, LogCorrupted
from tests.log_rules import BEGINNING, log_of

BODIES: dict[str, Body] = {
    type(body).__name__: body
    for body in (
        Accepted("story", "somebody", "request", None),
        Claimed("worker", 1),
        Released("worker"),
        StageStarted("write"),
        Advanced("write"),
        TextDelta("write", 0, "once"),
        StageFinished("write"),
        StageRestarted("write"),
        LogLine("hello"),
        CancelRequested(),
        PauseRequested(),
        Paused(),
        Resumed(),
        Retried("write"),
        Succeeded(),
        Failed(Failure("INTERNAL", "it broke")),
        Cancelled(),
    )
}
WORK = "StageStarted Advanced TextDelta StageFinished StageRestarted LogLine Claimed"
TABLE: dict[State | None, dict[str, State]] = {
    None: {"Accepted": State.QUEUED},
    State.QUEUED: {
        **dict.fromkeys(("LogLine", "CancelRequested", "PauseRequested"), State.QUEUED),
        "Claimed": State.RUNNING,
        "Paused": State.PAUSED,
        "Cancelled": State.CANCELLED,
    },
    State.RUNNING: {
        **dict.fromkeys((*WORK.split(), "CancelRequested", "PauseRequested", "Resumed"), State.RUNNING),
        "Released": State.QUEUED,
        "Paused": State.PAUSED,
        "Succeeded": State.SUCCEEDED,
        "Failed": State.FAILED,
        "Cancelled": State.CANCELLED,
    },
    State.PAUSED: {"Resumed": State.QUEUED, "CancelRequested": State.PAUSED, "Cancelled": State.CANCELLED},
    State.SUCCEEDED: {},
    State.FAILED: {"Retried": State.QUEUED},
    State.CANCELLED: {},
}
"""The table as design says it, written a second time by hand."""

STANDINGS = [
    (State.QUEUED, Pending.NOTHING),
    (State.RUNNING, Pending.NOTHING),
    (State.RUNNING, Pending.PAUSE),
    (State.RUNNING, Pending.CANCEL),
    (State.PAUSED, Pending.NOTHING),
    (State.SUCCEEDED, Pending.NOTHING),
    (State.FAILED, Pending.NOTHING),
    (State.CANCELLED, Pending.NOTHING),
]
NONE: tuple[Body, ...] = ()
ANSWERS: dict[Command, list[tuple[Body, ...] | None]] = {  # in the order of STANDINGS; None: refused
    Command.CANCEL: [
        (CancelRequested(), Cancelled()),
        (CancelRequested(),),
        (CancelRequested(),),
        NONE,
        (CancelRequested(), Cancelled()),
        None,
        None,
        NONE,
    ],
    Command.PAUSE: [(PauseRequested(), Paused()), (PauseRequested(),), NONE, None, NONE, None, None, None],
    Command.RESUME: [NONE, NONE, (Resumed(),), None, (Resumed(),), None, None, None],
    Command.RETRY: [None, None, None, None, None, None, (Retried("write"),), None],
    Command.DELETE: [NONE, None, None, None, NONE, NONE, NONE, NONE],
}


def test_bodies_of_this_test_are_all_there_are() -> None:
    """No event is forgotten in the tables below."""
    assert {body.__name__ for body in get_args(Body)} == set(BODIES)


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("state", [None, *State])
def test_table_of_transitions(state: State | None, name: str) -> None:
    """Every event in every state leads where the table says, or is refused as corruption."""
    expected = TABLE[state].get(name)
    if expected is None:
        with pytest.raises(LogCorrupted, match=name):
            next_state(state, BODIES[name])
    else:
        assert expected is next_state(state, BODIES[name])


def test_terminal_states_are_those_that_only_a_retry_leaves() -> None:
    """Terminal means that nothing but Retried may follow."""
    final = {state for state in State if set(TABLE[state]) <= {"Retried"}}

    assert final == {state for state in State if state.terminal}


@pytest.mark.parametrize(("command", "index"), list(itertools.product(Command, range(len(STANDINGS)))))
def test_answers_to_commands_in_a_first_run(command: Command, index: int) -> None:
    """Every command in every standing is carried out, known to be carried out already, or refused with advice."""
    state, pending = STANDINGS[index]
    expected = ANSWERS[command][index]
    if expected is None:
        with pytest.raises(Conflict) as refusal:
            decide(command, state, pending, 1, from_stage="write")
        assert {"command": command.value, "state": state.value} == dict(refusal.value.details)
        assert f"cannot {command}" in refusal.value.message
    else:
        assert expected == decide(command, state, pending, 1, from_stage="write")


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING, State.PAUSED])
def test_retry_repeated_is_known_to_be_carried_out(state: State) -> None:
    """A second RetryGeneration, sent because the answer to the first was lost, does nothing."""
    assert decide(Command.RETRY, state, Pending.NOTHING, 2) == ()


@pytest.mark.parametrize(("command", "index"), list(itertools.product(Command, range(len(STANDINGS)))))
def test_commands_are_idempotent(command: Command, index: int) -> None:
    """Where a command is carried out, the same command behind it writes nothing more."""
    state, pending = STANDINGS[index]
    run = 1
    try:
        bodies = decide(command, state, pending, run)
    except Conflict:
        return
    for body in bodies:
        run += isinstance(body, Retried)
        state, pending = next_state(state, body), next_pending(pending, body)

    assert decide(command, state, pending, run) == ()


@pytest.mark.parametrize(
    ("pending", "body", "expected"),
    [
        (Pending.NOTHING, PauseRequested(), Pending.PAUSE),
        (Pending.CANCEL, PauseRequested(), Pending.CANCEL),
        (Pending.PAUSE, CancelRequested(), Pending.CANCEL),
        (Pending.PAUSE, Resumed(), Pending.NOTHING),
        (Pending.CANCEL, Resumed(), Pending.CANCEL),
        (Pending.PAUSE, Paused(), Pending.NOTHING),
        (Pending.CANCEL, Cancelled(), Pending.NOTHING),
        (Pending.PAUSE, Succeeded(), Pending.NOTHING),
        (Pending.PAUSE, Claimed("worker", 2), Pending.PAUSE),
        (Pending.CANCEL, TextDelta("write", 0, "once"), Pending.CANCEL),
    ],
)
def test_what_is_asked_for(pending: Pending, body: Body, expected: Pending) -> None:
    """A cancel outweighs a pause; what is carried out, or has become pointless, is asked for no more."""
    assert expected is next_pending(pending, body)


def test_what_queues() -> None:
    """Only the start, a resumption after a pause, and a retry put a generation into the queue."""
    queueing = {
        (state, name)
        for state, name in itertools.product((None, *State), BODIES)
        if name in TABLE[state] and enqueues(state, BODIES[name])
    }

    assert {(None, "Accepted"), (State.PAUSED, "Resumed"), (State.FAILED, "Retried")} == queueing


def test_next_event_counts_on() -> None:
    """The next event has the next number, the state after it, and the run it belongs to."""
    last = log_of(Claimed("worker", 1), Failed(Failure("INTERNAL", "it broke")))[-1]

    event = next_event(last, Retried("write"), last.progress, BEGINNING)

    assert (4, State.QUEUED, 2, "trace") == (event.sequence, event.state, event.run, event.trace_id)
