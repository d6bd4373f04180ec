"""OKLab, a colour space in which equal distances look about equally large. Pure.

Björn Ottosson, "A perceptual color space for image processing" (2020), https://bottosson.github.io/posts/oklab/; its
lightness is brought near that of CIELAB, where dark tones lie closer together, by the function of his "Okhsv and Okhsl"
(2021), https://bottosson.github.io/posts/colorpicker/. The transfer function of sRGB is that of IEC 61966-2-1.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Bytes = npt.NDArray[np.uint8]

_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    np.float32,
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    np.float32,
)
_TOE_1, _TOE_2 = 0.206, 0.03
_TOE_3 = (1 + _TOE_1) / (1 + _TOE_2)
_CODES = np.arange(256, dtype=np.float32) / 255
_LINEAR = np.where(_CODES <= 0.04045, _CODES / 12.92, ((_CODES + 0.055) / 1.055) ** 2.4).astype(np.float32)

# Differences in a and b count twice beside those in lightness, as in Color.js's deltaEOK2: plain OKLab overrates the
# latter where colours are told apart.
_WEIGHTS = np.array([1.0, 2.0, 2.0], np.float32)


def to_oklab(rgb: Bytes) -> Floats:
    """Return lightness (0 black, 1 white), a (green to red) and b (blue to yellow) of sRGB colours.

    Args:
        rgb: Any shape whose last axis holds red, green and blue, 0 to 255.
    """
    lms = np.cbrt(_LINEAR[rgb] @ _TO_LMS.T)
    lab = np.asarray(lms @ _TO_LAB.T, np.float32)
    shifted = _TOE_3 * lab[..., 0] - _TOE_1
    lab[..., 0] = (shifted + np.sqrt(shifted**2 + 4 * _TOE_2 * _TOE_3 * lab[..., 0])) / 2
    return lab


def distances(colours: Floats, others: Floats) -> Floats:
    """Return how different each of n colours looks from each of m others, as an array of n × m. 0.02 is just visible.

    Args:
        colours: n × 3, in OKLab.
        others: m × 3, in OKLab.
    """
    squares = ((colours * _WEIGHTS) ** 2).sum(-1)[:, None] - 2 * _closeness(colours, others)
    return np.asarray(np.sqrt(np.maximum(squares, 0)), np.float32)


def nearest(colours: Floats, others: Floats) -> npt.NDArray[np.intp]:
    """Return for each of n colours the place of the one among m others that it looks most alike; see `distances`."""
    places: npt.NDArray[np.intp] = _closeness(colours, others).argmax(axis=1)
    return places


def _closeness(colours: Floats, others: Floats) -> Floats:
    """Return half of what the squared distance lacks to the square of the colour itself: all that depends on both."""
    left, right = colours * _WEIGHTS, others * _WEIGHTS
    return np.asarray(left @ right.T - (right**2).sum(-1) / 2, np.float32)


def chroma(lab: Floats) -> Floats:
    """Return how colourful each colour is: 0 for grey, about 0.3 for the purest that a screen shows."""
    return np.asarray(np.hypot(lab[..., 1], lab[..., 2]), np.float32)


def hue_degrees(lab: Floats) -> Floats:
    """Return the angle of each colour's hue, 0 to 360: about 30 red, 60 orange, 110 yellow, 145 green, 260 blue."""
    return np.asarray(np.degrees(np.arctan2(lab[..., 2], lab[..., 1])) % 360, np.float32)
