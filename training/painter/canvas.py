"""A canvas that is drawn three times too large and then reduced, so that edges come out smooth."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from training.painter.palette import Rgb

SIZE = 128
OVERSAMPLING = 3

Point = tuple[float, float]


class Canvas:
    """Draws shapes in units of the finished picture: x to the right, y downwards, 0 to 128."""

    def __init__(self, backdrop: Image.Image) -> None:
        self._image = backdrop.copy()
        self._draw = ImageDraw.Draw(self._image)
        self._scale = 1.0
        self._shift = (0.0, 0.0)

    def place(self, scale: float, dx: float, dy: float) -> None:
        """Draw from now on scaled about the point (64, 104), where things stand, and shifted."""
        self._scale = scale
        self._shift = (64 + dx - 64 * scale, 104 + dy - 104 * scale)

    def _at(self, point: Point) -> Point:
        x, y = point
        return (
            (x * self._scale + self._shift[0]) * OVERSAMPLING,
            (y * self._scale + self._shift[1]) * OVERSAMPLING,
        )

    def polygon(self, points: Sequence[Point], fill: Rgb) -> None:
        """Fill a polygon."""
        self._draw.polygon([self._at(point) for point in points], fill=fill)

    def rectangle(self, left: float, top: float, right: float, bottom: float, fill: Rgb) -> None:
        """Fill a rectangle."""
        self._draw.rectangle([self._at((left, top)), self._at((right, bottom))], fill=fill)

    def ellipse(self, centre: Point, width: float, height: float, fill: Rgb) -> None:
        """Fill an ellipse; `width` and `height` are its half axes."""
        x, y = centre
        self._draw.ellipse([self._at((x - width, y - height)), self._at((x + width, y + height))], fill=fill)

    def half_ellipse(self, centre: Point, width: float, height: float, fill: Rgb) -> None:
        """Fill the upper half of an ellipse."""
        x, y = centre
        box = [self._at((x - width, y - height)), self._at((x + width, y + height))]
        self._draw.pieslice(box, 180, 360, fill=fill)

    def line(self, points: Sequence[Point], width: float, fill: Rgb) -> None:
        """Draw a line with round joints."""
        thickness = max(1, round(width * self._scale * OVERSAMPLING))
        self._draw.line([self._at(point) for point in points], fill=fill, width=thickness, joint="curve")

    def arc(self, centre: Point, axes: Point, angles: Point, *, stroke: float, fill: Rgb) -> None:
        """Draw a part of an ellipse's edge, between two angles in degrees, clockwise from the right."""
        (x, y), (width, height) = centre, axes
        box = [self._at((x - width, y - height)), self._at((x + width, y + height))]
        thickness = max(1, round(stroke * self._scale * OVERSAMPLING))
        self._draw.arc(box, angles[0], angles[1], fill=fill, width=thickness)

    def finish(self) -> Image.Image:
        """Return the picture in its own size."""
        return self._image.reduce(OVERSAMPLING)


def gradient(stops: Sequence[tuple[float, Rgb]]) -> Image.Image:
    """Return a backdrop whose colour runs down through the stops (y from 0 to 1, ascending)."""
    side = SIZE * OVERSAMPLING
    places = [place for place, _ in stops]
    rows = np.linspace(0, 1, side)
    channels = [np.interp(rows, places, [colour[channel] for _, colour in stops]) for channel in range(3)]
    column = np.stack(channels, axis=1).round().astype(np.uint8)
    return Image.fromarray(np.repeat(column[:, None], side, axis=1), "RGB")
