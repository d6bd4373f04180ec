"""Files that were made to cost a reader time or memory: in a proof of ten megabytes, else of a tenth of that."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

from PIL import Image

from tests.integration.uploads.files import PNG_SIGN, chunk, png, saved
from tests.proof import share_of

FILE_BYTES = share_of(10_000_000)

_GIF_HEAD = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
_GIF_IMAGE = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
_SCAN = 0xDA
_MEGABYTE = zlib.compress(bytes(1_000_000), 9)


def huge_png(size: tuple[int, int] = (50_000, 50_000)) -> bytes:
    """Return a PNG that unfolds to one colour, however large."""
    packer = zlib.compressobj(9)
    row = bytes(1 + size[0] // 8)
    body = b"".join([*(packer.compress(row) for _ in range(min(size[1], 4000))), packer.flush()])
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 1, 0, 0, 0, 0))
    return PNG_SIGN + header + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def huge_webp() -> bytes:
    """Return a WebP that says of itself that it moves on a canvas of 268 million pixels."""
    body = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + (16_382).to_bytes(3, "little") * 2
    body += b"ANIM" + struct.pack("<IIH", 6, 0, 0)
    inner = saved(Image.new("RGB", (8, 8)), "WEBP")[12:]
    frame = bytes(6) + (7).to_bytes(3, "little") * 2 + bytes(3) + b"\0" + inner
    body += b"ANMF" + struct.pack("<I", len(frame)) + frame
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


def gif_of_many_frames() -> bytes:
    """Return a GIF of hundreds of thousands of frames."""
    return _GIF_HEAD + _GIF_IMAGE * (FILE_BYTES // len(_GIF_IMAGE)) + b"\x3b"


def gif_of_many_comments() -> bytes:
    """Return a GIF of up to two million comments before its picture."""
    return _GIF_HEAD + b"\x21\xfe\x01x\0" * (FILE_BYTES // 5) + _GIF_IMAGE + b"\x3b"


def gif_whose_frame_is_larger() -> bytes:
    """Return a GIF of one pixel whose first frame has four thousand million."""
    return _GIF_HEAD + b"\x2c" + struct.pack("<HHHHB", 0, 0, 65_535, 65_535, 0) + b"\x02\x02\x44\x01\x00\x3b"


def png_of_profiles() -> bytes:
    """Return a PNG of up to nine thousand colour profiles, each of a megabyte when unfolded."""
    return png(chunk(b"iCCP", b"a\0\0" + _MEGABYTE) * (FILE_BYTES // (len(_MEGABYTE) + 15)))


def png_of_texts() -> bytes:
    """Return a PNG of as many texts."""
    return png(chunk(b"zTXt", b"a\0\0" + _MEGABYTE) * (FILE_BYTES // (len(_MEGABYTE) + 15)))


def png_of_a_large_text() -> bytes:
    """Return a PNG of one international text of up to a gigabyte."""
    packer, piece = zlib.compressobj(9), bytes(2**20)
    body = b"".join([*(packer.compress(piece) for _ in range(share_of(1000))), packer.flush()])
    return png(chunk(b"iTXt", b"a\0\1\0\0\0" + body))


def png_of_many_chunks() -> bytes:
    """Return a PNG of up to eight hundred thousand empty chunks."""
    return png(chunk(b"aaAa", b"") * (FILE_BYTES // 12))


def png_of_huge_exif() -> bytes:
    """Return a PNG whose camera's notes are four hundred entries that are all the same megabytes."""
    return png(chunk(b"eXIf", _notes(400, FILE_BYTES - 100_000)))


def jpeg_of_huge_exif() -> bytes:
    """Return a JPEG with such notes, in many segments."""
    notes = _notes(400, FILE_BYTES - 200_000)
    return _jpeg(b"".join(_segment(0xE1, b"Exif\0\0" + notes[i : i + 65_000]) for i in range(0, len(notes), 65_000)))


def jpeg_of_many_segments() -> bytes:
    """Return a JPEG of up to two and a half million empty segments."""
    return _jpeg(_segment(0xEE, b"") * (FILE_BYTES // 4))


def jpeg_of_filling() -> bytes:
    """Return a JPEG of up to ten million filling bytes between two segments."""
    return _jpeg(b"\xff" * FILE_BYTES)


def jpeg_of_many_scans(scans: int = 240_000) -> bytes:
    """Return a progressive JPEG that says a quarter of a million times that nothing gets any finer."""
    data = saved(Image.new("RGB", (4096, 4096), "teal"), "JPEG", progressive=True)
    starts, at = [], 2
    while data[at + 1] != 0xD9:
        if data[at] == 0xFF and data[at + 1] not in {0, 0xFF} and not 0xD0 <= data[at + 1] <= 0xD7:
            starts.append(at)
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        else:
            at += 1
    last = next(start for start in reversed(starts) if data[start + 1] == _SCAN)
    return data[:at] + data[last:at] * scans + data[at:]


BOMBS: dict[str, Callable[[], bytes]] = {
    maker.__name__: maker
    for maker in (
        huge_png,
        huge_webp,
        gif_of_many_frames,
        gif_of_many_comments,
        gif_whose_frame_is_larger,
        png_of_profiles,
        png_of_texts,
        png_of_a_large_text,
        png_of_many_chunks,
        png_of_huge_exif,
        jpeg_of_huge_exif,
        jpeg_of_many_segments,
        jpeg_of_filling,
        jpeg_of_many_scans,
    )
}


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _jpeg(extra: bytes) -> bytes:
    output = io.BytesIO()
    Image.new("RGB", (8, 8)).save(output, "JPEG")
    return output.getvalue()[:2] + extra + output.getvalue()[2:]


def _notes(entries: int, size: int) -> bytes:
    """Return EXIF of so many entries, each of which says that it is these same bytes."""
    entry = b"".join(struct.pack("<HHII", 1000 + number, 7, size - 5000, 8) for number in range(entries))
    return (b"II*\0" + struct.pack("<IH", 8, entries) + entry + bytes(4)).ljust(size, b"\0")
