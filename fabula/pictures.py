"""Reads pictures that somebody has uploaded, whatever they hold. Pure.

What a file is decides its decoder, never its name. Its pixels are counted before any is decoded, so that a small file
which unfolds into a huge picture (a decompression bomb) is refused at the cost of its header. Other files are made to
keep decoders busy: what comes from outside is therefore read by way of `picture_intake`, in a process with bounds.
"""

from __future__ import annotations

import io
import math
import warnings
from dataclasses import dataclass

from PIL import Image, ImageOps, UnidentifiedImageError

from fabula.errors import InvalidRequest

MAX_FILE_BYTES = 10 * 1024 * 1024
"""Largest file that is read."""

MAX_PIXELS = 32 * 1024 * 1024
"""Most pixels of a picture that is decoded, width times height."""

MAX_SIDE = 16_384
"""Largest width and height of a picture that is decoded."""

KEPT_PIXELS = 4 * 1024 * 1024
"""A picture of more pixels is made smaller."""

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
PNG_TYPE = "image/png"

# What Pillow itself says of too many pixels is an error here, in every thread: our own bound stands before its limit.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
warnings.simplefilter("error", Image.DecompressionBombWarning)


@dataclass(frozen=True, slots=True)
class CleanPicture:
    """A picture without surprises: PNG, RGB, upright, without alpha or metadata.

    Attributes:
        data: The file.
        width: In pixels.
        height: In pixels.
    """

    data: bytes
    width: int
    height: int


def clean(data: bytes) -> CleanPicture:
    """Read an uploaded picture: of an animation the first frame, turned upright, what is transparent on white.

    Raises:
        InvalidRequest: it is none, too large, or damaged; the message says what to do.
    """
    refuse_large_file(data)
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image.width, image.height)
            plain = _decoded(image)
        return _written(plain)
    except InvalidRequest:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large() from None
    except MemoryError:
        raise InvalidRequest("the picture takes too much memory to read: make it smaller, or save it anew") from None
    except UnidentifiedImageError:
        raise InvalidRequest("the file is no picture that can be read: give a PNG, JPEG, WebP or GIF file") from None
    except Exception as error:  # damaged files make decoders raise anything
        raise InvalidRequest(
            f"the picture is damaged or cut off, and cannot be read to its end ({type(error).__name__}): save it anew, "
            "or upload it again"
        ) from error


def refuse_large_file(data: bytes) -> None:
    """Refuse a file of too many bytes, whatever it holds. Raises `InvalidRequest`."""
    if len(data) > MAX_FILE_BYTES:
        raise InvalidRequest(f"the picture's file has {len(data)} bytes: give one of at most {MAX_FILE_BYTES}")


def _check_size(width: int, height: int) -> None:
    if not (width and height):
        raise InvalidRequest("the picture has no pixels: give another one")
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise _too_large()


def _too_large() -> InvalidRequest:
    return InvalidRequest(
        f"the picture has too many pixels: make it smaller, at most {MAX_PIXELS} pixels and {MAX_SIDE} on a side"
    )


def _decoded(image: Image.Image) -> Image.Image:
    """Return the first frame as RGB, upright, at most `KEPT_PIXELS` large."""
    target = _kept_size(image.width, image.height)
    image.draft("RGB", target)  # JPEG can be decoded smaller at once; others ignore it
    image.load()
    _check_size(image.width, image.height)  # what a decoder makes of a damaged header may be another size
    upright = _upright(image)
    flat = flattened(upright)
    kept = _kept_size(flat.width, flat.height)
    return flat if kept == flat.size else flat.resize(kept, Image.Resampling.LANCZOS)


def _kept_size(width: int, height: int) -> tuple[int, int]:
    scale = math.sqrt(KEPT_PIXELS / (width * height))
    if scale >= 1:
        return width, height
    return max(1, int(width * scale)), max(1, int(height * scale))


def _upright(image: Image.Image) -> Image.Image:
    """Turn the picture as its EXIF says; what cannot be understood there turns nothing."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # noqa: BLE001 - metadata may be damaged in any way, and are thrown away all the same
        return image


def flattened(image: Image.Image) -> Image.Image:
    """Return the picture's colours on white, with nothing else that its file held."""
    if image.mode.startswith("I"):  # sixteen bits of grey
        image = image.convert("I").point(lambda value: value / 256).convert("L")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        layer = image.convert("RGBA")
        plain = Image.new("RGB", layer.size, "white")
        plain.paste(layer, mask=layer.getchannel("A"))
        return plain
    colours = image.convert("RGB")
    plain = Image.new("RGB", colours.size)
    plain.paste(colours)
    return plain


def _written(image: Image.Image) -> CleanPicture:
    output = io.BytesIO()
    image.save(output, "PNG", compress_level=4)
    return CleanPicture(output.getvalue(), image.width, image.height)
