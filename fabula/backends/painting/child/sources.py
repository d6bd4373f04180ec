"""Reads the pictures that a batch starts from."""

from __future__ import annotations

import io

import PIL.Image
import PIL.ImageOps

from fabula.backends.painting.child.sending import Sender
from fabula.errors import InvalidRequest


def read_sources(sender: Sender) -> list[PIL.Image.Image]:
    """Return the picture of each slot, cropped to the size that is painted.

    A member whose source cannot be read is told so; the others begin without it.
    """
    size = (sender.request.terms.width, sender.request.terms.height)
    pictures = []
    for index, member in enumerate(sender.request.members):
        picture = PIL.Image.new("RGB", size)
        try:
            picture = read_source(member.source, size)
        except InvalidRequest as error:
            sender.fail(index, error.code, error.message)
        pictures += [picture] * len(member.seeds)
    return pictures


def read_source(source: bytes, size: tuple[int, int]) -> PIL.Image.Image:
    """Return a picture, cropped to a size (width, height).

    Raises:
        InvalidRequest: it cannot be read.
    """
    try:
        with PIL.Image.open(io.BytesIO(source)) as opened:
            return PIL.ImageOps.fit(opened.convert("RGB"), size, PIL.Image.Resampling.LANCZOS)
    except (OSError, ValueError, PIL.Image.DecompressionBombError) as error:
        raise InvalidRequest(f"The source is no picture that can be read: {error}.") from error
