"""How a picture's surface is: sharp or soft, smooth or busy, flat or shaded. Pure.

Sharpness is the steepness of edges, as in P. Marziliano et al., "A no-reference perceptual blur metric" (ICIP 2002),
where an edge's width tells; grain is the noise estimate of J. Immerkær, "Fast noise variance estimation" (CVIU 64(2),
1996), with the median in place of the mean, so that edges count less.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from fabula.backends.looker.oklab import Bytes, Floats

_REACH = 4
_EDGE = 0.08  # a smaller difference within the reach is no edge whose steepness could be told
_RELIEF = 0.06
_SAME = 1  # of 255, between neighbours of one flat area: what compression leaves
_PALETTE_COVERED = 0.9
_FEWEST_EDGES = 0.04  # places, beside the longer side


@dataclass(frozen=True, slots=True)
class Surface:
    """Measures of the surface.

    Attributes:
        steepness: Which part of its rise a typical edge makes from one pixel to the next: 0.5 for a step, 0.15 for a
            blurred one. None where there are no edges.
        relief: The part of the picture in whose closest neighbourhood lightness changes visibly.
        flat: The part of the picture whose pixels are like all their neighbours.
        palette: How many colours (of 32 768) cover nine tenths of the picture.
        grain: Noise in lightness, as a standard deviation.
    """

    steepness: float | None
    relief: float
    flat: float
    palette: int
    grain: float


def measure(rgb: Bytes, lab: Floats) -> Surface:
    """Measure the surface of a picture.

    Args:
        rgb: The picture.
        lab: The same in OKLab.
    """
    lightness = lab[..., 0]
    near = _spread(lightness, 1, np.maximum) - _spread(lightness, 1, np.minimum)
    return Surface(
        steepness=_steepness(lightness),
        relief=float((near > _RELIEF).mean()),
        flat=_flat(rgb),
        palette=_palette(rgb),
        grain=_grain(lightness),
    )


def _steepness(lightness: Floats) -> float | None:
    around = np.pad(lightness, 1, mode="edge")
    across = (around[1:-1, 2:] - around[1:-1, :-2]) / 2
    down = (around[2:, 1:-1] - around[:-2, 1:-1]) / 2
    slope = np.asarray(np.hypot(across, down), np.float32)
    rise = _spread(lightness, _REACH, np.maximum) - _spread(lightness, _REACH, np.minimum)
    crest = (rise >= _EDGE) & (slope >= _spread(slope, _REACH, np.maximum) * 0.999)
    if crest.sum() < max(3, _FEWEST_EDGES * max(lightness.shape)):
        return None
    return float(np.median(slope[crest] / rise[crest]))


def _spread(values: Floats, reach: int, pick: Callable[[Floats, Floats], Floats]) -> Floats:
    """Return for each place what `pick` leaves of the square of `reach` pixels around it."""
    for axis in (0, 1):
        width = [(0, 0), (0, 0)]
        width[axis] = (reach, reach)
        padded, length = np.pad(values, width, mode="edge"), values.shape[axis]
        values = padded.take(range(length), axis=axis)
        for shift in range(1, 2 * reach + 1):
            values = pick(values, padded.take(range(shift, shift + length), axis=axis))
    return values


def _flat(rgb: Bytes) -> float:
    flat = np.ones(rgb.shape[:2], bool)
    for axis in (0, 1):
        same = (np.abs(np.diff(rgb.astype(np.int16), axis=axis)) <= _SAME).all(axis=-1)
        before, after = [slice(None), slice(None)], [slice(None), slice(None)]
        before[axis], after[axis] = slice(None, -1), slice(1, None)
        flat[tuple(before)] &= same
        flat[tuple(after)] &= same
    return float(flat.mean())


def _palette(rgb: Bytes) -> int:
    five_bits = (rgb >> 3).astype(np.int32)
    counts = np.bincount((five_bits @ np.array([1024, 32, 1])).ravel())
    reached = np.cumsum(np.sort(counts)[::-1]) / counts.sum()
    return int((reached < _PALETTE_COVERED).sum()) + 1


def _grain(lightness: Floats) -> float:
    if min(lightness.shape) < 3:
        return 0.0
    rows = lightness[:-2] - 2 * lightness[1:-1] + lightness[2:]
    noise = rows[:, :-2] - 2 * rows[:, 1:-1] + rows[:, 2:]
    return float(np.median(np.abs(noise)) / (6 * 0.6745))
