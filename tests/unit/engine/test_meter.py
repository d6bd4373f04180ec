"""Progress of one run."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fabula.engine.events import Progress, Remaining
from fabula.engine.forecast import Forecast, Pace
from fabula.engine.meter import Meter
from fabula.engine.pipeline import Outputs, Stage, StageContext


async def _nothing(_context: StageContext, _outputs: Outputs) -> None:
    """Stand where a stage's work would."""


OUTLINE = Stage("outline", _nothing, ("Planner",), weight=1, message="Planning")
WRITE = Stage("write-1", _nothing, ("Writer",), weight=2, message="Writing", units=100)
KEEP = Stage("keep", _nothing, weight=1)
PLAN = (OUTLINE, WRITE, KEEP)


def _meter(start: Progress | None = None, forecast: Forecast | None = None, now: float = 0.0) -> Meter:
    meter = Meter(start or Progress(), forecast or Forecast(), now)
    meter.plan(PLAN, ())
    return meter


def test_stage_at_work_is_shown() -> None:
    """Progress names the stage, its message, who works, and how far it has come."""
    meter = _meter()
    meter.begin(WRITE, 1.0)
    meter.advance(25, None, "")

    assert Progress(0.125, "write-1", "Writing", 25, 100, ("Writer",), 3.0, None) == meter.read(3.0)


def test_fraction_is_the_weighted_part_of_the_plan() -> None:
    """Finished stages count with their weight, the one at work with the part that is done."""
    meter = _meter()
    fractions = [meter.read(0).fraction]
    for stage in PLAN:
        meter.begin(stage, 0)
        meter.end(0)
        fractions.append(meter.read(0).fraction)

    assert [0.0, 0.25, 0.75, 0.999] == fractions
    assert meter.read(0, done=True).fraction == 1.0


def test_fraction_does_not_go_down_when_the_plan_grows() -> None:
    """A plan that grows, or a stage that restarts, stops the fraction; it does not turn it back."""
    meter = _meter()
    meter.begin(OUTLINE, 0)
    meter.end(0)
    assert 0.25 == meter.read(0).fraction

    meter.plan((OUTLINE, *(Stage(f"write-{number}", _nothing) for number in range(20))), ["outline"])

    assert 0.25 == meter.read(0).fraction


def test_fraction_never_undercuts_what_the_log_says() -> None:
    """Who goes on with a run begins from the progress that was shown last."""
    assert 0.6 == _meter(Progress(fraction=0.6)).read(0).fraction


def test_success_that_is_outrun_leaves_no_trace() -> None:
    """Reading the progress of a success that is then not stored does not make a cancelled run look done."""
    meter = _meter()
    for stage in PLAN:
        meter.begin(stage, 0)
        meter.end(0)
    assert meter.read(0, done=True).fraction == 1.0

    assert 0.999 == meter.read(0).fraction


def test_elapsed_goes_on_from_the_log() -> None:
    """Working time of an earlier worker counts; the time between does not."""
    meter = _meter(Progress(elapsed=40.0), now=1000.0)

    assert 45.0 == meter.read(1005.0).elapsed


def test_end_tells_seconds_and_units() -> None:
    """A finished stage has taken its seconds and done its units, and nobody is at work then."""
    meter = _meter()
    meter.begin(WRITE, 10.0)
    meter.advance(80, None, "")

    assert (8.0, 80) == meter.end(18.0)
    assert [("write", 8.0, 80)] == meter.measured
    assert ((), None, None) == (meter.read(18).active_agents, meter.read(18).step, meter.read(18).steps)


def test_stage_that_never_counted_did_what_was_expected() -> None:
    """Else one stage that forgets to count would spoil the pace of all like it."""
    meter = _meter()
    meter.begin(WRITE, 0.0)

    assert (5.0, 0) == meter.end(5.0)
    assert [("write", 5.0, 100)] == meter.measured


def test_stage_that_goes_on_counts_its_earlier_work() -> None:
    """Seconds and units of a worker that died belong to the stage: its pace is that of the whole."""
    meter = Meter(Progress(elapsed=30.0), Forecast(), 100.0)
    meter.plan([WRITE], [])
    meter.begin(WRITE, 100.0, before=20.0, step=50)

    shown = meter.read(100.0)
    meter.advance(100, None, "")

    assert (50, 0.5, Remaining(20.0, 30.0)) == (shown.step, shown.fraction, shown.remaining)
    assert (30.0, 100) == meter.end(110.0)


def test_stages_may_count_as_one() -> None:
    """The second of two models goes on counting where the first has ended; each has its own part of the work."""
    base = Stage("base", _nothing, weight=40, units=40, units_after=10)
    refiner = Stage("refiner", _nothing, weight=10, units=10, units_before=40)
    meter = Meter(Progress(), Forecast(), 0.0)
    meter.plan([base, refiner], [])
    meter.begin(base, 0.0)
    meter.advance(20, 50, "")
    half = meter.read(20.0)
    meter.advance(40, 50, "")
    assert (40.0, 40) == meter.end(40.0)

    meter.begin(refiner, 40.0)
    begun = meter.read(40.0)
    meter.advance(45, None, "")
    later = meter.read(45.0)

    assert (20, 50, 0.4) == (half.step, half.steps, half.fraction)
    assert (40, 50, 0.8) == (begun.step, begun.steps, begun.fraction)
    assert (45, 50, 0.9, Remaining(5.0, 7.5)) == (later.step, later.steps, later.fraction, later.remaining)
    assert (10.0, 5) == meter.end(50.0)


def test_own_pace_is_learnt_within_the_run() -> None:
    """What the first chapter took foretells the second."""
    chapters = [Stage(f"write-{number}", _nothing, units=100) for number in (1, 2)]
    meter = Meter(Progress(), Forecast(), 0.0)
    meter.plan(chapters, [])
    meter.begin(chapters[0], 0.0)
    assert meter.read(0.0).remaining is None
    meter.advance(100, None, "")
    meter.end(10.0)

    assert Remaining(10.0, 10.0) == meter.read(10.0).remaining


def test_rest_leaves_nobody_at_work_and_no_time() -> None:
    """A run that pauses or ends has no agents and no time left, and takes both up again if it goes on."""
    forecast = Forecast({stage.role: Pace((1.0,)) for stage in PLAN})
    meter = _meter(forecast=forecast)
    meter.begin(WRITE, 0.0)
    meter.rest()
    resting = meter.read(1.0)
    meter.go_on()
    again = meter.read(1.0)

    assert ((), None) == (resting.active_agents, resting.remaining)
    assert ("Writer",) == again.active_agents
    assert again.remaining is not None


def test_agents_may_change_within_a_stage() -> None:
    """Who is at work is true at every moment."""
    meter = _meter()
    meter.begin(WRITE, 0.0)
    meter.agents(("Writer", "Critic"))

    assert ("Writer", "Critic") == meter.read(0.0).active_agents


@given(st.lists(st.tuples(st.sampled_from(["begin", "advance", "end", "grow", "rest", "done"]), st.integers(0, 200))))
def test_fraction_never_goes_down(moves: list[tuple[str, int]]) -> None:
    """Whatever a stage says of its steps, and however the plan grows."""
    meter, before, plan = _meter(), 0.0, list(PLAN)
    for number, (move, value) in enumerate(moves):
        match move:
            case "begin":
                meter.begin(plan[value % len(plan)], float(number))
            case "advance":
                meter.advance(value, None, "")
            case "end":
                meter.end(float(number))
            case "grow":
                plan.append(Stage(f"more-{number}", _nothing, weight=float(value)))
                meter.plan(plan, [stage.name for stage in plan[: value % len(plan)]])
            case "rest":
                meter.rest()
            case _:
                assert 1.0 == meter.read(float(number), done=True).fraction
        progress = meter.read(float(number))
        assert before <= progress.fraction < 1.0
        before = progress.fraction
