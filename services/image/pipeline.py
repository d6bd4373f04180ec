"""The stages of a picture: which there are, in which order, and how far each carries the work.

read the prompt → the base model denoises → the refiner goes on, if it is asked for → decode → keep.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from fabula.backends.image import Part
from fabula.engine.pipeline import Outputs, Stage
from fabula.errors import InvalidRequest
from services.image.bounds import parts_of, settle
from services.image.domain import Denoised, Encoded, Order
from services.image.painters import Painter
from services.image.results import BASE, DECODE, ENCODE, KEEP, REFINE
from services.image.stages import DEVELOPING, PAINTING, READING, REFINING, Work

_GUESSED_STEPS = 30
"""Steps that a plan counts with while neither the request nor a model says how many."""

_ENCODE_WEIGHT, _DECODE_WEIGHT, _KEEP_WEIGHT = 1.0, 2.0, 0.5
"""In denoising steps."""


@dataclass(frozen=True, slots=True)
class ImagePipeline:
    """Plans the run of one request. Implements `fabula.engine.pipeline.Pipeline`.

    Attributes:
        painter: Who paints.
        checkpoint_steps: Denoising steps from one checkpoint to the next.
    """

    painter: Painter
    checkpoint_steps: int = 5

    @property
    def model(self) -> str:
        """Who paints, by name."""
        return self.painter.name

    def plan(self, request: object, outputs: Outputs) -> Sequence[Stage]:
        """Return the stages of a run, as far as they are known: for sure once the model has taken the order."""
        work = Work(self.painter, _order(request), self.checkpoint_steps)
        base_steps, refiner_steps = self._expected(work.order, outputs)
        in_all = base_steps + refiner_steps
        base = outputs.get(BASE)
        done = base.steps if isinstance(base, Denoised) else base_steps
        stages = [
            Stage(ENCODE, work.encode, weight=_ENCODE_WEIGHT, message=READING),
            Stage(
                BASE,
                partial(work.denoise, Part.BASE, 0, in_all),
                weight=base_steps,
                message=PAINTING,
                units=base_steps,
                units_after=refiner_steps,
                continues=True,
            ),
        ]
        if refiner_steps:
            refine = Stage(
                REFINE,
                partial(work.denoise, Part.REFINER, done, in_all),
                weight=refiner_steps,
                message=REFINING,
                units=refiner_steps,
                units_before=done,
                continues=True,
            )
            stages.append(refine)
        return [
            *stages,
            Stage(DECODE, work.decode, weight=_DECODE_WEIGHT, message=DEVELOPING),
            Stage(KEEP, work.keep, weight=_KEEP_WEIGHT, message="Keeping the picture"),
        ]

    def _expected(self, order: Order, outputs: Outputs) -> tuple[int, int]:
        """Return the steps of both models; a guess until the order is settled."""
        encoded = outputs.get(ENCODE)
        if isinstance(encoded, Encoded):
            return parts_of(encoded.order)
        if self.painter.known is not None:
            try:
                return parts_of(settle(order, self.painter.known))
            except InvalidRequest:  # the first stage will say so
                pass
        return order.steps or _GUESSED_STEPS, 0


def _order(request: object) -> Order:
    if not isinstance(request, Order):
        raise TypeError("the image pipeline works on orders")
    return request
