"""Pictures on terminals: which way a terminal is shown them, and what is written to it."""

from __future__ import annotations

import base64
import io
import re

import pytest
from PIL import Image
from rich.console import Console

from fabula.cli.faces import FACES
from fabula.cli.pane import LINES_KEPT, Pane
from fabula.cli.screen import ScreenView
from fabula.cli.terminal_pictures import KITTY_FORGET, Way, blocks, cells, iterm, kitty, opened, way_of
from tests.unit.cli.events import preview

RED, BLUE = (200, 0, 0), (0, 0, 200)


def encoded(size: tuple[int, int] = (64, 64), colour: tuple[int, int, int] = RED, format_: str = "PNG") -> bytes:
    """Return a picture of one colour."""
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, format_)
    return file.getvalue()


@pytest.mark.parametrize(
    ("environment", "columns", "way"),
    [
        ({"TERM": "xterm-kitty"}, 80, Way.KITTY),
        ({"KITTY_WINDOW_ID": "1", "TERM": "xterm-256color"}, 80, Way.KITTY),
        ({"TERM_PROGRAM": "ghostty"}, 80, Way.KITTY),
        ({"TERM_PROGRAM": "iTerm.app"}, 80, Way.ITERM),
        ({"TERM_PROGRAM": "WezTerm"}, 30, Way.ITERM),
        ({"COLORTERM": "truecolor"}, 80, Way.BLOCKS),
        ({"COLORTERM": "24bit"}, 40, Way.BLOCKS),
        ({"COLORTERM": "truecolor"}, 39, Way.NONE),
        ({"TERM": "xterm-256color"}, 200, Way.NONE),
        ({"TERM": "xterm-kitty", "TMUX": "1", "COLORTERM": "truecolor"}, 80, Way.BLOCKS),
        ({"TERM": "xterm-kitty", "NO_COLOR": "1"}, 80, Way.NONE),
        ({"TERM": "dumb", "COLORTERM": "truecolor"}, 80, Way.NONE),
    ],
)
def test_the_way_is_what_the_terminal_says_of_itself(environment: dict[str, str], columns: int, way: Way) -> None:
    """Its own protocol, else half blocks where there is colour and room, else nothing."""
    assert way is way_of(environment, columns)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((512, 512), (40, 20)), ((1024, 512), (64, 16)), ((512, 1024), (20, 20)), ((16, 16), (40, 20))],
)
def test_a_picture_keeps_its_proportions(size: tuple[int, int], expected: tuple[int, int]) -> None:
    """Over cells that are twice as high as wide."""
    assert expected == cells(opened(encoded(size)), 64, 20)


def test_a_half_block_shows_two_pixels() -> None:
    """The upper one in its own colour, the lower one behind it; each line ends with the terminal's own colours."""
    picture = Image.new("RGB", (2, 2), RED)
    picture.paste(BLUE, (0, 1, 2, 2))

    assert ["\x1b[38;2;200;0;0;48;2;0;0;200m▀" * 2 + "\x1b[0m"] == blocks(picture, 2, 1)


def test_kitty_is_sent_a_png_in_chunks() -> None:
    """The first says how it is placed, all but the last that more comes; together they are the picture."""
    noise = Image.effect_noise((200, 200), 90).convert("RGB")
    parts = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", kitty(noise, 40, 20))
    controls, data = [part[0] for part in parts], base64.b64decode("".join(part[1] for part in parts))

    assert "a=T,f=100,i=1,p=1,q=2,C=1,c=40,r=20,m=1" == controls[0]
    assert {"m=1"} == set(controls[1:-1])
    assert "m=0" == controls[-1]
    assert all(len(part[1]) <= 4096 for part in parts)
    assert noise.tobytes() == opened(data).tobytes()


def test_iterm_is_sent_a_png_and_the_cursor_stays() -> None:
    """Saved before and restored behind it."""
    written = iterm(opened(encoded()), 40, 20)
    found = re.fullmatch(r"\x1b7\x1b\]1337;File=([^:]*):([^\x07]*)\x07\x1b8", written)

    assert found is not None
    assert {"inline=1", "width=40", "height=20"} <= set(found[1].split(";"))
    assert (64, 64) == opened(base64.b64decode(found[2])).size


def test_a_new_preview_takes_the_place_of_the_one_before() -> None:
    """As many lines up as the old one had; the first has nothing to erase."""
    file = io.StringIO()
    pane = Pane(file, Way.BLOCKS, columns=80, lines=16 + LINES_KEPT)
    pane.draw(encoded())
    first = file.getvalue()
    pane.draw(encoded((64, 32), BLUE))
    second = file.getvalue()[len(first) :]

    assert (16, False) == (first.count("\n"), "\x1b[16A" in first)
    assert second.startswith("\x1b[16A\r\x1b[J\x1b[38;2;0;0;200")
    assert second.count("\n") == 8 * 2  # 64 × 32 fills the width that 64 × 64 filled


def test_kitty_makes_room_first_and_forgets_the_old_one() -> None:
    """At the end of the screen the lines above have to move."""
    file = io.StringIO()
    pane = Pane(file, Way.KITTY, columns=80, lines=10 + LINES_KEPT)
    pane.draw(encoded())
    pane.draw(encoded())
    text = re.sub(r"\x1b_Ga=T[^\\]*\x1b\\", "<picture>", file.getvalue())

    shown = "\n" * 10 + "\x1b[10A<picture>\x1b[10B\r"
    assert f"{shown}{KITTY_FORGET}\x1b[10A\r\x1b[J{shown}" == text


def test_what_is_no_picture_is_not_shown() -> None:
    """The one before stays."""
    file = io.StringIO()
    pane = Pane(file, Way.BLOCKS, 80, 24)
    pane.draw(b"no picture")

    assert "" == file.getvalue()


def test_previews_of_all_kinds_of_files_are_shown() -> None:
    """As services send them."""
    for format_ in ("PNG", "JPEG", "WEBP"):
        assert (8, 8) == opened(encoded((8, 8), format_=format_)).size


def test_the_screen_shows_previews_above_its_bar_and_remarks_above_both() -> None:
    """A remark between two previews does not tear the picture from its place."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, height=24, highlight=False)
    view = ScreenView(FACES["image"], console=console, pane=Pane(file, Way.BLOCKS, 80, 24))
    view.show(preview(encoded()))
    view.show(preview(encoded(colour=BLUE), remark="Look out"))
    view.show(preview(encoded(colour=BLUE)))
    view.close()
    written = file.getvalue()

    remark = written.index("Look out")
    assert "38;2;200;0;0" in written[:remark]
    assert "\x1b[18A\r\x1b[J" in written[:remark]
    assert "38;2;200;0;0" in written[remark:]  # drawn again below the remark
    assert written.rindex("38;2;0;0;200") > remark
