"""What the benchmark of forecasts takes a watcher to know."""

from __future__ import annotations

import pytest

from bench.forecasting import Look, look
from fabula.engine.events import Progress, Remaining

TOLD = (
    Progress(0.1, elapsed=1.0, remaining=Remaining(9.0, 12.0)),
    Progress(0.5, elapsed=4.0, remaining=Remaining(5.0, 7.0)),
    Progress(1.0, elapsed=10.0),
)


def test_a_watcher_counts_down_between_events() -> None:
    """After half of ten seconds, one second after the newest event, a second less is left than it said."""
    assert Look(naive=5.0, p50=4.0, p90=6.0, left=5.0) == look(TOLD, 0.5)


def test_the_newest_event_counts() -> None:
    """What is told later is not known yet."""
    assert look(TOLD, 0.3).p50 == pytest.approx(7.0)
    assert look(TOLD, 0.3).naive == pytest.approx(27.0)


def test_nothing_told_is_an_error() -> None:
    """A forecast that is missing must not pass for a good one."""
    with pytest.raises(ValueError, match="was not told"):
        look((Progress(0.1, elapsed=1.0), Progress(1.0, elapsed=10.0)), 0.5)
