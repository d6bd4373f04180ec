"""Everyday names of colours. Pure.

The examples are our own, chosen around the names of CSS Color 4 and the results of the XKCD colour survey; a colour has
the name of the example that it looks most alike.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from fabula.backends.looker.oklab import Floats, nearest, to_oklab

_EXAMPLES = {
    "black": 0x0B0B0C,
    "charcoal": 0x33363A,
    "dark grey": 0x555555,
    "grey": 0x828282,
    "light grey": 0xB5B5B5,
    "pale grey": 0xDADADA,
    "white": 0xFCFCFC,
    "slate grey": 0x67748A,
    "cream": 0xFBF1D3,
    "beige": 0xE2D3B5,
    "tan": 0xCFAE83,
    "taupe": 0x8E7C6C,
    "light brown": 0xA87849,
    "chestnut brown": 0x8A4A2A,
    "brown": 0x6B4427,
    "dark brown": 0x3A2416,
    "rust": 0xB34A22,
    "ochre": 0xC78A2C,
    "red": 0xDD2222,
    "dark red": 0x8E1414,
    "burgundy": 0x5E1228,
    "crimson": 0xC4173F,
    "coral": 0xFF7659,
    "salmon": 0xF29A88,
    "peach": 0xFACAA3,
    "orange": 0xF68B1F,
    "burnt orange": 0xD0600F,
    "golden yellow": 0xEDB321,
    "mustard": 0xBE9C2B,
    "yellow": 0xF9E426,
    "pale yellow": 0xFAF2A6,
    "olive": 0x757629,
    "moss green": 0x53672F,
    "lime green": 0xA4DD2E,
    "bright green": 0x3FDB43,
    "green": 0x2F9A3E,
    "dark green": 0x17482A,
    "sage green": 0x9BAE8A,
    "pale green": 0xBDE6B6,
    "mint green": 0x9DE7C9,
    "teal": 0x147E7C,
    "dark teal": 0x0E4A4E,
    "turquoise": 0x3ACDC3,
    "cyan": 0x27DDF0,
    "pale blue": 0xBEDDF3,
    "sky blue": 0x6BB6EE,
    "steel blue": 0x4E7BA6,
    "bright blue": 0x1F74F5,
    "blue": 0x2148CF,
    "dark blue": 0x1B2A80,
    "navy blue": 0x121C45,
    "violet": 0x6C3FE0,
    "purple": 0x7C2D9D,
    "dark purple": 0x391650,
    "lavender": 0xC6B7EC,
    "lilac": 0xCF9EDA,
    "mauve": 0x9F7592,
    "plum": 0x743155,
    "magenta": 0xD522C4,
    "bright pink": 0xFF4CA0,
    "rose": 0xD8647F,
    "pink": 0xF5A2C1,
    "pale pink": 0xF9DAE1,
}
NAMES = tuple(_EXAMPLES)


@cache
def _examples() -> Floats:
    codes = list(_EXAMPLES.values())
    return to_oklab(np.array([[code >> 16, code >> 8 & 255, code & 255] for code in codes], np.uint8))


def places_of_names(lab: Floats) -> npt.NDArray[np.intp]:
    """Return for each colour the place of its name in `NAMES`.

    Args:
        lab: Colours in OKLab, of any shape whose last axis has three; the answer has the shape without it.
    """
    return nearest(lab.reshape(-1, 3), _examples()).reshape(lab.shape[:-1])


def shares_of_names(places: npt.NDArray[np.intp]) -> tuple[tuple[str, float], ...]:
    """Return which part each name has of these colours, the largest first; together they are 1.

    Parts that are about equal come in the order of `NAMES`, so that the words for a picture do not hang on single
    pixels.

    Args:
        places: From `places_of_names`; at least one.
    """
    counts = np.bincount(places.ravel(), minlength=len(NAMES))
    order = np.argsort(-np.round(4 * np.log2(np.maximum(counts, 1) / places.size)), kind="stable")
    return tuple((NAMES[place], float(counts[place] / places.size)) for place in order if counts[place])
