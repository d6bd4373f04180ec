"""Files as they come from broken disks, bad lines and bad people: made of real ones by chance, the same for a seed."""

from __future__ import annotations

import random
import re
import struct
import zlib
from collections.abc import Callable
from typing import Literal

from tests.integration.uploads.files import PNG_SIGN, chunk, files

Damage = Callable[[bytes, random.Random], bytes]

_INTERESTING = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_SIGNS = (PNG_SIGN, b"\xff\xd8\xff\xe0", b"RIFF\x10\0\0\0WEBPVP8 ", b"GIF89a", b"BM", b"%PDF-1.7", b"II*\0", b"PK\3\4")
_MARKUP = b"<html><script>alert(document.cookie)</script><!--"
_SCRIPT = b"=1;alert(document.cookie);/*"
_PNG_CHUNKS = (b"IHDR", b"PLTE", b"IDAT", b"tRNS", b"iCCP", b"eXIf", b"zTXt", b"iTXt", b"acTL", b"fcTL", b"fdAT")
_WEBP_CHUNKS = (b"WEBP", b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"EXIF", b"ICCP", b"XMP ")
_JPEG_FRAMES = re.compile(rb"\xff[\xc0-\xcf](?=..[\x08\x0c])", re.DOTALL)
_MARKERS = re.compile(rb"\xff[\xc0-\xfe]")


def damaged(seed: str) -> tuple[str, bytes]:
    """Return what was done to which file, and the file."""
    chance = random.Random(seed)
    name = chance.choice(sorted(files()))
    data, done = files()[name], [name]
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        damage = chance.choice(DAMAGES)
        data = damage(data, chance)
        done.append(damage.__name__)
    return ", ".join(done), data


def flip_bits(data: bytes, chance: random.Random) -> bytes:
    """Flip one bit, or some."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 4, 30)) if data else 0):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def flip_bits_in_the_head(data: bytes, chance: random.Random) -> bytes:
    """Do so where formats say what follows."""
    return flip_bits(data[:64], chance) + data[64:]


def cut_off(data: bytes, chance: random.Random) -> bytes:
    """End too early, perhaps at once."""
    return data[: chance.randrange(len(data) + 1)]


def leave_out(data: bytes, chance: random.Random) -> bytes:
    """Leave a piece out."""
    start = chance.randrange(len(data) + 1)
    return data[:start] + data[start + chance.randrange(1, 200) :]


def say_twice(data: bytes, chance: random.Random) -> bytes:
    """Repeat a piece, up to fifty times."""
    start = chance.randrange(len(data) + 1)
    piece = data[start : start + chance.randrange(1, 300)]
    return data[:start] + piece * chance.randrange(2, 50) + data[start:]


def overwrite(data: bytes, chance: random.Random) -> bytes:
    """Write noise, or zeros, over a piece."""
    start, length = chance.randrange(len(data) + 1), chance.randrange(1, 200)
    noise = bytes(length) if chance.random() < 0.5 else chance.randbytes(length)
    return data[:start] + noise[: len(data) - start] + data[start + length :]


def change_a_number(data: bytes, chance: random.Random) -> bytes:
    """Put a number that programs stumble over where one may stand: lengths, offsets, counts."""
    start, width = chance.randrange(len(data) + 1), chance.choice((1, 2, 3, 4))
    order: Literal["big", "little"] = "big" if chance.random() < 0.5 else "little"
    number = chance.choice(_INTERESTING) & (2 ** (8 * width) - 1)
    piece: bytes = number.to_bytes(width, order)
    return data[:start] + piece + data[start + width :]


def splice(data: bytes, chance: random.Random) -> bytes:
    """Go on as another file does."""
    other = files()[chance.choice(sorted(files()))]
    return data[: chance.randrange(len(data) + 1)] + other[chance.randrange(len(other)) :]


def append_junk(data: bytes, chance: random.Random) -> bytes:
    """Hang something behind: noise, markup, another picture."""
    other = files()[chance.choice(sorted(files()))]
    return data + chance.choice((chance.randbytes(500), _MARKUP, other, bytes(5000)))


def mislabel(data: bytes, chance: random.Random) -> bytes:
    """Begin as another format does."""
    sign = chance.choice(_SIGNS)
    return sign + data[chance.choice((0, len(sign))) :]


def be_a_page_as_well(data: bytes, chance: random.Random) -> bytes:
    """Hold markup or a script where a format leaves room for it."""
    if data.startswith(PNG_SIGN) and len(data) > 33:
        return data[:33] + chunk(b"tEXt", b"Comment\0" + _MARKUP) + data[33:]
    if data.startswith(b"GIF8") and len(data) > 10:
        return data[:6] + _SCRIPT[:4] + data[10:] + b"*/" + _SCRIPT
    if data.startswith(b"\xff\xd8"):
        return data[:2] + b"\xff\xfe" + struct.pack(">H", len(_MARKUP) + 2) + _MARKUP + data[2:]
    return chance.choice((_MARKUP + data, data + _MARKUP))


def change_the_size(data: bytes, chance: random.Random) -> bytes:
    """Say another width or height in the header, with sums that are right again."""
    size = chance.choice((0, 1, 7, 100, 2047, 16_384, 16_385, 50_000, 65_535))
    if data.startswith(PNG_SIGN) and len(data) > 33:
        at = 16 + 4 * chance.randrange(2)
        head = data[12:at] + struct.pack(">I", size) + data[at + 4 : 29]
        return data[:12] + head + struct.pack(">I", zlib.crc32(head)) + data[33:]
    if data.startswith(b"\xff\xd8") and (found := _JPEG_FRAMES.search(data)):
        at = found.start() + 5 + 2 * chance.randrange(2)
        return data[:at] + struct.pack(">H", size) + data[at + 2 :]
    if data.startswith(b"GIF8"):
        at = chance.choice((6, 8, *([data.find(b",") + 1 + 2 * chance.randrange(4)] if b"," in data else [])))
        return data[:at] + struct.pack("<H", size) + data[at + 2 :]
    at = chance.choice((24, 26, 27, 29))
    return data[:at] + struct.pack("<H", size) + data[at + 2 :]


def change_a_length(data: bytes, chance: random.Random) -> bytes:
    """Say another length of a chunk or a segment."""
    order: Literal["big", "little"] = "big"
    if data.startswith(b"\xff\xd8"):
        width, places = 2, [found.end() for found in _MARKERS.finditer(data)]
    elif data.startswith(PNG_SIGN):
        width, places = 4, [at - 4 for name in _PNG_CHUNKS if (at := data.find(name)) >= 4]
    else:
        width, places, order = 4, [at + 4 for name in _WEBP_CHUNKS if (at := data.find(name)) >= 0], "little"
    if not places:
        return change_a_number(data, chance)
    at, most = chance.choice(places), 2 ** (8 * width) - 1
    number = chance.choice((chance.choice(_INTERESTING), chance.randrange(len(data) + 1))) & most
    piece: bytes = number.to_bytes(width, order)
    return data[:at] + piece + data[at + width :]


def mend_the_sums(data: bytes, chance: random.Random) -> bytes:
    """Damage a PNG inside its chunks, and make their sums right again."""
    if not data.startswith(PNG_SIGN):
        return flip_bits(data, chance)
    whole, at = PNG_SIGN, len(PNG_SIGN)
    while at + 12 <= len(data):
        length = min(int.from_bytes(data[at : at + 4], "big"), len(data) - at - 12)
        name, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        whole += chunk(name, flip_bits(body, chance) if chance.random() < 0.4 else body)
        at += 12 + length
    return whole + data[at:]


DAMAGES: tuple[Damage, ...] = (
    flip_bits,
    flip_bits_in_the_head,
    cut_off,
    leave_out,
    say_twice,
    overwrite,
    change_a_number,
    splice,
    append_junk,
    mislabel,
    be_a_page_as_well,
    change_the_size,
    change_a_length,
    mend_the_sums,
)
