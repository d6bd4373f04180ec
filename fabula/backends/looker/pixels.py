"""A picture at the size at which it is measured."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from fabula.backends.looker.oklab import Bytes, Floats, to_oklab
from fabula.errors import InvalidRequest

SIDE = 256
"""The longer side of what is measured, in pixels. A larger picture is averaged down; a smaller one stays as it is."""

COARSE_SIDE = 64
"""The same for the layout, where single pixels would be noise."""

_SIXTEEN_BITS = ("I", "I;16", "I;16L", "I;16B", "I;16N")


@dataclass(frozen=True, slots=True)
class Pixels:
    """A picture, ready to be measured.

    Attributes:
        aspect: Width by height of the picture itself.
        rgb: height × width × 3, 0 to 255.
        lab: The same in OKLab.
        coarse: The same at `COARSE_SIDE`.
    """

    aspect: float
    rgb: Bytes
    lab: Floats
    coarse: Floats


def read(picture: bytes) -> Pixels:
    """Decode a picture and bring it to size.

    Args:
        picture: An encoded picture, upright. What is transparent is measured as if it lay on white.

    Raises:
        InvalidRequest: it cannot be read.
    """
    try:
        with Image.open(io.BytesIO(picture)) as image:
            image.draft("RGB", (2 * SIDE, 2 * SIDE))  # JPEG can be decoded smaller at once; others ignore it
            image.load()
            aspect = image.width / image.height
            fine = _fitted(_flattened(image), SIDE)
    except Exception as error:  # damaged files make decoders raise anything
        raise InvalidRequest(f"the picture cannot be read ({type(error).__name__}): give another one") from error
    rgb = np.asarray(fine)
    return Pixels(aspect, rgb, to_oklab(rgb), to_oklab(np.asarray(_fitted(fine, COARSE_SIDE))))


def _flattened(image: Image.Image) -> Image.Image:
    if image.mode in _SIXTEEN_BITS:
        return image.convert("I").point(lambda value: value / 256).convert("L").convert("RGB")
    if not image.has_transparency_data:
        return image if image.mode == "RGB" else image.convert("RGB")
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")


def _fitted(image: Image.Image, side: int) -> Image.Image:
    scale = side / max(image.size)
    if scale >= 1:
        return image
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.BOX)
