"""How light a picture is, and where. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fabula.backends.looker.oklab import Floats
from fabula.backends.looker.places import place_in_thirds, thirds

_CLEARLY = 0.12
_ALIKE = 0.03


@dataclass(frozen=True, slots=True)
class Light:
    """Measures of lightness, 0 black to 1 white.

    Attributes:
        mean: Of the whole picture.
        darkest: A twentieth of it is darker than this.
        dark: A tenth is darker.
        bright: A tenth is lighter.
        brightest: A twentieth is lighter.
        lightest_place: Where of the nine fields of a 3 × 3 grid the lightest one is, or the row or column of those that
            are as light; empty where the fields differ little, or others are as light.
        darkest_place: The same for the darkest.
    """

    mean: float
    darkest: float
    dark: float
    bright: float
    brightest: float
    lightest_place: str
    darkest_place: str

    @property
    def contrast(self) -> float:
        """From the darkest to the lightest twentieth."""
        return self.brightest - self.darkest


def measure(lab: Floats) -> Light:
    """Measure the light in a picture in OKLab."""
    lightness = lab[..., 0]
    darkest, dark, bright, brightest = (float(value) for value in np.quantile(lightness, (0.05, 0.1, 0.9, 0.95)))
    fields = {
        (row, column): float(lightness[rows, columns].mean())
        for row, rows in enumerate(thirds(lightness.shape[0]))
        for column, columns in enumerate(thirds(lightness.shape[1]))
    }
    least, most = min(fields.values()), max(fields.values())
    differ = most - least >= _CLEARLY
    return Light(
        mean=float(lightness.mean()),
        darkest=darkest,
        dark=dark,
        bright=bright,
        brightest=brightest,
        lightest_place=_place([field for field, mean in fields.items() if mean > most - _ALIKE]) if differ else "",
        darkest_place=_place([field for field, mean in fields.items() if mean < least + _ALIKE]) if differ else "",
    )


def _place(fields: Sequence[tuple[int, int]]) -> str:
    """Return where these fields of the grid lie; empty where they are neither one nor a whole row or column."""
    rows, columns = {row for row, _ in fields}, {column for _, column in fields}
    if len(fields) != 1 and (len(fields) != 3 or len(rows) * len(columns) != 3):
        return ""
    return place_in_thirds((sum(rows) / len(rows) + 0.5) / 3, (sum(columns) / len(columns) + 0.5) / 3)
