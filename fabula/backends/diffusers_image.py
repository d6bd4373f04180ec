"""`ImageModel` on this machine: a pipeline of the `diffusers` library, in a model host.

The parent's side; it must not import torch, transformers or diffusers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

from fabula.backends.host import Host, HostSettings, HostSpec, HostState
from fabula.backends.image import (
    Batch,
    EncodedPrompt,
    ImageCard,
    Part,
    PictureFormat,
    PictureSpec,
    PreviewMade,
    Step,
)
from fabula.backends.image_check import check
from fabula.backends.image_settings import DiffusersSettings
from fabula.backends.painting import state as states
from fabula.backends.painting.batching import Rank, what_pays
from fabula.backends.painting.card import make_card, projection_of, read_hints
from fabula.backends.painting.dispatcher import Dispatcher
from fabula.backends.painting.pictures import encode_picture
from fabula.backends.painting.previewing import Previewing
from fabula.backends.painting.previews import Projection
from fabula.backends.painting.requests import Member, StepItem, Terms, decode_request, encode_request
from fabula.errors import InvalidRequest, ModelCrashed

_FACTORY = "fabula.backends.painting.child.model:load"


class DiffusersImage:
    """A text-to-image pipeline in a child process, with a refiner or without. It is loaded at the first call."""

    def __init__(self, settings: DiffusersSettings) -> None:
        self._settings = settings
        self._name = settings.pipeline.base.name
        self._host = Host(
            HostSpec(self._name, _FACTORY, settings.pipeline.to_json()),
            HostSettings(settings.cancel_bound_seconds, settings.idle_unload_seconds),
        )
        self._dispatcher = Dispatcher(self._host, self._batch_limit, settings.batch_wait_seconds)
        self._card: ImageCard | None = None
        self._projection: Projection | None = None

    @property
    def name(self) -> str:
        """The bundled painter's, the folder's name, or the hub's id with its revision."""
        return self._name

    @property
    def state(self) -> HostState:
        """What the model's process is doing."""
        return self._host.state

    async def card(self) -> ImageCard:
        """Load the model, if it is not loaded, and tell what it can do."""
        if not self._host.state.details:
            await self._host.warm()
        details = self._host.state.details
        if not details:
            raise ModelCrashed(f"The process of the model {self._name} ended as soon as it was loaded.")
        if self._card is None or self._card.fingerprint != details["fingerprint"]:  # files may change between two loads
            hints = await asyncio.to_thread(read_hints, Path(details["folder"]))
            self._projection = projection_of(details, hints)
            self._card = make_card(details, hints, self._settings)
        return self._card

    async def encode(self, spec: PictureSpec) -> EncodedPrompt:
        """Read the prompt; see `ImageModel.encode`."""
        check(spec, await self.card())
        reading = EncodedPrompt(0, 0)
        async with aclosing(self._dispatcher.ask(Rank.ENCODE, encode_request(spec))) as items:
            async for item in items:
                reading = EncodedPrompt(**item.data)
        return reading

    async def denoise(
        self, spec: PictureSpec, part: Part, *, latents: bytes = b"", state: bytes = b""
    ) -> AsyncGenerator[Step | PreviewMade, None]:
        """Denoise the pictures of a spec, step by step; see `ImageModel.denoise`.

        Raises:
            InvalidRequest: the spec is beyond the card's bounds, or the state is not of it.
        """
        card = await self.card()
        check(spec, card)
        if state and (why := states.misfit(spec, part, state, card)):
            raise InvalidRequest(f"One cannot go on from this state: {why}.")
        if part is Part.REFINER and not (latents or state):
            raise InvalidRequest("The refiner needs the last state of the base.")
        if state and states.header_of(state).is_last:
            return
        member = Member(
            spec.prompt,
            spec.negative_prompt,
            spec.seeds,
            states.digest(spec),
            spec.preview_interval if card.previews else 0,
            latents=b"" if state else latents,
            state=state,
            source=b"" if state or part is Part.REFINER or spec.source is None else spec.source,
        )
        resumes = any(scheduler.name == spec.scheduler and scheduler.resumes for scheduler in card.schedulers)
        previewing = Previewing(self._projection, max(spec.width, spec.height))
        steps = self._steps(Terms.of(spec, part), member, resumes=resumes)
        async with aclosing(previewing.merge(steps)) as events:
            async for event in events:
                yield event

    def misfit(self, spec: PictureSpec, part: Part, state: bytes) -> str:
        """Say why `denoise` cannot go on from a state; see `ImageModel.misfit`."""
        if self._card is None:
            return "the model is not loaded yet"
        return states.misfit(spec, part, state, self._card)

    async def decode(self, spec: PictureSpec, latents: bytes, form: PictureFormat) -> Sequence[bytes]:
        """Return the pictures of a last `Step.state`, encoded, in the order of the seeds."""
        check(spec, await self.card())
        async with aclosing(self._dispatcher.ask(Rank.DECODE, decode_request(spec), latents)) as items:
            pixels = [item.payload async for item in items]
        return [await asyncio.to_thread(encode_picture, picture, form) for picture in pixels]

    async def close(self) -> None:
        """End the model's process. Idempotent."""
        await self._dispatcher.close()
        await self._host.close()

    def _batch_limit(self) -> int:
        details = self._host.state.details
        if details and not details["batches"]:
            return 1
        if self._settings.batch or not details:
            return self._settings.batch or 1
        return what_pays(details["device"], details["weights"])

    async def _steps(self, terms: Terms, member: Member, *, resumes: bool) -> AsyncGenerator[tuple[Step, bytes], None]:
        """Yield each step, with what a preview of it is made from (empty where none is due)."""
        async with aclosing(self._dispatcher.denoise(terms, member)) as items:
            async for item in items:
                yield _step(item, resumes=resumes), item.preview


def _step(item: StepItem, *, resumes: bool) -> Step:
    state = item.state if resumes or item.done == item.steps else b""
    return Step(item.done, item.steps, Batch(item.size, item.slot), state)
