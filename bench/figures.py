"""The few numbers that many measurements are told by."""

from __future__ import annotations

from collections.abc import Sequence


def quantile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` (0 to 1) of the values do not exceed: one that was measured, none between two."""
    return sorted(values)[round(share * (len(values) - 1))]
