"""What lies where in a picture: bands of one colour, symmetry. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fabula.backends.looker.main_area import MainArea, find
from fabula.backends.looker.names import shares_of_names
from fabula.backends.looker.oklab import Floats
from fabula.backends.looker.pixels import Pixels
from fabula.backends.looker.places import thirds

_BAND_SHARE = 0.75
_LEAST_VARIANCE = 1e-4  # of a picture of one colour no symmetry is told

_ACROSS = ("upper", "middle", "lower")
_DOWN = ("left", "middle", "right")


@dataclass(frozen=True, slots=True)
class Layout:
    """Measures of the layout.

    Attributes:
        aspect: Width by height.
        main: What stands out against the ground; None where nothing does.
        bands: Thirds of the picture that are of one colour, where they are not all of the same: "upper third" and the
            colour's name.
        middle: The shares of colours in the middle ninth of the picture.
        sides: How much the left half is like the right one in the mirror, -1 to 1; None where nothing can be told.
        ends: The same for the upper and the lower half.
    """

    aspect: float
    main: MainArea | None
    bands: tuple[tuple[str, str], ...]
    middle: tuple[tuple[str, float], ...]
    sides: float | None
    ends: float | None


def measure(pixels: Pixels, names: npt.NDArray[np.intp]) -> Layout:
    """Measure the layout of a picture.

    Args:
        pixels: The picture.
        names: The places of its colours' names.
    """
    rows, columns = thirds(names.shape[0]), thirds(names.shape[1])
    return Layout(
        aspect=pixels.aspect,
        main=find(pixels, names),
        bands=_bands(names),
        middle=shares_of_names(names[rows[1], columns[1]]),
        sides=_likeness(pixels.coarse, pixels.coarse[:, ::-1]),
        ends=_likeness(pixels.coarse, pixels.coarse[::-1]),
    )


def _bands(names: npt.NDArray[np.intp]) -> tuple[tuple[str, str], ...]:
    for whole, words in ((names, _ACROSS), (names.T, _DOWN)):
        found = []
        for part, word in zip(thirds(whole.shape[0]), words, strict=True):
            name, share = shares_of_names(whole[part])[0]
            if share >= _BAND_SHARE:
                found.append((f"{word} third", name))
        if len({name for _, name in found}) > 1:
            return tuple(found)
    return ()


def _likeness(picture: Floats, mirrored: Floats) -> float | None:
    """Return the correlation of a picture and its mirror image, over all three coordinates."""
    centred = picture - picture.mean(axis=(0, 1))
    variance = float((centred**2).mean())
    if variance < _LEAST_VARIANCE:
        return None
    return float((centred * (mirrored - picture.mean(axis=(0, 1)))).mean()) / variance
