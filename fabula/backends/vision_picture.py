"""Making a picture ready to be sent to a model. It takes a while, so call it in a thread."""

from __future__ import annotations

import base64
import io
import math

from PIL import Image

from fabula.errors import InvalidRequest
from fabula.pictures import flattened

MOST_PIXELS = 1024 * 1024
"""A larger picture is made smaller before it is sent: models look no closer, and requests have bounds."""

_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
_SENT_AS_THEY_ARE = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
_LONGEST_FILE = 1024 * 1024


def opened(picture: bytes) -> Image.Image:
    """Decode a picture's first frame, in RGB; what is transparent lies on white.

    Raises:
        InvalidRequest: it cannot be read.
    """
    return flattened(_decoded(picture))


def data_url(picture: bytes) -> str:
    """Return the picture as a data URL (RFC 2397) of at most about two megabytes.

    Raises:
        InvalidRequest: it cannot be read.
    """
    image = _decoded(picture)
    media_type = _SENT_AS_THEY_ARE.get(image.format or "")
    if media_type and image.width * image.height <= MOST_PIXELS and len(picture) <= _LONGEST_FILE:
        return _url(media_type, picture)
    return _url("image/jpeg", _as_jpeg(opened(picture)))


def _decoded(picture: bytes) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(picture), formats=_FORMATS)
        image.load()
    except Exception as error:  # damaged files make decoders raise anything
        raise InvalidRequest(f"the picture cannot be read ({type(error).__name__}): give another one") from error
    return image


def _as_jpeg(image: Image.Image) -> bytes:
    scale = math.sqrt(MOST_PIXELS / (image.width * image.height))
    if scale < 1:
        size = max(1, int(image.width * scale)), max(1, int(image.height * scale))
        image = image.resize(size, Image.Resampling.LANCZOS)
    output = io.BytesIO()
    image.save(output, "JPEG", quality=90)
    return output.getvalue()


def _url(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode('ascii')}"
