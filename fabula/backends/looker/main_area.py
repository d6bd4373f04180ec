"""Finding the part of a picture that stands out against a ground. Pure.

What reaches the border on several sides is ground (the background prior of Y. Wei et al., "Geodesic saliency using
background priors", ECCV 2012); what differs from its colours stands out (colour distance as in R. Achanta et al.,
"Frequency-tuned salient region detection", CVPR 2009); the threshold between is N. Otsu's ("A threshold selection
method from gray-level histograms", 1979). Where that gives no single area that clearly differs, none is claimed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from fabula.backends.looker.names import places_of_names, shares_of_names
from fabula.backends.looker.oklab import Floats, distances
from fabula.backends.looker.pixels import Pixels

Mask = npt.NDArray[np.bool_]
Shares = tuple[tuple[str, float], ...]

_SMALLEST_SIDE = 8
_SIDE_SHARE = 0.1  # of a side, for a colour to reach it
_WHOLE_SIDE = 0.9  # the same for a colour that reaches one side only
_LEAST_CELLS = 3  # across and down: less is an edge between two areas
_LEAST_DISTANCE = 0.1
_LEAST_SHARE, _LARGEST_SHARE = 0.01, 0.7
_MIXED = 0.08  # less of the other's colours is what the cells along the edge hold
_TOGETHER = 0.6  # of all that stands out, in one piece


@dataclass(frozen=True, slots=True)
class MainArea:
    """The part that stands out.

    Attributes:
        share: Of the picture.
        down: Its centre's distance from the upper edge, as a part of the height.
        across: The same from the left edge.
        aspect: Width by height of the box around it, in the picture's own proportions.
        shares: Each named colour's part of it, the largest first.
        ground: The same for the ground.
        lightness: Its mean lightness, less the ground's.
        chroma: Its mean chroma, less the ground's.
        is_busier: Whether its colours vary clearly more than the ground's.
    """

    share: float
    down: float
    across: float
    aspect: float
    shares: Shares
    ground: Shares
    lightness: float
    chroma: float
    is_busier: bool


def find(pixels: Pixels, names: npt.NDArray[np.intp]) -> MainArea | None:
    """Find what stands out; None where nothing does.

    Args:
        pixels: The picture.
        names: The places of its colours' names.
    """
    coarse = pixels.coarse
    if min(coarse.shape[:2]) < _SMALLEST_SIDE:
        return None
    ground = _ground_colours(coarse)
    if not len(ground):
        return None
    apart = distances(coarse.reshape(-1, 3), ground).min(axis=1).reshape(coarse.shape[:2])
    if apart.max() < _LEAST_DISTANCE:
        return None
    standing_out = apart > max(_otsu(apart), _LEAST_DISTANCE)
    piece = max(_pieces(standing_out), key=np.count_nonzero, default=standing_out)
    if piece.sum() < _TOGETHER * standing_out.sum() or _is_band(piece):
        return None
    area = _filled(piece)
    if not _LEAST_SHARE <= area.mean() <= _LARGEST_SHARE:
        return None
    ground = ~(standing_out | area)
    if not ground.any() or apart[ground].mean() > apart[piece].mean() / 2:
        return None
    return _measured(area, ground, coarse, names)


def _ground_colours(coarse: Floats) -> Floats:
    """Return the mean of each named colour that reaches the border on two sides, or covers much of it."""
    sides = (coarse[:2], coarse[-2:], coarse[:, :2], coarse[:, -2:])
    border = np.concatenate([side.reshape(-1, 3) for side in sides])
    named = places_of_names(border)
    ends = np.cumsum([0, *(side.shape[0] * side.shape[1] for side in sides)])
    means = []
    for name in np.unique(named):
        is_it = named == name
        reached = [float(is_it[begin:end].mean()) for begin, end in pairwise(ends)]
        if sum(part >= _SIDE_SHARE for part in reached) > 1 or max(reached) >= _WHOLE_SIDE:
            means.append(border[is_it].mean(axis=0))
    return np.array(means, np.float32).reshape(-1, 3)


def _otsu(values: Floats) -> float:
    """Return the threshold that divides the values into the two classes that differ most."""
    counts, edges = np.histogram(values, bins=64)
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    sums = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums[:-1] / below - (sums[-1] - sums[:-1]) / above) ** 2
    return float(edges[1:-1][int(np.nan_to_num(between).argmax())])


def _pieces(mask: Mask) -> Iterator[Mask]:
    """Yield the parts of the mask whose places hang together, side by side."""
    left = {(int(row), int(column)) for row, column in np.argwhere(mask)}
    while left:
        waiting, piece = [left.pop()], np.zeros_like(mask)
        while waiting:
            row, column = waiting.pop()
            piece[row, column] = True
            for other in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
                if other in left:
                    left.remove(other)
                    waiting.append(other)
        yield piece


def _is_band(piece: Mask) -> bool:
    """Say whether a piece runs from one side to the opposite one, or is too thin to be more than an edge."""
    rows, columns = np.flatnonzero(piece.any(axis=1)), np.flatnonzero(piece.any(axis=0))
    return any(
        len(places) < _LEAST_CELLS or (places[0] == 0 and places[-1] == length - 1)
        for places, length in ((rows, piece.shape[0]), (columns, piece.shape[1]))
    )


def _filled(piece: Mask) -> Mask:
    """Return the piece with what it encloses: what does not reach the border belongs to it."""
    area = piece.copy()
    for rest in _pieces(~piece):
        if not (rest[0].any() or rest[-1].any() or rest[:, 0].any() or rest[:, -1].any()):
            area |= rest
    return area


def _measured(area: Mask, ground: Mask, coarse: Floats, names: npt.NDArray[np.intp]) -> MainArea:
    height, width = area.shape
    rows, columns = np.nonzero(area)
    fine_area, fine_ground = _enlarged(area, names.shape), _enlarged(ground, names.shape)
    inside, outside = coarse[area], coarse[ground]
    shares, of_ground = shares_of_names(names[fine_area]), shares_of_names(names[fine_ground])
    return MainArea(
        share=float(area.mean()),
        down=float(rows.mean() + 0.5) / height,
        across=float(columns.mean() + 0.5) / width,
        aspect=float(np.ptp(columns) + 1) / float(np.ptp(rows) + 1),
        shares=_unmixed(shares, of_ground),
        ground=_unmixed(of_ground, shares),
        lightness=float(inside[:, 0].mean() - outside[:, 0].mean()),
        chroma=float(np.hypot(inside[:, 1], inside[:, 2]).mean() - np.hypot(outside[:, 1], outside[:, 2]).mean()),
        is_busier=float(inside.std(axis=0).sum()) > 1.5 * float(outside.std(axis=0).sum()) + 0.02,
    )


def _unmixed(shares: Shares, others: Shares) -> Shares:
    """Return the shares without the little of them that belongs to the neighbour; together they are 1 again."""
    theirs = {name for name, share in others if share >= _MIXED}
    own = [(name, share) for name, share in shares if share >= _MIXED or name not in theirs]
    total = sum(share for _, share in own)
    return tuple((name, share / total) for name, share in own) if own else shares


def _enlarged(mask: Mask, shape: tuple[int, ...]) -> Mask:
    rows = np.arange(shape[0]) * mask.shape[0] // shape[0]
    columns = np.arange(shape[1]) * mask.shape[1] // shape[1]
    return mask[np.ix_(rows, columns)]
