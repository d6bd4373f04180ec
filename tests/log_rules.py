"""The rules of the log, as a test can check them on any log, and a few words to make logs with."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from fabula.engine.events import (
    Accepted,
    Body,
    Event,
    Pending,
    Progress,
    Retried,
    StageFinished,
    StageRestarted,
    StageStarted,
    State,
    Succeeded,
    TextDelta,
)
from fabula.engine.history import Snapshot, fold
from fabula.engine.states import next_event

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)

ACCEPTED = Accepted("story", "somebody", "request", None)


def log_of(*bodies: Body) -> list[Event]:
    """Return a log in which these things happen, one each second, behind an `Accepted` if they bring none."""
    first, *rest = bodies if bodies and isinstance(bodies[0], Accepted) else (ACCEPTED, *bodies)
    log = [Event(1, first, State.QUEUED, time=BEGINNING, trace_id="trace")]
    for body in rest:
        last = log[-1]
        progress = Progress(1.0) if isinstance(body, Succeeded) else Progress(0.0)
        log.append(next_event(last, body, progress, last.time + timedelta(seconds=1)))
    return log


def assert_rules(log: Sequence[Event]) -> Snapshot:
    """Check that a log keeps all rules; return its fold."""
    assert list(range(1, len(log) + 1)) == [event.sequence for event in log], "rule 1: dense sequences"
    for before, after in itertools.pairwise(log):
        _assert_follows(before, after)
    snapshot = fold(log)
    assert texts_of(log) == {name: view.text for name, view in snapshot.stages.items() if view.text}, "rule 5: text"
    return snapshot


def assert_cuts(log: Sequence[Event]) -> None:
    """Check that the fold may be cut anywhere: a snapshot and the rest say what the whole says."""
    whole = fold(log)
    for cut in range(len(log) + 1):
        assert whole == fold(log[cut:], start=fold(log[:cut])), f"cut behind event {cut}"


def texts_of(log: Sequence[Event]) -> dict[str, str]:
    """Join the deltas of each stage that the log has not voided, in the plainest way."""
    texts: dict[str, str] = {}
    finished: set[str] = set()
    for event in log:
        match event.body:
            case StageStarted(stage=name) | StageRestarted(stage=name):
                texts[name] = ""
            case TextDelta(stage=name, text=text):
                texts[name] += text
            case StageFinished(stage=name):
                finished.add(name)
            case Retried(from_stage=first):
                names = list(texts)
                cut = names.index(first) if first in names else len(names)
                finished -= set(names[cut:])
                texts = {name: text for name, text in texts.items() if name in finished}
    return {name: text for name, text in texts.items() if text}


def _assert_follows(before: Event, after: Event) -> None:
    """Check what holds between an event and the one before it."""
    assert next_event(before, after.body, after.progress, after.time) == after, (
        "state, pending and run follow the table"
    )
    assert not before.state.terminal or isinstance(after.body, Retried), "rule 3: nothing but Retried after the end"
    progress = after.progress
    assert (progress.fraction == 1.0) == (after.state is State.SUCCEEDED), "rule 4: 1.0 with SUCCEEDED only"
    assert 0.0 <= progress.fraction <= 1.0
    if after.run == before.run:
        assert progress.fraction >= before.progress.fraction, "rule 4: the fraction never goes down"
        assert progress.elapsed >= before.progress.elapsed, "working time never goes down"
    if progress.remaining is not None:
        assert 0.0 <= progress.remaining.p50 <= progress.remaining.p90
        assert after.state is State.RUNNING, "no time is left where nobody works"
    assert not progress.active_agents or after.state is State.RUNNING, "nobody is at work unless it runs"
    assert after.pending is Pending.NOTHING or not after.state.terminal, "nothing is asked of what has ended"
