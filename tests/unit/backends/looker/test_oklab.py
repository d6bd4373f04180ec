from __future__ import annotations

import numpy as np
import pytest

from fabula.backends.looker.oklab import chroma, distances, hue_degrees, nearest, to_oklab

RGB = np.array([[0, 0, 0], [255, 255, 255], [255, 0, 0], [0, 255, 0], [0, 0, 255], [119, 119, 119]], np.uint8)


def test_colours_lie_where_their_author_says() -> None:
    """Hue and chroma of sRGB's corners, after Ottosson's page; greys have none."""
    lab = to_oklab(RGB)

    assert [29.2, 142.5, 264.1] == pytest.approx(hue_degrees(lab[2:5]).tolist(), abs=0.1)
    assert [0, 0, 0.2577, 0.2948, 0.3132, 0] == pytest.approx(chroma(lab).tolist(), abs=1e-3)


def test_lightness_runs_from_black_to_white_as_in_cielab() -> None:
    """A grey of 119 has L* = 50."""
    assert [0, 1, 0.5] == pytest.approx(to_oklab(RGB)[[0, 1, 5], 0].tolist(), abs=0.01)


def test_the_nearest_colour_is_the_one_at_the_smallest_distance() -> None:
    """Both are computed by different ways."""
    lot = np.random.default_rng(3)
    colours = to_oklab(lot.integers(0, 256, (200, 3), dtype=np.uint8))
    others = to_oklab(lot.integers(0, 256, (30, 3), dtype=np.uint8))

    assert (distances(colours, others).argmin(axis=1) == nearest(colours, others)).all()
    assert 0 == pytest.approx(distances(others[:1], others[:1])[0, 0], abs=1e-3)
