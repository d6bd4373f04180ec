"""Puts a result together from what the stages have put out. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from fabula.engine.history import Snapshot
from fabula.engine.pipeline import Outputs
from services.image.domain import Denoised, Encoded, Environment, Image, Order, Pictures, Timing

ENCODE, BASE, REFINE, DECODE, KEEP = "encode_prompt", "base_model", "refiner_model", "decode", "keep"
"""Names of the stages, as logs have them."""


def image_of(order: Order, outputs: Outputs, timings: Mapping[str, float]) -> Image:
    """Return the result as far as the outputs have it.

    Args:
        order: What was asked for.
        outputs: Of the finished stages, by name.
        timings: Their working times in seconds, by name, in order.
    """
    encoded, base, refined, decoded = (outputs.get(name) for name in (ENCODE, BASE, REFINE, DECODE))
    if isinstance(encoded, Encoded):
        order = encoded.order
    base = base if isinstance(base, Denoised) else None
    refined = refined if isinstance(refined, Denoised) else None
    last = refined or base
    return Image(
        pictures=decoded.pictures if isinstance(decoded, Pictures) else (),
        seed=order.seed,
        model=base.model if base else "",
        refiner=refined.model if refined else "",
        base_steps=base.steps if base else 0,
        refiner_steps=refined.steps if refined else 0,
        scheduler=order.scheduler,
        guidance=order.guidance or 0.0,
        base_batch=base.batch if base else None,
        refiner_batch=refined.batch if refined else None,
        environment=last.environment if last else Environment(),
        timings=tuple(Timing(stage, seconds) for stage, seconds in timings.items()),
    )


def image_so_far(snapshot: Snapshot) -> Image:
    """Return the result, or what a log has of it so far."""
    if isinstance(snapshot.result, Image):
        return snapshot.result
    if not isinstance(snapshot.request, Order):
        return Image()
    timings = {view.name: view.elapsed for view in snapshot.stages.values() if view.finished}
    return image_of(snapshot.request, snapshot.outputs, timings)
