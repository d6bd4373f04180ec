"""Pictures drawn on the spot, as files."""

from __future__ import annotations

import io

from PIL import Image


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    """Return the picture as a file."""
    output = io.BytesIO()
    image.save(output, kind)
    return output.getvalue()


def plain(colour: str = "red", width: int = 40, height: int = 30) -> bytes:
    """Return a PNG of one colour."""
    return encoded(Image.new("RGB", (width, height), colour))
