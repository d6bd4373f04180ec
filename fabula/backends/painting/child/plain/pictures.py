"""Finished pictures: from what a pipeline returns to the last state of a request, and out of it again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageOps

from fabula.backends.painting.state import header_of
from fabula.backends.painting.tensor_file import RawTensor, TensorFileError, unpack
from fabula.errors import InvalidRequest, ModelOutputInvalid

_CHANNELS = 3


def to_raw_pictures(images: Any, count: int, size: tuple[int, int]) -> dict[str, RawTensor]:
    """Return pictures as bytes, each under its number.

    Pipelines with sizes of their own paint in the nearest; what they paint is brought to the size that was asked for.

    Args:
        images: Pictures × height × width × channels in 0 … 1.
        count: How many there must be.
        size: Width and height that were asked for.

    Raises:
        ModelOutputInvalid: they are no pictures.
    """
    values = np.asarray(images, np.float32)
    if values.ndim != 4 or values.shape[0] != count or values.shape[3] < _CHANNELS:
        raise ModelOutputInvalid(f"The pipeline has returned {values.shape} where {count} pictures were asked for.")
    if not np.isfinite(values).all():
        raise ModelOutputInvalid(
            "The decoded picture is not a number; set FABULA_DTYPE=float32, or try another seed or guidance."
        )
    # The same rounding as in the library's image processor.
    pixels = (values[..., :_CHANNELS].clip(0, 1) * 255).round().astype(np.uint8)
    return {str(index): _to_raw(picture, size) for index, picture in enumerate(pixels)}


def _to_raw(pixels: Any, size: tuple[int, int]) -> RawTensor:
    width, height = size
    if pixels.shape[:2] != (height, width):
        image = PIL.Image.fromarray(np.ascontiguousarray(pixels))
        pixels = np.asarray(PIL.ImageOps.fit(image, size, PIL.Image.Resampling.LANCZOS))
    return RawTensor("U8", (height, width, _CHANNELS), pixels.tobytes())


def pictures_of(state: bytes) -> Iterator[RawTensor]:
    """Yield the pictures of a last state, in order.

    Raises:
        InvalidRequest: it cannot be read.
    """
    try:
        count = header_of(state).count
        tensors, _ = unpack(state)
        pictures = [tensors[str(index)] for index in range(count)]
    except (TensorFileError, KeyError) as error:
        raise InvalidRequest(f"The pictures cannot be read: {error}.") from error
    yield from pictures
