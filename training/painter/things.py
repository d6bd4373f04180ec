"""Castles, ships, dragons and the like: bold silhouettes with the scene's colour on their largest areas."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from training.painter.canvas import Canvas, Point
from training.painter.palette import CREAM, INK, LAMP, STEEL, WOOD, Light, Rgb, darker, lighter, mix


@dataclass(frozen=True, slots=True)
class Paint:
    """The paints of one thing, as they look in the light of the scene.

    Attributes:
        main: the scene's colour.
        light: turns any other colour into what it looks like.
        lit: whether lamps burn behind the windows.
    """

    main: Rgb
    light: Light
    lit: bool

    @property
    def shade(self) -> Rgb:
        """The scene's colour on the side that is turned away from the light."""
        return darker(self.main, 0.28)

    @property
    def bright(self) -> Rgb:
        """The scene's colour where the light falls."""
        return lighter(self.main, 0.22)

    @property
    def glass(self) -> Rgb:
        """The colour of windows."""
        return LAMP if self.lit else self.light.on((74, 62, 84))

    def other(self, colour: Rgb) -> Rgb:
        """Return what another colour looks like here."""
        return self.light.on(colour)


def _roof(canvas: Canvas, sides: tuple[float, float], base: float, top: float, tone: Rgb) -> None:
    left, right = sides
    middle = (left + right) / 2
    canvas.polygon([(left, base), (middle, top), (right, base)], tone)
    canvas.polygon([(middle, base), (middle, top), (right, base)], darker(tone, 0.2))


def _battlements(canvas: Canvas, left: float, right: float, top: float, tone: Rgb) -> None:
    x = left
    while x + 5 <= right + 0.1:
        canvas.rectangle(x, top, x + 5, top + 6, tone)
        x += 9


def _castle(canvas: Canvas, paint: Paint, _lot: random.Random) -> None:
    roof = paint.other((86, 66, 110))
    canvas.rectangle(46, 44, 82, 80, paint.bright)
    canvas.rectangle(66, 44, 82, 80, paint.main)
    _roof(canvas, (41, 87), 45, 12, roof)
    canvas.rectangle(30, 70, 98, 106, paint.main)
    _battlements(canvas, 41, 90, 65, paint.main)
    for left in (17, 87):
        canvas.rectangle(left, 52, left + 24, 106, paint.bright)
        canvas.rectangle(left + 14, 52, left + 24, 106, paint.shade)
        _roof(canvas, (left - 4, left + 28), 53, 26, roof)
        canvas.rectangle(left + 9, 64, left + 15, 74, paint.glass)
    canvas.rectangle(60, 52, 68, 62, paint.glass)
    gate = paint.other((74, 46, 34))
    canvas.half_ellipse((64, 90), 11, 12, gate)
    canvas.rectangle(53, 89, 75, 106, gate)


def _cottage(canvas: Canvas, paint: Paint, _lot: random.Random) -> None:
    thatch = paint.other((150, 102, 62))
    canvas.rectangle(82, 32, 93, 60, paint.other((138, 110, 108)))
    canvas.ellipse((90, 24), 6, 5, paint.other((226, 226, 230)))
    canvas.ellipse((97, 15), 8, 6, paint.other((226, 226, 230)))
    canvas.rectangle(27, 66, 101, 106, paint.main)
    canvas.rectangle(80, 66, 101, 106, paint.shade)
    canvas.polygon([(16, 70), (36, 36), (92, 36), (112, 70)], thatch)
    canvas.polygon([(16, 70), (20, 63), (108, 63), (112, 70)], darker(thatch, 0.25))
    door = paint.other((84, 54, 38))
    canvas.half_ellipse((64, 86), 9, 9, door)
    canvas.rectangle(55, 85, 73, 106, door)
    for left in (33, 81):
        canvas.rectangle(left, 77, left + 15, 92, paint.other(CREAM))
        canvas.rectangle(left + 2, 79, left + 13, 90, paint.glass)


def _tower(canvas: Canvas, paint: Paint, _lot: random.Random) -> None:
    roof = paint.other((86, 66, 110))
    canvas.polygon([(46, 106), (50, 44), (78, 44), (82, 106)], paint.main)
    canvas.polygon([(46, 106), (50, 44), (58, 44), (56, 106)], paint.bright)
    canvas.polygon([(70, 106), (70, 44), (78, 44), (82, 106)], paint.shade)
    canvas.polygon([(48, 48), (42, 38), (86, 38), (80, 48)], paint.shade)
    canvas.rectangle(42, 30, 86, 39, paint.main)
    _roof(canvas, (38, 90), 31, 2, roof)
    for top in (56, 74):
        canvas.rectangle(60, top, 68, top + 10, paint.glass)
    door = paint.other((74, 46, 34))
    canvas.half_ellipse((64, 97), 7, 8, door)
    canvas.rectangle(57, 96, 71, 106, door)


def _ship(canvas: Canvas, paint: Paint, _lot: random.Random) -> None:
    wood = paint.other(WOOD)
    canvas.line([(46, 92), (46, 20)], 3, darker(wood, 0.3))
    canvas.line([(80, 92), (80, 10)], 3, darker(wood, 0.3))
    canvas.polygon([(80, 8), (98, 13), (80, 18)], paint.shade)
    for mast, top, half, bottom in ((46, 28, 17, 80), (80, 20, 21, 82)):
        belly = half * 0.35
        sail = [
            (mast - half, top),
            (mast + half, top),
            (mast + half + belly, (top + bottom) / 2),
            (mast + half, bottom),
        ]
        canvas.polygon([*sail, (mast - half, bottom), (mast - half + belly, (top + bottom) / 2)], paint.main)
        fold = [(mast + half * 0.4, top), (mast + half, top), (mast + half + belly, (top + bottom) / 2)]
        canvas.polygon([*fold, (mast + half, bottom), (mast + half * 0.4, bottom)], paint.shade)
        canvas.line([(mast - half - 2, top), (mast + half + 2, top)], 3, darker(wood, 0.3))
    canvas.polygon([(14, 86), (30, 88), (98, 88), (118, 80), (104, 110), (30, 110)], wood)
    canvas.polygon([(20, 98), (111, 97), (104, 110), (30, 110)], darker(wood, 0.25))
    canvas.line([(16, 88), (98, 89), (117, 82)], 2.4, mix(wood, LAMP, 0.4))


def _tree(canvas: Canvas, paint: Paint, _lot: random.Random) -> None:
    bark = paint.other((112, 74, 48))
    canvas.polygon([(50, 108), (57, 92), (58, 66), (70, 66), (71, 92), (79, 108)], bark)
    canvas.polygon([(66, 106), (66, 66), (70, 66), (71, 92), (79, 108)], darker(bark, 0.25))
    for x, y, size in ((38, 60, 20), (64, 66, 22), (90, 60, 20)):
        canvas.ellipse((x, y), size, size * 0.9, paint.shade)
    for x, y, size in ((36, 52, 19), (92, 52, 19), (64, 52, 26), (48, 34, 19), (78, 34, 20), (64, 26, 18)):
        canvas.ellipse((x, y), size, size * 0.94, paint.main)
    for x, y, size in ((50, 32, 12), (34, 48, 9), (68, 22, 9)):
        canvas.ellipse((x, y), size, size * 0.8, paint.bright)


def _mountain(canvas: Canvas, paint: Paint, _lot: random.Random) -> None:
    snow = paint.other((250, 250, 255))
    canvas.polygon([(2, 106), (30, 54), (62, 106)], paint.shade)
    canvas.polygon([(66, 106), (98, 50), (126, 106)], paint.shade)
    canvas.polygon([(8, 108), (62, 10), (120, 108)], paint.main)
    canvas.polygon([(62, 10), (120, 108), (76, 108), (66, 62)], paint.shade)
    canvas.polygon([(62, 10), (44, 43), (52, 40), (58, 48), (64, 38), (70, 47), (76, 38), (82, 44)], snow)
    canvas.polygon([(62, 10), (64, 38), (70, 47), (76, 38), (82, 44)], darker(snow, 0.14))


def _dragon(canvas: Canvas, paint: Paint, _lot: random.Random) -> None:
    belly = mix(paint.bright, paint.other(CREAM), 0.6)
    horn = paint.other(CREAM)
    canvas.line([(76, 100), (104, 104), (114, 92)], 8, paint.main)
    canvas.polygon([(106, 92), (117, 76), (122, 95)], paint.shade)
    for side in (-1, 1):

        def mirrored(points: Sequence[Point], side: int = side) -> list[Point]:
            return [(64 + side * (x - 64), y) for x, y in points]

        wing = [(72, 72), (88, 34), (122, 20), (120, 44), (124, 66), (108, 66), (100, 82), (88, 78)]
        canvas.polygon(mirrored(wing), paint.shade)
        canvas.polygon(
            mirrored([(74, 70), (89, 36), (120, 22), (104, 44), (107, 64), (92, 56), (88, 76)]), paint.bright
        )
        canvas.line(mirrored([(74, 72), (88, 35), (122, 20)]), 4, paint.main)
        canvas.ellipse((64 + side * 17, 94), 11, 13, paint.main)
        canvas.ellipse((64 + side * 17, 104), 11, 6, paint.shade)
        canvas.polygon(mirrored([(69, 38), (82, 14), (78, 44)]), horn)
    canvas.ellipse((64, 82), 19, 24, paint.main)
    canvas.ellipse((64, 87), 11, 17, belly)
    canvas.ellipse((64, 48), 21, 18, paint.main)
    canvas.ellipse((64, 57), 15, 10, belly)
    for side in (-1, 1):
        canvas.ellipse((64 + side * 9, 44), 5, 6, (255, 250, 220))
        canvas.ellipse((64 + side * 8.4, 45), 2.8, 4.2, INK)
        canvas.ellipse((64 + side * 5, 56), 1.6, 1.6, darker(belly, 0.6))


def _knight(canvas: Canvas, paint: Paint, _lot: random.Random) -> None:
    steel = paint.other(STEEL)
    dim = darker(steel, 0.3)
    canvas.polygon([(48, 52), (80, 52), (96, 104), (32, 104)], paint.shade)
    for left in (50, 66):
        canvas.rectangle(left, 86, left + 12, 106, dim)
        canvas.rectangle(left - 2, 102, left + 13, 108, darker(steel, 0.5))
    canvas.polygon([(46, 54), (82, 54), (86, 94), (42, 94)], paint.main)
    canvas.polygon([(68, 54), (82, 54), (86, 94), (68, 94)], paint.shade)
    canvas.rectangle(43, 76, 85, 81, paint.other(WOOD))
    for x in (43, 85):
        canvas.ellipse((x, 59), 10, 9, steel)
    canvas.rectangle(95, 16, 101, 76, lighter(steel, 0.3))
    canvas.rectangle(88, 72, 108, 77, paint.other((222, 176, 70)))
    canvas.rectangle(95, 77, 101, 88, paint.other(WOOD))
    canvas.ellipse((94, 80), 6, 6, steel)
    canvas.ellipse((64, 14), 10, 10, paint.main)
    canvas.ellipse((74, 18), 10, 9, paint.main)
    canvas.ellipse((82, 26), 6, 7, paint.shade)
    canvas.half_ellipse((64, 38), 19, 20, steel)
    canvas.rectangle(45, 37, 83, 54, steel)
    canvas.polygon([(68, 20), (83, 36), (83, 54), (68, 54)], dim)
    canvas.rectangle(48, 35, 80, 41, INK)
    canvas.polygon([(12, 58), (50, 58), (50, 82), (31, 104), (12, 82)], steel)
    canvas.polygon([(16, 62), (46, 62), (46, 80), (31, 98), (16, 80)], paint.main)
    canvas.rectangle(28.5, 62, 33.5, 96, lighter(steel, 0.4))
    canvas.rectangle(16, 72, 46, 77, lighter(steel, 0.4))


_THINGS: dict[str, Callable[[Canvas, Paint, random.Random], None]] = {
    "castle": _castle,
    "cottage": _cottage,
    "tower": _tower,
    "ship": _ship,
    "tree": _tree,
    "mountain": _mountain,
    "dragon": _dragon,
    "knight": _knight,
}


def paint_thing(canvas: Canvas, subject: str, paint: Paint, lot: random.Random) -> None:
    """Draw a thing where the canvas is placed."""
    _THINGS[subject](canvas, paint, lot)
