"""Skies and settings; each setting fills large areas of its own, so that it is told apart by night too."""

import random
from dataclasses import dataclass
from functools import cache

from PIL import Image

from training.painter.canvas import Canvas, gradient
from training.painter.palette import Rgb, darker, lighter, mix

_SKIES: dict[str, tuple[tuple[float, Rgb], ...]] = {
    "day": ((0.0, (70, 156, 232)), (0.7, (198, 234, 252)), (1.0, (220, 242, 252))),
    "sunset": ((0.0, (98, 62, 146)), (0.35, (226, 100, 132)), (0.7, (255, 196, 110)), (1.0, (255, 214, 140))),
    "night": ((0.0, (12, 18, 62)), (0.7, (58, 78, 152)), (1.0, (66, 88, 160))),
}
_STARS = (
    (10, 14),
    (30, 8),
    (46, 20),
    (64, 6),
    (82, 14),
    (120, 46),
    (6, 44),
    (24, 34),
    (76, 30),
    (118, 8),
    (12, 66),
    (112, 64),
)
_FLAKES = (
    (8, 22),
    (22, 50),
    (14, 78),
    (34, 14),
    (50, 32),
    (72, 12),
    (92, 28),
    (106, 52),
    (120, 24),
    (116, 80),
    (84, 46),
    (38, 66),
)


@dataclass(frozen=True, slots=True)
class _Tones:
    """The colours of one setting at one time of day: ground, what is behind it, and what stands at the sides."""

    ground: Rgb
    far: Rgb
    side: Rgb


_TONES: dict[tuple[str, str], _Tones] = {
    ("hill", "day"): _Tones((124, 200, 82), (164, 216, 130), (255, 240, 120)),
    ("hill", "sunset"): _Tones((146, 158, 66), (196, 166, 96), (255, 226, 120)),
    ("hill", "night"): _Tones((44, 104, 76), (52, 96, 116), (190, 200, 150)),
    ("sea", "day"): _Tones((34, 128, 204), (70, 160, 222), (206, 238, 252)),
    ("sea", "sunset"): _Tones((110, 76, 140), (206, 120, 126), (255, 214, 150)),
    ("sea", "night"): _Tones((18, 52, 112), (30, 74, 142), (120, 160, 220)),
    ("forest", "day"): _Tones((70, 132, 66), (92, 158, 112), (32, 98, 62)),
    ("forest", "sunset"): _Tones((84, 84, 48), (150, 96, 76), (62, 58, 48)),
    ("forest", "night"): _Tones((28, 78, 58), (40, 84, 100), (12, 46, 50)),
    ("desert", "day"): _Tones((246, 206, 124), (232, 162, 104), (70, 148, 82)),
    ("desert", "sunset"): _Tones((236, 152, 84), (190, 90, 74), (88, 100, 62)),
    ("desert", "night"): _Tones((142, 116, 112), (98, 74, 110), (40, 76, 76)),
    ("snow", "day"): _Tones((246, 250, 254), (200, 222, 242), (70, 130, 118)),
    ("snow", "sunset"): _Tones((254, 226, 222), (226, 172, 192), (102, 96, 112)),
    ("snow", "night"): _Tones((178, 196, 238), (110, 134, 198), (36, 70, 96)),
}


@cache
def _sky(time: str) -> Image.Image:
    return gradient(_SKIES[time])


def paint_background(setting: str, time: str, lot: random.Random) -> Canvas:
    """Return a canvas with the sky and the setting on it."""
    canvas = Canvas(_sky(time))
    _lights(canvas, time)
    if time == "day" or (time == "sunset" and setting != "forest"):
        _clouds(canvas, time, lot)
    _PAINTERS[setting](canvas, _TONES[setting, time], lot)
    return canvas


def ship_water(setting: str, time: str) -> tuple[Rgb, Rgb]:
    """Return the colours of water and of its waves for a ship, which has a lake where there is no sea."""
    tones = _TONES["sea", time]
    return (mix(tones.ground, tones.far, 0.3) if setting != "sea" else tones.ground), tones.side


def _lights(canvas: Canvas, time: str) -> None:
    if time == "day":
        canvas.ellipse((20, 21), 14, 14, (178, 218, 236))
        canvas.ellipse((20, 21), 10, 10, (255, 232, 110))
    elif time == "sunset":
        canvas.ellipse((104, 60), 24, 24, (255, 178, 116))
        canvas.ellipse((104, 60), 17, 17, (255, 236, 150))
    else:
        for x, y in _STARS:
            canvas.ellipse((x, y), 1.1, 1.1, (240, 240, 220))
        canvas.ellipse((104, 22), 15, 15, (44, 56, 116))
        canvas.ellipse((104, 22), 11, 11, (250, 244, 212))
        canvas.ellipse((100, 19), 2.6, 2.6, (228, 220, 188))
        canvas.ellipse((107, 26), 1.8, 1.8, (228, 220, 188))


def _clouds(canvas: Canvas, time: str, lot: random.Random) -> None:
    tone: Rgb = (250, 252, 255) if time == "day" else (250, 150, 150)
    shift = lot.uniform(-4, 4)
    for x, y, size in ((104 + shift, 24, 1.0), (16 - shift, 48, 0.8)):
        if time == "sunset":
            x, y = 128 - x, y - 6  # noqa: PLW2901 - the sun stands where clouds are by day
        canvas.ellipse((x, y), 15 * size, 5 * size, tone)
        canvas.ellipse((x - 4 * size, y - 4 * size), 7 * size, 6 * size, tone)
        canvas.ellipse((x + 5 * size, y - 3 * size), 6 * size, 5 * size, tone)


def _hill(canvas: Canvas, tones: _Tones, lot: random.Random) -> None:
    tilt = lot.uniform(-5, 5)
    canvas.ellipse((106 + tilt, 122), 72, 48, tones.far)
    canvas.ellipse((6 + tilt, 124), 60, 44, mix(tones.far, tones.ground, 0.5))
    canvas.ellipse((64 - tilt, 146), 110, 54, tones.ground)
    canvas.ellipse((64 - tilt, 170), 110, 56, darker(tones.ground, 0.12))
    for x, y in ((12, 112), (26, 121), (102, 121), (116, 111)):
        canvas.ellipse((x, y), 1.8, 1.8, tones.side)


def _sea(canvas: Canvas, tones: _Tones, lot: random.Random) -> None:
    drift = lot.uniform(-4, 4)
    for step in range(10):
        top = 80 + step * 4.8
        canvas.rectangle(0, top, 128, 128, mix(tones.far, tones.ground, step / 9))
    for x, y in ((4, 88), (94, 86), (108, 96), (6, 102), (100, 112), (20, 116), (56, 122)):
        canvas.line([(x + drift, y), (x + drift + 14, y)], 1.6, mix(tones.ground, tones.side, 0.6))


def _conifer(canvas: Canvas, x: float, top: float, half: float, tone: Rgb) -> None:
    height = 104 - top
    for share in (0.0, 0.28, 0.56):
        y = top + height * share
        width = half * (0.5 + share * 0.9)
        canvas.polygon([(x, y), (x - width, y + height * 0.44), (x + width, y + height * 0.44)], tone)


def _forest(canvas: Canvas, tones: _Tones, lot: random.Random) -> None:
    sway = lot.uniform(-3, 3)
    for number in range(9):
        x = number * 16 + sway
        _conifer(canvas, x, 42 + (number % 2) * 7, 13, tones.far)
    canvas.rectangle(0, 94, 128, 128, tones.ground)
    canvas.ellipse((64, 134), 90, 34, lighter(tones.ground, 0.10))
    for x, top, half in ((4, 6, 20), (124, 10, 20), (22, 44, 13), (107, 48, 13)):
        canvas.rectangle(x - 2.5, 100, x + 2.5, 110, darker(tones.side, 0.4))
        _conifer(canvas, x, top + sway, half, tones.side)


def _cactus(canvas: Canvas, x: float, tone: Rgb) -> None:
    canvas.line([(x, 72), (x, 106)], 6.5, tone)
    canvas.ellipse((x, 72), 3.2, 3.2, tone)
    canvas.line([(x, 92), (x - 8, 92), (x - 8, 82)], 4, tone)
    canvas.line([(x, 88), (x + 8, 88), (x + 8, 78)], 4, tone)


def _desert(canvas: Canvas, tones: _Tones, lot: random.Random) -> None:
    drift = lot.uniform(-4, 4)
    canvas.polygon([(-6 + drift, 92), (0 + drift, 62), (26 + drift, 62), (34 + drift, 92)], tones.far)
    canvas.polygon([(92 + drift, 92), (98 + drift, 70), (122 + drift, 70), (134 + drift, 92)], lighter(tones.far, 0.1))
    canvas.ellipse((100, 124), 80, 40, lighter(tones.ground, 0.2))
    canvas.ellipse((24, 136), 90, 48, tones.ground)
    canvas.ellipse((100, 156), 90, 48, darker(tones.ground, 0.1))
    _cactus(canvas, 12, tones.side)
    _cactus(canvas, 117, tones.side)


def _snow(canvas: Canvas, tones: _Tones, lot: random.Random) -> None:
    drift = lot.uniform(-4, 4)
    canvas.polygon([(-20 + drift, 96), (18 + drift, 56), (56 + drift, 96)], tones.far)
    canvas.polygon([(70 + drift, 96), (112 + drift, 60), (150 + drift, 96)], tones.far)
    canvas.ellipse((64, 134), 100, 46, tones.ground)
    canvas.ellipse((20, 150), 90, 48, mix(tones.ground, tones.far, 0.3))
    for x in (10, 119):
        _conifer(canvas, x, 64, 14, tones.side)
        canvas.polygon([(x, 64), (x - 6, 78), (x + 6, 78)], tones.ground)
        canvas.polygon([(x, 78), (x - 9, 90), (x + 9, 90)], mix(tones.ground, tones.side, 0.25))
    for x, y in _FLAKES:
        canvas.ellipse((x, y), 1.9, 1.9, (255, 255, 255))


_PAINTERS = {"hill": _hill, "sea": _sea, "forest": _forest, "desert": _desert, "snow": _snow}
