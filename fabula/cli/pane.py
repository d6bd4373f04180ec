"""The place on a terminal where a picture is shown while it forms: drawn again and again at the same lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from fabula.cli import terminal_pictures as pictures
from fabula.cli.terminal_pictures import Way

LARGEST_COLUMNS = 64
LINES_KEPT = 6
"""Lines of the terminal that are left to the progress bar and to what was said last."""


class Pane:
    """The last lines above the cursor, once something is drawn.

    Args:
        file: The terminal.
        way: How it shows pictures; not `NONE`.
        columns: Its width.
        lines: Its height.
    """

    def __init__(self, file: TextIO, way: Way, columns: int, lines: int) -> None:
        self._file = file
        self._way = way
        self._most_columns = max(1, min(columns - 2, LARGEST_COLUMNS))
        self._most_rows = max(1, lines - LINES_KEPT)
        self._rows = 0
        self._shown = b""

    def draw(self, data: bytes) -> None:
        """Show an encoded picture in place of the one before. One that cannot be decoded is not shown."""
        try:
            picture = pictures.opened(data)
        except (OSError, ValueError):
            return
        columns, rows = pictures.cells(picture, self._most_columns, self._most_rows)
        match self._way:
            case Way.BLOCKS:
                text = "\n".join(pictures.blocks(picture, columns, rows)) + "\n"
            case Way.KITTY:
                text = _over(rows, pictures.kitty(picture, columns, rows))
            case _:
                text = _over(rows, pictures.iterm(picture, columns, rows))
        self._file.write(self._erasing() + text)
        self._file.flush()
        self._rows, self._shown = rows, data

    @contextmanager
    def away(self) -> Iterator[None]:
        """Take the picture away while something is written, and show it again behind that."""
        shown = self._shown
        self._file.write(self._erasing())
        self._file.flush()
        self._rows, self._shown = 0, b""
        yield
        if shown:
            self.draw(shown)

    def _erasing(self) -> str:
        if not self._rows:
            return ""
        forget = pictures.KITTY_FORGET if self._way is Way.KITTY else ""
        return f"{forget}\x1b[{self._rows}A\r\x1b[J"


def _over(rows: int, picture: str) -> str:
    """Return what makes room for a picture, shows it there, and leaves the cursor below."""
    # Room first: at the end of the screen the lines above move up.
    room = "\n" * rows
    return f"{room}\x1b[{rows}A{picture}\x1b[{rows}B\r"
