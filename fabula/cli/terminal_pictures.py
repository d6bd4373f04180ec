"""How a terminal is made to show a picture: kitty's graphics, iTerm2's inline images, or coloured half blocks. Pure.

Protocols: https://sw.kovidgoyal.net/kitty/graphics-protocol/ and https://iterm2.com/documentation-images.html. Both
take a PNG in base64; the cursor stays where it is.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from enum import StrEnum

from PIL import Image

CHUNK_CHARACTERS = 4096
"""Most characters of base64 in one of kitty's escape sequences."""

PICTURE_ID = 1
"""kitty's name for the picture: a new one with the same name takes its place."""

NARROWEST_COLUMNS = 40
"""A terminal with fewer columns is shown no half blocks: they would be nothing but blots."""


class Way(StrEnum):
    """A way to show pictures."""

    KITTY = "kitty"
    ITERM = "iterm"
    BLOCKS = "blocks"
    NONE = "none"


def way_of(environment: Mapping[str, str], columns: int) -> Way:
    """Return the best way that a terminal is known to have, by what it says of itself in the environment."""
    program, term = environment.get("TERM_PROGRAM", ""), environment.get("TERM", "")
    if environment.get("NO_COLOR") or term == "dumb":
        return Way.NONE
    if not environment.get("TMUX"):  # which passes on neither protocol unless it is told to
        if environment.get("KITTY_WINDOW_ID") or "kitty" in term or "ghostty" in (term + program).lower():
            return Way.KITTY
        if program in {"iTerm.app", "WezTerm", "mintty"}:
            return Way.ITERM
    truecolour = environment.get("COLORTERM", "").lower() in {"truecolor", "24bit"}
    return Way.BLOCKS if truecolour and columns >= NARROWEST_COLUMNS else Way.NONE


def opened(data: bytes) -> Image.Image:
    """Return an encoded picture, decoded. Raises `OSError` where it is none."""
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture.convert("RGB")


def cells(picture: Image.Image, most_columns: int, most_rows: int) -> tuple[int, int]:
    """Return the columns and rows that a picture fills: as many as there may be, in its proportions.

    A cell is taken to be twice as high as it is wide.
    """
    scale = min(most_columns / picture.width, 2 * most_rows / picture.height)
    return max(1, round(picture.width * scale)), max(1, round(picture.height * scale / 2))


def kitty(picture: Image.Image, columns: int, rows: int) -> str:
    """Return what shows a picture in kitty, over so many cells. It replaces the one before."""
    text = base64.b64encode(_png(picture)).decode()
    parts = [text[start : start + CHUNK_CHARACTERS] for start in range(0, len(text), CHUNK_CHARACTERS)]
    control = f"a=T,f=100,i={PICTURE_ID},p=1,q=2,C=1,c={columns},r={rows},"
    sequences = []
    for number, part in enumerate(parts):
        more = int(number < len(parts) - 1)
        sequences.append(f"\x1b_G{'' if number else control}m={more};{part}\x1b\\")
    return "".join(sequences)


KITTY_FORGET = f"\x1b_Ga=d,d=I,i={PICTURE_ID},q=2\x1b\\"
"""What takes the picture away in kitty."""


def iterm(picture: Image.Image, columns: int, rows: int) -> str:
    """Return what shows a picture in iTerm2, and in those that have its protocol, over so many cells."""
    text = base64.b64encode(_png(picture)).decode()
    arguments = f"inline=1;width={columns};height={rows};preserveAspectRatio=0;doNotMoveCursor=1"
    # Not every terminal that has the protocol knows `doNotMoveCursor`.
    return f"\x1b7\x1b]1337;File={arguments}:{text}\x07\x1b8"


def blocks(picture: Image.Image, columns: int, rows: int) -> list[str]:
    """Return the lines of a picture in half blocks: each cell shows two pixels, one above the other."""
    small = picture.resize((columns, 2 * rows), Image.Resampling.BOX)
    pixels = small.tobytes()

    def colour(x: int, y: int) -> str:
        start = 3 * (y * columns + x)
        return ";".join(str(value) for value in pixels[start : start + 3])

    return [
        "".join(f"\x1b[38;2;{colour(x, 2 * row)};48;2;{colour(x, 2 * row + 1)}m▀" for x in range(columns)) + "\x1b[0m"
        for row in range(rows)
    ]


def _png(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return file.getvalue()
