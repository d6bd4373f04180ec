"""Which steps of a schedule are whose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fabula.backends.painting.requests import Terms


@dataclass(frozen=True, slots=True)
class Split:
    """Which of a schedule's timesteps are done by whom: base from `first` to `handover`, refiner from there to `last`.

    Attributes:
        first: Index of the first timestep; above 0 where a source is left only in part.
        handover: Index of the refiner's first; `last` where none follows.
        last: Index after the last one.
        fraction: Where the hand-over lies, as pipelines want to be told.
    """

    first: int
    handover: int
    last: int
    fraction: float | None


def split(scheduler: Any, terms: Terms) -> Split:
    """Divide the steps as diffusers does, except that neither model is left without any.

    Args:
        scheduler: One whose timesteps have been set.
        terms: Strength and hand-over, as of a spec.
    """
    timesteps = scheduler.timesteps
    last, order = len(timesteps), scheduler.order
    first = 0
    if terms.strength is not None:  # as `get_timesteps` of the pipelines that paint from a picture
        done = max(1, min(int(terms.steps * terms.strength), terms.steps))
        first = min((terms.steps - done) * order, last - 1)
    if terms.handover is None:
        return Split(first, last, last, None)
    trained = scheduler.config.num_train_timesteps
    by_rule = int((timesteps >= round(trained - terms.handover * trained)).sum())
    handover = max(first + order, min(by_rule - by_rule % order, last - 1))
    fraction = terms.handover if handover == by_rule else 1 - float(timesteps[handover - 1]) / trained
    return Split(first, handover, last, fraction)
