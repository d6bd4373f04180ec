"""Progress of one run: what is done of the plan, who works, how long is left. Pure but for the time it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fabula.engine.events import Progress
from fabula.engine.forecast import Current, Forecast
from fabula.engine.pipeline import Stage

_BEFORE_SUCCESS = 0.999


class Meter:
    """Keeps the progress of one run.

    Args:
        start: The progress that the log ends with; its fraction is never undercut, its elapsed time goes on.
        forecast: What is known of the time that stages take.
        now: Seconds of a clock that only goes forward; every later time is of the same clock.

    Attributes:
        measured: Role, seconds and units of each stage that was finished.
    """

    def __init__(self, start: Progress, forecast: Forecast, now: float) -> None:
        self._progress = replace(start, active_agents=(), queue_position=None)
        self._forecast = forecast
        self._plan: Sequence[Stage] = ()
        self._finished: set[str] = set()
        self._stage: Stage | None = None
        self._worked_before = start.elapsed
        self._begun = now
        self._stage_begun = now
        self._resting = False
        self.measured: list[tuple[str, float, int]] = []

    @property
    def stage(self) -> str:
        """Name of the stage that is at work, or was last; empty before the first."""
        return self._progress.stage

    def plan(self, stages: Sequence[Stage], finished: Sequence[str]) -> None:
        """Take over a plan, and which of its stages are finished."""
        self._plan = stages
        self._finished = set(finished)

    def begin(self, stage: Stage, now: float, *, before: float = 0.0, step: int | None = None) -> None:
        """Begin a stage.

        Args:
            stage: The stage.
            now: The time.
            before: Seconds it was worked at by somebody whose work goes on here.
            step: How far they came.
        """
        self._stage = stage
        self._stage_begun = now - before
        self._resting = False
        self._progress = replace(
            self._progress,
            stage=stage.name,
            message=stage.message,
            step=step if step is not None else stage.units_before if stage.units else None,
            steps=stage.units_in_all or None,
            active_agents=stage.agents,
        )

    def advance(self, step: int | None, steps: int | None, message: str) -> None:
        """Take over how far the stage is; absent values keep what holds."""
        held = self._progress
        self._progress = replace(
            held,
            step=held.step if step is None else step,
            steps=held.steps if steps is None else steps,
            message=message or held.message,
        )

    def agents(self, names: tuple[str, ...]) -> None:
        """Take over who is at work."""
        self._progress = replace(self._progress, active_agents=names)

    def end(self, now: float) -> tuple[float, int]:
        """End the stage; return its seconds and units, and remember them for the stages behind it."""
        if self._stage is None:
            return 0.0, 0
        stage, seconds, units = self._stage, now - self._stage_begun, self._units_done(self._stage)
        self._finished.add(stage.name)
        counted = units or stage.units  # a stage that never said how far it was did what it was expected to do
        self.measured.append((stage.role, seconds, counted))
        self._forecast = self._forecast.after(stage.role, seconds, counted)
        self._stage = None
        self._progress = replace(self._progress, active_agents=(), step=None, steps=None)
        return seconds, units

    def rest(self) -> None:
        """Nobody works any more, and no time is left: the run pauses or ends, unless it goes on after all."""
        self._resting = True
        self._progress = replace(self._progress, active_agents=())

    def go_on(self) -> None:
        """The stage that was at work before the rest is at work again."""
        self._resting = False
        if self._stage is not None:
            self._progress = replace(self._progress, active_agents=self._stage.agents)

    def read(self, now: float, *, done: bool = False) -> Progress:
        """Return the progress at `now`; `done` once the run has succeeded."""
        fraction = 1.0 if done else max(self._progress.fraction, min(self._fraction(), _BEFORE_SUCCESS))
        remaining = None
        if self._plan and not done and not self._resting:
            remaining = self._forecast.remaining(self._plan, frozenset(self._finished), self._current(now))
        elapsed = self._worked_before + now - self._begun
        progress = replace(self._progress, fraction=fraction, elapsed=elapsed, remaining=remaining)
        if not done:  # a success that a cancel has outrun must leave no trace
            self._progress = progress
        return progress

    def _current(self, now: float) -> Current:
        if self._stage is None:
            return Current()
        return Current(self._stage.name, now - self._stage_begun, self._stage_done())

    def _stage_done(self) -> float:
        stage = self._stage
        if stage is None or not self._progress.steps:
            return 0.0
        units = self._progress.steps - stage.units_before - stage.units_after
        return min(1.0, self._units_done(stage) / units) if units > 0 else 0.0

    def _units_done(self, stage: Stage) -> int:
        return max(0, (self._progress.step or 0) - stage.units_before)

    def _fraction(self) -> float:
        total = sum(stage.weight for stage in self._plan)
        if not total:
            return 0.0
        done = sum(stage.weight for stage in self._plan if stage.name in self._finished)
        if self._stage is not None:
            done += self._stage.weight * self._stage_done()
        return done / total
