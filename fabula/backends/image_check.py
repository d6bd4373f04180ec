"""Whether a loaded image model can paint what is asked. Pure: services use it as well, before they queue a request."""

from __future__ import annotations

from collections.abc import Iterator

from fabula.backends.image import ImageCard, PictureSpec
from fabula.errors import InvalidRequest

Violation = tuple[str, str]


def check(spec: PictureSpec, card: ImageCard) -> None:
    """Refuse a spec beyond what the model can do.

    Raises:
        InvalidRequest: it is; the message and the violations name every bound, with fields named as in the spec.
    """
    violations = tuple(_violations(spec, card))
    if violations:
        said = "; ".join(f"{field} {wrong}" for field, wrong in violations)
        raise InvalidRequest(f"The model {card.name} cannot paint this: {said}.", violations)


def steps_of(spec: PictureSpec) -> int:
    """Return how many of the steps are done: all, or with a source the part that its strength names (at least one)."""
    if spec.source is None:
        return spec.steps
    return max(1, min(int(spec.steps * spec.strength), spec.steps))


def _violations(spec: PictureSpec, card: ImageCard) -> Iterator[Violation]:
    if not spec.prompt.strip():
        yield "prompt", "is empty"
    yield from _sides(spec, card)
    if not 1 <= spec.steps <= card.max_steps:
        yield "steps", f"must be from 1 to {card.max_steps}, and is {spec.steps}"
    if not 0 <= spec.guidance <= card.max_guidance:
        yield "guidance", f"must be from 0 to {card.max_guidance:g}, and is {spec.guidance:g}"
    names = [scheduler.name for scheduler in card.schedulers]
    if spec.scheduler not in names:
        yield "scheduler", f"must be one of {', '.join(names)}, and is {spec.scheduler!r}"
    if not 1 <= len(spec.seeds) <= card.max_count:
        yield "count", f"must be from 1 to {card.max_count}, and is {len(spec.seeds)}"
    if not all(0 <= seed < 2**64 for seed in spec.seeds):
        yield "seed", "must be from 0 to 18446744073709551615"
    yield from _refinement(spec, card)
    yield from _source(spec, card)


def _sides(spec: PictureSpec, card: ImageCard) -> Iterator[Violation]:
    for field, side in (("width", spec.width), ("height", spec.height)):
        if not card.min_side <= side <= card.max_side:
            yield field, f"must be from {card.min_side} to {card.max_side}, and is {side}"
        elif side % card.side_multiple:
            yield field, f"must be a multiple of {card.side_multiple}, and is {side}"
    if spec.width * spec.height > card.max_pixels:
        yield "width", f"times height must be at most {card.max_pixels} pixels, and is {spec.width * spec.height}"


def _refinement(spec: PictureSpec, card: ImageCard) -> Iterator[Violation]:
    if spec.handover is None:
        return
    if not card.refiner:
        yield "use_refinement", "needs a refiner, and there is none"
    if not 0 < spec.handover < 1:
        yield "handover", f"must be between 0 and 1, and is {spec.handover:g}"
    if steps_of(spec) < 2:
        yield "steps", "must be at least 2 for two models to share them"


def _source(spec: PictureSpec, card: ImageCard) -> Iterator[Violation]:
    if spec.source is not None and not card.takes_source:
        yield "source", "cannot be given to this model"
    if not 0 < spec.strength <= 1:
        yield "strength", f"must be above 0 and at most 1, and is {spec.strength:g}"
