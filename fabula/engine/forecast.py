"""How long is left: told from how long the same work took before. Pure.

A `Pace` holds what one role of stage took per unit in earlier generations. The time left is the sum over what is still
to do; its median is the sum of medians, and its upper bound adds the spreads as independent ones add: in squares.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt

from fabula.engine.events import Remaining
from fabula.engine.pipeline import Stage

KEPT_SAMPLES = 40
"""Samples kept of each role: enough for a ninth decile, few enough to follow a changed machine."""

_UNKNOWN_SHARE = 0.05
_OWN_PACE_FROM = 0.1
_UNKNOWN_SPREAD = 1.5
_LARGEST_SPREAD = 20.0  # a median of next to nothing would make the bound infinite


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
class _Span:
    p50: float = 0.0
    p90: float = 0.0


@dataclass(frozen=True, slots=True)
class Forecast:
    """Tells the time left of one run.

    Attributes:
        paces: What is known from earlier generations and the finished stages of this one.
    """

    paces: Paces = field(default_factory=dict)

    def remaining(self, plan: Sequence[Stage], finished: frozenset[str], current: Current) -> Remaining | None:
        """Return the time left, or None when too much of the work has never been timed."""
        total_weight = sum(stage.weight for stage in plan) or 1.0
        unknown, spans = 0.0, list[_Span]()
        for stage in plan:
            if stage.name in finished:
                continue
            span = self._span(stage, current if stage.name == current.name else Current())
            if span is None:
                unknown += stage.weight / total_weight
            else:
                spans.append(span)
        if unknown > _UNKNOWN_SHARE:
            return None
        return add_up(Remaining(span.p50, span.p90) for span in spans)

    def _span(self, stage: Stage, current: Current) -> _Span | None:
        left = 1.0 - current.done
        pace = self.paces.get(stage.role)
        if current.done >= _OWN_PACE_FROM:
            own = current.seconds / current.done
            return _Span(own * left, own * left * (pace.spread if pace else _UNKNOWN_SPREAD))
        if pace is None or not pace.samples:
            return None
        units = max(1, stage.units)
        p50, p90 = pace.quantile(0.5) * units, pace.quantile(0.9) * units
        return _Span(max(0.0, p50 - current.seconds), max(0.0, p90 - current.seconds))


def add_up(parts: Iterable[Remaining]) -> Remaining:
    """Return the interval of a sum of independent times."""
    p50 = spread = 0.0
    for part in parts:
        p50 += part.p50
        spread += (part.p90 - part.p50) ** 2
    return Remaining(p50, p50 + sqrt(spread))
