"""From an order to what a model is given: defaults filled in from its card, and nothing beyond it. Pure."""

from __future__ import annotations

import math
from dataclasses import replace

from fabula.backends.image import ImageCard, PictureSpec
from fabula.backends.image_check import check, steps_of
from fabula.errors import InvalidRequest
from services.image.domain import Order, SourceRef

_A_SOURCE = b"\x89PNG"
"""Stands for a source where only its presence counts."""


def settle(order: Order, card: ImageCard) -> Order:
    """Return the order with nothing left open. Settled again, it stays as it is.

    Raises:
        InvalidRequest: it is beyond what the model can do; the violations name the request's fields and the bounds.
    """
    refine = order.high_quality and bool(card.refiner) if order.use_refinement is None else order.use_refinement
    width, height = _size(order, card)
    settled = replace(
        order,
        width=width,
        height=height,
        steps=order.steps or (card.high_quality_steps if order.high_quality else card.default_steps),
        guidance=card.default_guidance if order.guidance is None else order.guidance,
        scheduler=order.scheduler or card.schedulers[0].name,
        use_refinement=refine,
        handover=(order.handover or card.default_handover) if refine else None,
    )
    try:
        check(spec_of(settled, _A_SOURCE if order.source else None), card)
    except InvalidRequest as error:
        violations = tuple((f"image.{field}", f"{field} {wrong}") for field, wrong in error.violations)
        raise InvalidRequest(error.message, violations) from error
    return settled


def spec_of(order: Order, source: bytes | None) -> PictureSpec:
    """Return what the model is given.

    Args:
        order: A settled one.
        source: The bytes of its source, if it has one.
    """
    if order.width is None or order.height is None or order.steps is None or order.guidance is None:
        raise TypeError("only a settled order leaves nothing open")
    return PictureSpec(
        prompt=order.prompt,
        negative_prompt=order.negative_prompt,
        width=order.width,
        height=order.height,
        steps=order.steps,
        guidance=order.guidance,
        scheduler=order.scheduler,
        seeds=order.seeds,
        handover=order.handover,
        source=source,
        strength=order.strength if source is not None else 1.0,
        preview_interval=order.preview_interval,
    )


def parts_of(order: Order) -> tuple[int, int]:
    """Return how many steps the base model and the refiner are expected to do for a settled order.

    The model has the last word: its schedule may put the hand-over a step earlier or later.
    """
    steps = steps_of(spec_of(order, _A_SOURCE if order.source else None))
    if order.handover is None:
        return steps, 0
    base = max(1, min(steps - 1, round(steps * order.handover)))
    return base, steps - base


def _size(order: Order, card: ImageCard) -> tuple[int, int]:
    """Return width and height: what is asked for, else what keeps a source's proportions, else the model's own."""
    width, height, source = order.width, order.height, order.source
    if source is None:
        return width or card.default_width, height or card.default_height
    ratio = source.width / source.height
    if width is None and height is None:
        return _fitting(source, card)
    return (
        width if width is not None else _side((height or 0) * ratio, card),
        height if height is not None else _side((width or 0) / ratio, card),
    )


def _fitting(source: SourceRef, card: ImageCard) -> tuple[int, int]:
    """Return the source's proportions at the number of pixels that the model likes best."""
    pixels, ratio = min(card.default_width * card.default_height, card.max_pixels), source.width / source.height
    wide, high = math.sqrt(pixels * ratio), math.sqrt(pixels / ratio)
    scale = max(1.0, card.min_side / min(wide, high))
    width, height = _side(wide * scale, card), _side(high * scale, card)
    while width * height > card.max_pixels:  # rounded up, both of them
        width, height = (
            (width - card.side_multiple, height) if width >= height else (width, height - card.side_multiple)
        )
    return width, height


def _side(pixels: float, card: ImageCard) -> int:
    """Return the side that the model takes and that comes nearest."""
    multiple = card.side_multiple
    low, high = -(-card.min_side // multiple), card.max_side // multiple
    return multiple * max(low, min(high, round(pixels / multiple)))
