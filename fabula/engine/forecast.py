"""How long is left: told from how long the same work took before. Pure.

A `Pace` holds what one role of stage took per unit in earlier generations. The time left is the sum over what is still
to do, at the tempo that this run has shown so far. Stages of one run are slow together, for they share their machine
and their subject: so both medians and upper bounds add up. Runs that follow one another are independent: their spreads
add in squares (`add_up`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import sqrt

from fabula.engine.events import Remaining
from fabula.engine.pipeline import Stage

KEPT_SAMPLES = 40
"""Samples kept of each role, one a generation: enough for a ninth decile, few enough to follow a changed machine."""

_UNKNOWN_SHARE = 0.05
_OWN_PACE_FROM = 0.1
_UNKNOWN_SPREAD = 1.5
_LARGEST_SPREAD = 20.0  # a median of next to nothing would make the bound infinite
_USUAL_SHARE = 0.3  # of a whole run's usual time: so much of it at the usual tempo outweighs what the run shows itself


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds per unit that one role took, oldest first; a stage that does not count is one unit."""

    samples: tuple[float, ...] = ()

    def add(self, seconds: float, units: int) -> Pace:
        """Return the pace with one more stage taken in."""
        return Pace((*self.samples, seconds / max(1, units))[-KEPT_SAMPLES:])

    def quantile(self, share: float) -> float:
        """Return the value that `share` (0 to 1) of the samples do not exceed, between samples by straight line."""
        ordered = sorted(self.samples)
        place = share * (len(ordered) - 1)
        low = int(place)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (ordered[high] - ordered[low]) * (place - low)

    @property
    def spread(self) -> float:
        """How many times the median the ninth decile is; a guess where nothing was sampled."""
        median = self.quantile(0.5) if self.samples else 0.0
        return min(self.quantile(0.9) / median, _LARGEST_SPREAD) if median > 0 else _UNKNOWN_SPREAD


Paces = Mapping[str, Pace]
"""The pace of each role of stage."""


@dataclass(frozen=True, slots=True)
class Current:
    """The stage at work.

    Attributes:
        name: Its name; empty between stages.
        seconds: How long it has worked.
        done: Part of it that is done, 0 to 1.
    """

    name: str = ""
    seconds: float = 0.0
    done: float = 0.0


@dataclass(frozen=True, slots=True)
class _Usual:
    """What a unit of a role usually takes, and how many times the median the ninth decile is."""

    p50: float
    p90: float
    spread: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """Tells the time left of one run.

    Attributes:
        paces: What is known from earlier generations.
        own: What finished stages of this run took, of roles that no earlier generation had.
        worked: Seconds that finished stages of this run took, of roles that earlier generations had.
        foretold: Seconds that these should have taken.
    """

    paces: Paces = field(default_factory=dict)
    own: Paces = field(default_factory=dict)
    worked: float = 0.0
    foretold: float = 0.0
    _known: dict[str, _Usual | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def after(self, role: str, seconds: float, units: int) -> Forecast:
        """Return the forecast behind a finished stage of this run."""
        usual = self._usual(role)
        if usual is not None and self._had_earlier(role):
            foretold = usual.p50 * max(1, units)
            return replace(self, worked=self.worked + seconds, foretold=self.foretold + foretold)
        return replace(self, own={**self.own, role: self.own.get(role, Pace()).add(seconds, units)})

    def remaining(self, plan: Sequence[Stage], finished: frozenset[str], current: Current) -> Remaining | None:
        """Return the time left, or None when too much of the work has never been timed."""
        total_weight = sum(stage.weight for stage in plan) or 1.0
        tempo = self._tempo(plan, current)
        unknown = p50 = p90 = 0.0
        for stage in plan:
            if stage.name in finished:
                continue
            left = self._left(stage, current if stage.name == current.name else Current(), tempo)
            if left is None:
                unknown += stage.weight / total_weight
            else:
                p50, p90 = p50 + left.p50, p90 + left.p90
        return None if unknown > _UNKNOWN_SHARE else Remaining(p50, p90)

    def _left(self, stage: Stage, current: Current, tempo: float) -> Remaining | None:
        left = 1.0 - current.done
        usual = self._usual(stage.role)
        if current.done >= _OWN_PACE_FROM:
            own = current.seconds / current.done
            return Remaining(own * left, own * left * (usual.spread if usual else _UNKNOWN_SPREAD))
        if usual is None:
            return None
        units = max(1, stage.units) * tempo
        return Remaining(max(0.0, usual.p50 * units - current.seconds), max(0.0, usual.p90 * units - current.seconds))

    def _tempo(self, plan: Sequence[Stage], current: Current) -> float:
        """Return how many times the usual this run takes: what it shows, and the usual for what it cannot show yet."""
        worked, foretold, whole = self.worked, self.foretold, 0.0
        for stage in plan:
            usual = self._usual(stage.role)
            if usual is None or not self._had_earlier(stage.role):
                continue
            seconds = usual.p50 * max(1, stage.units)
            whole += seconds
            if stage.name == current.name and current.done >= _OWN_PACE_FROM:
                worked, foretold = worked + current.seconds, foretold + seconds * current.done
        held = whole * _USUAL_SHARE
        return (worked + held) / (foretold + held) if held > 0 else 1.0

    def _had_earlier(self, role: str) -> bool:
        return role in self.paces and bool(self.paces[role].samples)

    def _usual(self, role: str) -> _Usual | None:
        """Return what a role takes. Worked out once: a forecast is read with every token."""
        if role not in self._known:
            pace = self.paces[role] if self._had_earlier(role) else self.own.get(role, Pace())
            known = _Usual(pace.quantile(0.5), pace.quantile(0.9), pace.spread) if pace.samples else None
            self._known[role] = known
        return self._known[role]


def add_up(parts: Iterable[Remaining]) -> Remaining:
    """Return the interval of a sum of independent times."""
    p50 = spread = 0.0
    for part in parts:
        p50 += part.p50
        spread += (part.p90 - part.p50) ** 2
    return Remaining(p50, p50 + sqrt(spread))
