"""Places in a picture, in words. Pure."""

from __future__ import annotations

_ROWS = ("upper", "middle", "lower")
_COLUMNS = ("left", "centre", "right")
_NAMES = {
    ("middle", "centre"): "in the middle",
    ("upper", "centre"): "at the top",
    ("lower", "centre"): "at the bottom",
    ("middle", "left"): "at the left",
    ("middle", "right"): "at the right",
}


def place_in_thirds(down: float, across: float) -> str:
    """Return where a point lies: "in the middle", "at the top", "at the lower left", and so on.

    Args:
        down: Its distance from the upper edge, as a part of the height.
        across: Its distance from the left edge, as a part of the width.
    """
    row, column = _ROWS[min(2, int(down * 3))], _COLUMNS[min(2, int(across * 3))]
    return _NAMES.get((row, column), f"at the {row} {column}")


def thirds(length: int) -> tuple[slice, slice, slice]:
    """Cut a side into three parts, none of them empty: of a side shorter than three they overlap."""
    first = min(max(1, round(length / 3)), length)
    last = max(0, length - first)
    return slice(0, first), slice(min(first, length - 1), max(last, min(first, length - 1) + 1)), slice(last, length)
