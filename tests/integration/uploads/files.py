"""Real pictures' files of all formats and ways of writing them, small enough to be read a hundred thousand times."""

from __future__ import annotations

import functools
import io
import random
import struct
import zlib
from collections.abc import Iterator
from typing import Any

from PIL import Image, ImageCms, PngImagePlugin

SIZE = (60, 40)
ORIENTATION = 0x0112
PNG_SIGN = b"\x89PNG\r\n\x1a\n"

XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)

_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""The passes of an interlaced PNG: first column and row, steps of columns and rows (PNG specification, 8.2)."""


def drawn(mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    """Return a picture that compresses badly enough to have a body."""
    chance = random.Random(1)
    return Image.frombytes("RGB", size, chance.randbytes(3 * size[0] * size[1])).convert(mode)


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    """Return a picture's file."""
    output = io.BytesIO()
    image.save(output, form, **options)
    return output.getvalue()


def chunk(name: bytes, body: bytes) -> bytes:
    """Return a chunk of a PNG, with the sum that it should have."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(*extra: bytes, size: tuple[int, int] = (8, 8), kind: int = 2, bits: int = 8, interlaced: int = 0) -> bytes:
    """Return a PNG of black pixels with further chunks before them."""
    width, height = size
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, interlaced))
    body = zlib.compress((b"\0" + bytes(3 * min(width, 16))) * min(height, 16))
    return PNG_SIGN + header + b"".join(extra) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def interlaced() -> bytes:
    """Return an interlaced PNG: Pillow reads such, and writes none."""
    image = drawn()
    rows = [
        b"\0" + b"".join(bytes(image.getpixel((x, y))) for x in range(left, image.width, across))  # type: ignore[arg-type]  # a tuple
        for left, top, across, down in _ADAM7
        for y in range(top, image.height, down)
    ]
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *image.size, 8, 2, 0, 0, 1))
    return PNG_SIGN + header + chunk(b"IDAT", zlib.compress(b"".join(rows))) + chunk(b"IEND", b"")


def exif(orientation: int = 6) -> bytes:
    """Return notes as a camera makes them."""
    notes = Image.Exif()
    notes[ORIENTATION], notes[0x010E], notes[0x0132] = orientation, "at home", "2026:11:21 20:00:00"
    notes.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    return notes.tobytes()


@functools.cache
def files() -> dict[str, bytes]:
    """Return the files by what they are."""
    return {name: data for form in (_pngs(), _jpegs(), _webps(), _gifs()) for name, data in form}


def _profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _pngs() -> Iterator[tuple[str, bytes]]:
    for mode in ("RGB", "RGBA", "L", "LA", "P", "1"):
        yield f"png {mode}", saved(drawn(mode), "PNG")
    yield "png 16 bit", saved(Image.new("I;16", SIZE, 40_000), "PNG")
    yield "png palette with a hole", saved(drawn("P"), "PNG", transparency=3)
    yield "png interlaced", interlaced()
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Author", "Ida", zip=True)
    notes.add_itxt("XML:com.adobe.xmp", XMP.decode(), zip=True)
    yield "png with notes", saved(drawn(), "PNG", exif=exif(), icc_profile=_profile(), pnginfo=notes, dpi=(72, 72))
    yield "png moving", saved(drawn(), "PNG", save_all=True, append_images=[drawn("L").convert("RGB")] * 2)


def _jpegs() -> Iterator[tuple[str, bytes]]:
    for mode in ("RGB", "L", "CMYK"):
        yield f"jpeg {mode}", saved(drawn(mode), "JPEG")
        yield f"jpeg progressive {mode}", saved(drawn(mode), "JPEG", progressive=True, subsampling=0)
    yield "jpeg with notes", saved(drawn(), "JPEG", exif=exif(), icc_profile=_profile(), xmp=XMP, comment="hello")
    yield "jpeg with restarts", saved(drawn(), "JPEG", restart_marker_blocks=2)
    yield "jpeg of several", saved(drawn(), "MPO", save_all=True, append_images=[drawn("L").convert("RGB")])


def _webps() -> Iterator[tuple[str, bytes]]:
    yield "webp", saved(drawn(), "WEBP")
    yield "webp with alpha", saved(drawn("RGBA"), "WEBP", quality=60)
    yield "webp lossless", saved(drawn("RGBA"), "WEBP", lossless=True)
    yield "webp with notes", saved(drawn(), "WEBP", exif=exif(8), icc_profile=_profile(), xmp=XMP)
    yield "webp moving", saved(drawn(), "WEBP", save_all=True, append_images=[drawn("L").convert("RGB")] * 3)


def _gifs() -> Iterator[tuple[str, bytes]]:
    yield "gif", saved(drawn("P"), "GIF")
    yield "gif with a hole", saved(drawn("P"), "GIF", transparency=7, comment=b"hello")
    yield "gif interlaced", saved(drawn("P"), "GIF", interlace=1)
    yield "gif moving", saved(drawn("P"), "GIF", save_all=True, append_images=[drawn("L").convert("P")] * 3, loop=0)
