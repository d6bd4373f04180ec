"""Denoises a batch: the pipelines' own call, held to a window of the steps, with a state after each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from fabula.backends.host.hosted import Work
from fabula.backends.image import Part
from fabula.backends.painting.child.loading import Loaded, Painting
from fabula.backends.painting.child.prompts import Prompts, join
from fabula.backends.painting.child.schedulers import Schedulers
from fabula.backends.painting.child.sending import Plan, Sender
from fabula.backends.painting.child.sources import read_sources
from fabula.backends.painting.child.splitting import split
from fabula.backends.painting.child.starting import Start, start_of
from fabula.backends.painting.child.windows import Window, open_window
from fabula.backends.painting.requests import DenoiseRequest
from fabula.errors import InvalidRequest

MakePreview = Callable[[torch.Tensor], bytes]


@dataclass(frozen=True, slots=True)
class Denoiser:
    """Denoises batches with the loaded models.

    Attributes:
        loaded: The models.
        prompts: Encodes prompts.
        schedulers: The base's, which a refiner goes on with.
        fingerprint: The model's, for states.
        make_preview: From estimates of finished latents to what a preview is made from.
    """

    loaded: Loaded
    prompts: Prompts
    schedulers: Schedulers
    fingerprint: str
    make_preview: MakePreview

    def run(self, work: Work) -> None:
        """Denoise one batch: a `StepItem` for each member after each step."""
        request = DenoiseRequest.from_wire(work.request, work.payload)
        painting = self._painting(request.terms.part)
        start = start_of(request, self.loaded.device)
        plan, fraction = self._plan(painting, request, start)
        sender = Sender(work, request, start, plan, self.make_preview)
        if plan.window.first < plan.window.last:
            self._call(painting, start, sender, fraction)

    def _painting(self, part: Part) -> Painting:
        if part is Part.BASE:
            return self.loaded.base
        if self.loaded.refiner is None:
            raise InvalidRequest("There is no refiner: set FABULA_IMAGE_REFINER, or paint without one.")
        return self.loaded.refiner

    def _plan(self, painting: Painting, request: DenoiseRequest, start: Start) -> tuple[Plan, float | None]:
        terms = request.terms
        # Both parts go by the base's schedule, or the refiner would take latents for noisier than they are.
        predicts = painting.pipeline.scheduler.config.get("prediction_type")
        scheduler = self.schedulers.make(terms.scheduler, **({"prediction_type": predicts} if predicts else {}))
        try:
            scheduler.set_timesteps(terms.steps)
        except ValueError as error:
            raise InvalidRequest(f"The scheduler {terms.scheduler} cannot do this: {error}") from error
        parts = split(scheduler, terms)
        first, last = (parts.handover, parts.last) if terms.part is Part.REFINER else (parts.first, parts.handover)
        window = Window(first + start.done, last, start.latents is not None, start.memory, start.restore_generators)
        resumes = self.schedulers.named(terms.scheduler).resumes
        plan = Plan(open_window(scheduler, window), window, last - first, self.fingerprint, resumes)
        return plan, parts.fraction

    def _call(self, painting: Painting, start: Start, sender: Sender, fraction: float | None) -> None:
        terms = sender.request.terms
        given: dict[str, Any] = {"latents": start.latents, "width": terms.width, "height": terms.height}
        pipe = painting.pipeline
        if terms.part is Part.REFINER or terms.strength is not None:
            latents = start.latents
            # All of the window is to be done: it has been cut by strength already.
            given = {"image": read_sources(sender) if latents is None else latents, "strength": 1.0}
            pipe = painting.from_picture
        if fraction is not None:
            given["denoising_start" if terms.part is Part.REFINER else "denoising_end"] = fraction
        pipe.scheduler = sender.plan.scheduler
        pipe(
            **self._embeddings(painting, sender.request, start),
            **given,
            num_inference_steps=terms.steps,
            guidance_scale=terms.guidance,
            generator=start.generators,
            output_type="latent",
            callback_on_step_end=sender.after_step,
            callback_on_step_end_tensor_inputs=["latents"],
        )

    def _embeddings(self, painting: Painting, request: DenoiseRequest, start: Start) -> dict[str, torch.Tensor]:
        guidance = request.terms.guidance
        encoded = [
            self.prompts.encode(painting, member.prompt, member.negative_prompt, guidance) for member in request.members
        ]
        # One that goes on alone has all slots for itself.
        return join(encoded, start.counts if len(encoded) > 1 else [start.size])
