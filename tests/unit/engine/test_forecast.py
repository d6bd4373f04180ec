"""The time left."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.engine.events import Remaining
from fabula.engine.forecast import KEPT_SAMPLES, Current, Forecast, Pace, add_up
from fabula.engine.pipeline import Stage
from tests.unit.engine.test_meter import _nothing

PLAN = [Stage("outline", _nothing), *(Stage(f"write-{number}", _nothing, units=100) for number in (1, 2))]
NOTHING_DONE = frozenset[str]()


def test_interval_of_known_paces() -> None:
    """Medians add up, and so do upper bounds: the stages of one run are slow together."""
    forecast = Forecast({"outline": Pace((1.0, 2.0, 3.0)), "write": Pace((0.1, 0.2, 0.3))})

    left = forecast.remaining(PLAN, NOTHING_DONE, Current())

    assert left is not None
    assert left.p50 == pytest.approx(42.0)
    assert left.p90 == pytest.approx(2.8 + 2 * 28.0)


def test_run_that_is_slow_is_expected_to_stay_slow() -> None:
    """An outline that took twice its time makes the chapters longer, though not twice: it may have been chance."""
    forecast = Forecast({"outline": Pace((5.0,)), "write": Pace((0.1,))})

    left = forecast.after("outline", 10.0, 0).remaining(PLAN, frozenset({"outline"}), Current())

    assert left is not None
    assert left.p50 == pytest.approx(20.0 * (10.0 + 0.3 * 25.0) / (5.0 + 0.3 * 25.0))


def test_stage_at_work_shows_the_tempo_too() -> None:
    """A chapter that is half done at half the usual pace slows the next one down."""
    forecast = Forecast({"write": Pace((0.1,))})

    left = forecast.remaining(PLAN[1:], NOTHING_DONE, Current("write-1", 10.0, 0.5))

    assert left is not None
    assert left.p50 == pytest.approx(10.0 + 10.0 * (10.0 + 0.3 * 20.0) / (5.0 + 0.3 * 20.0))


def test_first_generation_goes_by_its_own_finished_stages() -> None:
    """Where no earlier generation had a role, this run's own stages tell of the next of them."""
    forecast = Forecast({"write": Pace()}).after("write", 30.0, 100)

    assert Remaining(30.0, 30.0) == forecast.remaining(PLAN, frozenset({"outline", "write-1"}), Current())


def test_spreads_add_in_squares() -> None:
    """Two independent spreads of 3 and 4 seconds make one of 5."""
    assert Remaining(30.0, 35.0) == add_up([Remaining(10.0, 13.0), Remaining(20.0, 24.0)])


def test_unknown_is_a_legitimate_answer() -> None:
    """Where too much has never been timed, nothing is said."""
    assert Forecast({"outline": Pace((1.0,))}).remaining(PLAN, NOTHING_DONE, Current()) is None
    assert Forecast().remaining(PLAN, NOTHING_DONE, Current()) is None


def test_little_unknown_work_is_passed_over() -> None:
    """A light stage that was never timed does not make the whole unknown."""
    plan = [Stage("write", _nothing, weight=100), Stage("keep", _nothing, weight=1)]

    assert Remaining(7.0, 7.0) == Forecast({"write": Pace((7.0,))}).remaining(plan, NOTHING_DONE, Current())


def test_finished_stages_take_no_time() -> None:
    """Only what is still to do counts."""
    forecast = Forecast({"outline": Pace((5.0,)), "write": Pace((0.1,))})

    assert Remaining(10.0, 10.0) == forecast.remaining(PLAN, frozenset({"outline", "write-1"}), Current())


def test_stage_at_work_takes_what_is_left_of_it() -> None:
    """Before its own pace can be told, what it usually takes, less what it took; never less than nothing."""
    forecast = Forecast({"write": Pace((0.1,))})
    plan = PLAN[1:2]

    assert Remaining(7.0, 7.0) == forecast.remaining(plan, NOTHING_DONE, Current("write-1", 3.0, 0.0))
    assert Remaining(0.0, 0.0) == forecast.remaining(plan, NOTHING_DONE, Current("write-1", 30.0, 0.0))


def test_own_pace_counts_from_a_tenth_on() -> None:
    """A stage that is a quarter done tells by itself how long the rest takes, whatever others took."""
    forecast = Forecast({"write": Pace((0.1,))})

    assert Remaining(15.0, 15.0) == forecast.remaining(PLAN[1:2], NOTHING_DONE, Current("write-1", 5.0, 0.25))


def test_own_pace_needs_no_earlier_generation() -> None:
    """The very first generation on a machine has a forecast as soon as it can be told, with a wide guess."""
    assert Remaining(15.0, 22.5) == Forecast().remaining(PLAN[1:2], NOTHING_DONE, Current("write-1", 5.0, 0.25))


def test_spread_is_bounded() -> None:
    """A median of next to nothing does not make the bound infinite."""
    assert 20.0 == Pace((5e-324, 5e-324, 5e-324, 9.0)).spread


def test_empty_pace_is_as_good_as_none() -> None:
    """A pace without samples is unknown, and breaks nothing."""
    forecast = Forecast({"write": Pace()})

    assert forecast.remaining(PLAN[1:2], NOTHING_DONE, Current()) is None
    assert Remaining(15.0, 22.5) == forecast.remaining(PLAN[1:2], NOTHING_DONE, Current("write-1", 5.0, 0.25))


def test_pace_forgets_the_oldest() -> None:
    """A machine that was changed is followed."""
    pace = Pace()
    for seconds in range(KEPT_SAMPLES + 10):
        pace = pace.add(float(seconds), 1)

    assert tuple(map(float, range(10, KEPT_SAMPLES + 10))) == pace.samples


def test_pace_is_per_unit() -> None:
    """Long and short chapters have one pace; a stage that does not count is one unit."""
    assert (0.5, 3.0) == Pace().add(50.0, 100).add(3.0, 0).samples


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60), st.floats(0, 1))
def test_quantile_lies_within_the_samples(samples: list[float], share: float) -> None:
    """Between the smallest and the largest; the median is the median."""
    quantile = Pace(tuple(samples)).quantile(share)

    assert min(samples) <= quantile + 1e-6
    assert quantile <= max(samples) + 1e-6


@given(
    st.lists(st.floats(0, 1e5), max_size=8),
    st.lists(st.floats(0, 1e5), max_size=8),
    st.floats(0, 1e5),
    st.floats(0, 1),
)
def test_interval_is_ordered_and_never_negative(
    outline: list[float], write: list[float], seconds: float, done: float
) -> None:
    """Whatever was measured: none, or 0 ≤ p50 ≤ p90, both finite."""
    paces = {"outline": Pace(tuple(outline)), "write": Pace(tuple(write))}
    left = Forecast(paces).remaining(PLAN, NOTHING_DONE, Current("write-1", seconds, done))

    assert left is None or 0.0 <= left.p50 <= left.p90 < math.inf
