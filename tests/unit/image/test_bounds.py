"""Orders are settled by the model's card, and nothing beyond it is let through."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.engine.ports import BlobInfo
from fabula.errors import InvalidRequest
from services.image.bounds import parts_of, settle, spec_of
from services.image.domain import Order, SourceRef
from tests.unit.image.sketches import CARD

PLAIN = replace(CARD, refiner="")


def source(width: int = 300, height: int = 200) -> SourceRef:
    """Return a source of this size."""
    return SourceRef("cat.png", BlobInfo("b", 1, "image/png", ""), width, height)


def order(**fields: Any) -> Order:
    """Return an order for a boat."""
    return Order(**{"prompt": "a boat", **fields})


def test_what_is_absent_is_the_models() -> None:
    """A prompt is enough."""
    settled = settle(order(), CARD)

    assert (64, 64, 10, 3.0, "euler", False, None) == (
        settled.width,
        settled.height,
        settled.steps,
        settled.guidance,
        settled.scheduler,
        settled.use_refinement,
        settled.handover,
    )
    assert settled == settle(settled, CARD)


def test_high_quality_fills_in_only_what_is_absent() -> None:
    """The preset means the model's steps for it, and refinement where there is a refiner."""
    assert (50, True, 0.8) == _preset(settle(order(high_quality=True), CARD))
    assert (20, True, 0.8) == _preset(settle(order(high_quality=True, steps=20), CARD))
    assert (50, False, None) == _preset(settle(order(high_quality=True, use_refinement=False), CARD))
    assert (50, False, None) == _preset(settle(order(high_quality=True), PLAIN))
    assert (10, True, 0.5) == _preset(settle(order(use_refinement=True, handover=0.5), CARD))


def _preset(settled: Order) -> tuple[object, object, object]:
    return settled.steps, settled.use_refinement, settled.handover


@pytest.mark.parametrize(
    ("fields", "where", "said"),
    [
        ({"width": 77}, "image.width", "width must be a multiple of 8, and is 77"),
        ({"width": 16}, "image.width", "width must be from 32 to 256, and is 16"),
        ({"height": 264}, "image.height", "height must be from 32 to 256, and is 264"),
        ({"width": 256, "height": 256}, "image.width", "at most 32768 pixels"),
        ({"steps": 101}, "image.steps", "steps must be from 1 to 100, and is 101"),
        ({"guidance": 20.5}, "image.guidance", "guidance must be from 0 to 20, and is 20.5"),
        ({"count": 5}, "image.count", "count must be from 1 to 4, and is 5"),
        ({"scheduler": "heun"}, "image.scheduler", "scheduler must be one of euler, pndm, and is 'heun'"),
        ({"use_refinement": True, "steps": 1}, "image.steps", "at least 2"),
    ],
)
def test_what_is_beyond_the_card_is_refused_with_field_and_bounds(
    fields: dict[str, Any], where: str, said: str
) -> None:
    """A caller can mend the request by what the error says."""
    with pytest.raises(InvalidRequest) as caught:
        settle(order(**fields), CARD)

    assert [where] == [field for field, _ in caught.value.violations]
    assert said in caught.value.violations[0][1]
    assert said in caught.value.message


def test_every_violation_is_named() -> None:
    """Not one after the other, a request each."""
    with pytest.raises(InvalidRequest) as caught:
        settle(order(width=77, steps=1000, count=9), CARD)

    assert ["image.width", "image.steps", "image.count"] == [field for field, _ in caught.value.violations]


def test_refinement_without_a_refiner_is_refused() -> None:
    """It is not left out in silence."""
    with pytest.raises(InvalidRequest) as caught:
        settle(order(use_refinement=True), PLAIN)

    assert (("image.use_refinement", "use_refinement needs a refiner, and there is none"),) == caught.value.violations


def test_source_for_a_model_that_takes_none_is_refused() -> None:
    """Or the picture would have nothing to do with it."""
    with pytest.raises(InvalidRequest) as caught:
        settle(order(source=source()), replace(CARD, takes_source=False))

    assert "image.source" == caught.value.violations[0][0]


@given(
    st.integers(1, 4000), st.integers(1, 4000), st.sampled_from([None, 32, 64, 128]), st.sampled_from([None, 32, 64])
)
def test_size_of_a_picture_with_a_source_is_one_the_model_takes(
    width: int, height: int, wanted: int | None, tall: int | None
) -> None:
    """Whatever the source's proportions; what is asked for stays."""
    settled = settle(order(source=source(width, height), width=wanted, height=tall), CARD)

    assert wanted in (None, settled.width)
    assert tall in (None, settled.height)


def test_size_keeps_the_sources_proportions() -> None:
    """At the number of pixels that the model likes best; one side that is asked for draws the other."""
    assert (80, 48) == _size(settle(order(source=source(500, 300)), CARD))
    assert (128, 72) == _size(settle(order(source=source(1600, 900), width=128), CARD))
    assert (64, 128) == _size(settle(order(source=source(100, 200), height=128), CARD))
    assert (128, 32) == _size(settle(order(source=source(4000, 1000)), CARD))
    assert (192, 32) == _size(settle(order(source=source(600, 100)), CARD))


def _size(settled: Order) -> tuple[int | None, int | None]:
    return settled.width, settled.height


def test_seeds_follow_the_first() -> None:
    """The last number is followed by zero."""
    assert (2**32 - 1, 0, 1) == order(seed=2**32 - 1, count=3).seeds


def test_strength_counts_with_a_source_only() -> None:
    """Without one all steps are done."""
    assert (10, 0) == parts_of(settle(order(), CARD))
    assert (6, 0) == parts_of(settle(order(source=source()), CARD))
    assert 1.0 == spec_of(settle(order(), CARD), None).strength
    assert 0.6 == spec_of(settle(order(source=source()), CARD), b"x").strength


@pytest.mark.parametrize(
    ("steps", "handover", "expected"), [(50, 0.8, (40, 10)), (2, 0.01, (1, 1)), (2, 0.99, (1, 1)), (10, 0.5, (5, 5))]
)
def test_both_models_have_steps(steps: int, handover: float, expected: tuple[int, int]) -> None:
    """However near the hand-over lies to an end."""
    assert expected == parts_of(settle(order(steps=steps, use_refinement=True, handover=handover), CARD))


def test_open_order_is_no_spec() -> None:
    """What is not settled must not reach a model."""
    with pytest.raises(TypeError):
        spec_of(order(), None)
