"""Finished pictures, encoded. Pillow only."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from fabula.backends.image import PictureFormat
from fabula.backends.painting.tensor_file import unpack

_HOW: dict[PictureFormat, dict[str, Any]] = {
    PictureFormat.PNG: {"compress_level": 6},
    PictureFormat.WEBP: {"quality": 90, "method": 4},
    PictureFormat.JPEG: {"quality": 90, "subsampling": 0},
}


def encode_picture(pixels: bytes, form: PictureFormat) -> bytes:
    """Encode a picture.

    Args:
        pixels: A file of tensors with one called "rgb": height × width × RGB in bytes.
        form: As what.
    """
    tensors, _ = unpack(pixels)
    height, width, _ = tensors["rgb"].shape
    buffer = io.BytesIO()
    Image.frombytes("RGB", (width, height), tensors["rgb"].data).save(buffer, form.value, **_HOW[form])
    return buffer.getvalue()
