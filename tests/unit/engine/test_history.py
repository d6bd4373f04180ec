"""The fold, by examples."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fabula.engine.events import (
    Advanced,
    Body,
    Cancelled,
    CancelRequested,
    Claimed,
    Event,
    Failed,
    Failure,
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
from fabula.engine.history import History, StageView, fold
from fabula.errors import LogCorrupted
from tests.log_rules import assert_cuts, assert_rules, log_of

CLAIMED = Claimed("worker", 1)
OUTLINED = (CLAIMED, StageStarted("outline"), StageFinished("outline", "three chapters", 2.0, 7))
WRITING = (*OUTLINED, StageStarted("write"), TextDelta("write", 0, "Once upon"), TextDelta("write", 9, " a time"))
FAILED = Failed(Failure("MODEL_CRASHED", "the model's process died"), "write")


def test_story_from_beginning_to_end() -> None:
    """The fold of a plain success knows everything that happened."""
    log = log_of(*WRITING, StageFinished("write", "a story", 5.0, 4), Succeeded("a story"))

    snapshot = assert_rules(log)

    assert State.SUCCEEDED is snapshot.state
    assert {"outline": "three chapters", "write": "a story"} == snapshot.outputs
    assert StageView("write", "Once upon a time", True, "a story", 5.0, 4) == snapshot.stages["write"]
    assert "a story" == snapshot.result
    assert (log[0].time, log[-1].time) == (snapshot.create_time, snapshot.update_time)
    assert ("story", "somebody", "request", "trace") == (
        snapshot.kind,
        snapshot.owner,
        snapshot.request_id,
        snapshot.trace_id,
    )


def test_empty_log_folds_to_nothing() -> None:
    """Before the first event there is no state."""
    assert (None, 0) == (fold([]).state, fold([]).sequence)


def test_restarted_stage_voids_what_it_wrote() -> None:
    """After StageRestarted a stage's text begins anew."""
    snapshot = assert_rules(log_of(*WRITING, StageRestarted("write", "interrupted"), TextDelta("write", 0, "A fox")))

    assert "A fox" == snapshot.stages["write"].text


def test_retry_keeps_the_stages_before_the_failed_one() -> None:
    """A retry from the failed stage forgets that stage, and nothing else."""
    snapshot = assert_rules(log_of(*WRITING, FAILED, Retried("write")))

    assert ["outline"] == list(snapshot.stages)
    assert (2, 0, None, "") == (snapshot.run, snapshot.attempt, snapshot.failure, snapshot.failed_stage)


def test_retry_from_an_earlier_stage_forgets_all_from_there() -> None:
    """A retry from an earlier stage does it and everything behind it again."""
    snapshot = assert_rules(log_of(*WRITING, FAILED, Retried("outline")))

    assert {} == dict(snapshot.stages)


def test_retry_from_no_stage_keeps_what_is_finished() -> None:
    """Where the failure belongs to no stage, the finished ones are kept and half-done work is not."""
    snapshot = assert_rules(log_of(*WRITING, FAILED, Retried("")))

    assert ["outline"] == list(snapshot.stages)


def test_failure_is_told_with_its_stage() -> None:
    """A failed run says why and where."""
    snapshot = assert_rules(log_of(*WRITING, FAILED))

    assert (FAILED.failure, "write") == (snapshot.failure, snapshot.failed_stage)


@pytest.mark.parametrize(
    ("bodies", "attempt"),
    [
        ((CLAIMED,), 1),
        ((CLAIMED, Claimed("second", 2)), 2),
        ((CLAIMED, Claimed("second", 2), Released("second")), 1),
        ((CLAIMED, Released("worker")), 0),
        (OUTLINED, 1),
        ((*OUTLINED, Claimed("second", 2)), 2),
        ((*OUTLINED, Released("worker")), 0),
        ((CLAIMED, Claimed("second", 2), PauseRequested(), Paused()), 0),
        ((CLAIMED, Claimed("second", 2), PauseRequested(), Resumed()), 2),
        ((CLAIMED, FAILED, Retried("")), 0),
    ],
    ids=lambda value: value if isinstance(value, int) else "-".join(type(body).__name__ for body in value),
)
def test_attempts_count_who_had_the_stage_at_hand(bodies: tuple[Body, ...], attempt: int) -> None:
    """A death costs an attempt; a hand-back, a pause and a finished stage do not; a withdrawn pause changes nothing."""
    assert attempt == fold(log_of(*bodies)).attempt


def test_queued_sequence_is_that_of_the_last_event_that_queued() -> None:
    """Start, resumption after a pause and retry queue; a hand-back and a withdrawn pause do not."""
    log = log_of(
        CLAIMED,
        Released("worker"),
        Claimed("second", 1),
        PauseRequested(),
        Resumed(),
        PauseRequested(),
        Paused(),
        Resumed(),
        Claimed("third", 1),
        FAILED,
        Retried("write"),
    )

    assert [1, 1, 1, 1, 1, 1, 1, 1, 9, 9, 9, 12] == [
        fold(log[:length]).queued_sequence for length in range(1, len(log) + 1)
    ]


def test_pending_request_is_that_of_the_newest_event() -> None:
    """The fold and the newest event agree on what is asked for."""
    log = log_of(CLAIMED, PauseRequested(), CancelRequested(), Cancelled())

    assert [Pending.NOTHING, Pending.NOTHING, Pending.PAUSE, Pending.CANCEL, Pending.NOTHING] == [
        fold(log[:length]).pending for length in range(1, len(log) + 1)
    ]


def test_stage_remembers_when_it_began() -> None:
    """So that who goes on with it can tell how long it has taken in all."""
    log = log_of(CLAIMED)
    log.append(replace(_next(log, StageStarted("write")), progress=Progress(elapsed=12.5)))

    assert 12.5 == fold(log).stages["write"].begun


def test_fold_may_be_cut_anywhere() -> None:
    """A snapshot and the rest say what the whole log says, at every cut."""
    restarted = (StageRestarted("write"), TextDelta("write", 0, "A"), LogLine("hm"), Advanced("write", 1, 2))

    assert_cuts(log_of(*WRITING, *restarted, FAILED, Retried("write"), Claimed("second", 1), StageStarted("write")))


def test_snapshot_stands_still_while_the_history_goes_on() -> None:
    """What was handed out is not changed by later events."""
    log = log_of(*WRITING)
    history = History()
    for event in log[:-1]:
        history.apply(event)
    before = history.snapshot()

    history.apply(log[-1])

    assert ("Once upon", "Once upon a time") == (before.stages["write"].text, history.snapshot().stages["write"].text)


@pytest.mark.parametrize(
    ("bodies", "problem"),
    [
        ((*WRITING, TextDelta("write", 9, "!")), "writes at 9, not at 16"),
        ((*WRITING, TextDelta("write", 17, "!")), "writes at 17, not at 16"),
        ((CLAIMED, TextDelta("write", 0, "!")), "has not begun"),
        ((CLAIMED, StageFinished("write")), "has not begun"),
        ((CLAIMED, StageRestarted("write")), "has not begun"),
        ((*OUTLINED, TextDelta("outline", 0, "!")), "is finished"),
        ((*OUTLINED, StageFinished("outline")), "is finished"),
        ((*OUTLINED, StageRestarted("outline")), "is finished"),
        ((*OUTLINED, StageStarted("outline")), "has begun before"),
    ],
)
def test_events_that_do_not_fit_their_stage_are_corruption(bodies: tuple[Body, ...], problem: str) -> None:
    """Offsets must fit, and work belongs to a stage that has begun and is not finished."""
    with pytest.raises(LogCorrupted, match=problem):
        fold(log_of(*bodies))


def test_gaps_and_repeats_are_corruption() -> None:
    """Sequences are dense: neither a missing event nor one twice is passed over."""
    log = log_of(*WRITING)
    for index in range(1, len(log) - 1):
        with pytest.raises(LogCorrupted, match="gap or a repeat"):
            fold(log[:index] + log[index + 1 :])
        with pytest.raises(LogCorrupted, match="gap or a repeat"):
            fold([*log[: index + 1], *log[index:]])


def test_state_that_does_not_follow_is_corruption() -> None:
    """An event that claims a state it does not lead to is not believed."""
    log = log_of(CLAIMED)

    with pytest.raises(LogCorrupted, match="says paused, but leads to running"):
        fold([log[0], replace(log[1], state=State.PAUSED)])


def _next(log: list[Event], body: Body) -> Event:
    return log_of(*(event.body for event in log), body)[-1]
