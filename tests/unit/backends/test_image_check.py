from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fabula.backends.image_check import check, steps_of
from fabula.errors import InvalidRequest
from tests.unit.backends.images import CARD, SPEC


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"width": 64, "height": 2048},
        {"steps": 1, "guidance": 0.0},
        {"steps": 150, "guidance": 50.0, "scheduler": "heun"},
        {"seeds": tuple(range(8))},
        {"seeds": (2**64 - 1,)},
        {"handover": 0.5, "steps": 2},
        {"source": b"picture", "strength": 1.0},
    ],
)
def test_what_is_within_the_bounds_passes(changes: dict[str, Any]) -> None:
    """The bounds themselves are within."""
    check(replace(SPEC, **changes), CARD)


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"prompt": "  "}, "prompt", "is empty"),
        ({"width": 56}, "width", "from 64 to 2048, and is 56"),
        ({"height": 2056, "width": 64}, "height", "from 64 to 2048, and is 2056"),
        ({"height": 513}, "height", "multiple of 8, and is 513"),
        ({"width": 2048, "height": 1024}, "width", "at most 1048576 pixels, and is 2097152"),
        ({"steps": 0}, "steps", "from 1 to 150, and is 0"),
        ({"steps": 151}, "steps", "from 1 to 150, and is 151"),
        ({"guidance": -0.1}, "guidance", "from 0 to 50, and is -0.1"),
        ({"guidance": float("nan")}, "guidance", "from 0 to 50, and is nan"),
        ({"scheduler": "magic"}, "scheduler", "one of euler, heun, and is 'magic'"),
        ({"seeds": ()}, "count", "from 1 to 8, and is 0"),
        ({"seeds": tuple(range(9))}, "count", "from 1 to 8, and is 9"),
        ({"seeds": (-1,)}, "seed", "from 0"),
        ({"handover": 0.0}, "handover", "between 0 and 1"),
        ({"handover": 1.0}, "handover", "between 0 and 1"),
        ({"handover": 0.5, "steps": 1}, "steps", "at least 2"),
        ({"handover": 0.5, "source": b"p", "strength": 0.05}, "steps", "at least 2"),
        ({"source": b"p", "strength": 0.0}, "strength", "above 0"),
        ({"source": b"p", "strength": 1.5}, "strength", "at most 1"),
    ],
)
def test_what_is_beyond_a_bound_is_named(changes: dict[str, Any], field: str, words: str) -> None:
    """The violation names the field, and its words the bound and the value."""
    with pytest.raises(InvalidRequest, match="The model fox cannot paint this") as caught:
        check(replace(SPEC, **changes), CARD)

    (violation,) = caught.value.violations
    assert field == violation[0]
    assert words in violation[1]


def test_all_that_is_wrong_is_told_at_once() -> None:
    """Nobody has to mend one thing after the other."""
    with pytest.raises(InvalidRequest) as caught:
        check(replace(SPEC, width=63, steps=0, guidance=99.0), CARD)

    assert ["width", "steps", "guidance"] == [field for field, _ in caught.value.violations]


def test_a_model_that_cannot_refine_or_take_a_source_says_so() -> None:
    """What the card does not have cannot be asked for."""
    with pytest.raises(InvalidRequest) as caught:
        check(replace(SPEC, handover=0.8, source=b"p"), replace(CARD, refiner="", takes_source=False))

    assert ["use_refinement", "source"] == [field for field, _ in caught.value.violations]


@pytest.mark.parametrize(
    ("strength", "steps", "expected"), [(1.0, 30, 30), (0.6, 30, 18), (0.01, 30, 1), (0.99, 10, 9)]
)
def test_the_strength_tells_how_many_steps_are_done(strength: float, steps: int, expected: int) -> None:
    """As diffusers counts, but at least one; without a source all of them."""
    assert expected == steps_of(replace(SPEC, source=b"p", strength=strength, steps=steps))
    assert steps == steps_of(replace(SPEC, strength=strength, steps=steps))
