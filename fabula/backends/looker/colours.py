"""Which colours a picture has. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from fabula.backends.looker.names import shares_of_names
from fabula.backends.looker.oklab import Floats, chroma, hue_degrees

Tint = Literal["coloured", "greyscale", "sepia"]

_COVERED = 0.95
_GREY_CHROMA = 0.02  # just visible, as single colours side by side
_SEPIA_CHROMA = 0.13
_SEPIA_HUES = (45.0, 105.0)
_SEPIA_RANGE = 0.08  # of lightness, as a standard deviation: a print of one brown has light and shade
_WARM_FROM, _WARM_TO = 345.0, 118.0  # from pink through red and orange to yellow
_COOL_FROM, _COOL_TO = 155.0, 295.0  # from sea green through blue to violet


@dataclass(frozen=True, slots=True)
class Colours:
    """Measures of colour.

    Attributes:
        shares: Each named colour's part of the picture, the largest first.
        needed: How many of them cover 95 % of it.
        chroma: The mean; see `oklab.chroma`.
        warm: The part of all colour (weighted by chroma) that is warm, 0 to 1.
        cool: The part that is cool; what is neither is green or purple.
        tint: Whether there is any colour at all, or only shades of one brown.
    """

    shares: tuple[tuple[str, float], ...]
    needed: int
    chroma: float
    warm: float
    cool: float
    tint: Tint


def measure(lab: Floats, names: npt.NDArray[np.intp]) -> Colours:
    """Measure the colours of a picture.

    Args:
        lab: The picture in OKLab.
        names: The places of its colours' names.
    """
    shares = shares_of_names(names)
    amounts, hues = chroma(lab), hue_degrees(lab)
    total = float(amounts.sum()) or 1.0
    warm = float(amounts[(hues >= _WARM_FROM) | (hues <= _WARM_TO)].sum()) / total
    cool = float(amounts[(hues >= _COOL_FROM) & (hues <= _COOL_TO)].sum()) / total
    reached = np.cumsum([share for _, share in shares])
    return Colours(
        shares=shares,
        needed=int((reached < _COVERED - 1e-9).sum()) + 1,
        chroma=float(amounts.mean()),
        warm=warm,
        cool=cool,
        tint=_tint(lab[..., 0], amounts, hues),
    )


def _tint(lightness: Floats, amounts: Floats, hues: Floats) -> Tint:
    if np.quantile(amounts, 0.99) < _GREY_CHROMA:
        return "greyscale"
    tinted = hues[amounts >= _GREY_CHROMA]
    brown = np.mean((tinted >= _SEPIA_HUES[0]) & (tinted <= _SEPIA_HUES[1]))
    # Black and white take no tint, so a part may be grey; but not most.
    is_brown = tinted.size > 0.5 * hues.size and brown > 0.98 and np.quantile(amounts, 0.99) < _SEPIA_CHROMA
    return "sepia" if is_brown and lightness.std() >= _SEPIA_RANGE else "coloured"
