"""What the stages of a picture do."""

from __future__ import annotations

from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import TypeVar

from fabula.backends.image import ImageCard, Part, PictureSpec, PreviewMade, Step
from fabula.engine.events import LogLevel
from fabula.engine.pipeline import Outputs, StageContext
from fabula.engine.ports import own_blobs, working_blobs
from fabula.errors import Conflict, InvalidRequest, ModelOutputInvalid, Unavailable
from services.image import checkpoints
from services.image.bounds import settle, spec_of
from services.image.card import environment_of
from services.image.checkpoints import STATE_TYPE, Keeper, keeping
from services.image.domain import Denoised, Encoded, Image, Order, Picture, Pictures
from services.image.painters import Painter
from services.image.results import BASE, DECODE, ENCODE, REFINE, image_of

READING, PAINTING, REFINING, DEVELOPING = "Reading the prompt", "Painting", "Refining", "Developing the picture"
LOADING, WAITING = "Loading the model", "Waiting for the model"
PREVIEW_TYPE = "image/webp"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Work:
    """The stages' functions for one order.

    Attributes:
        painter: Who paints.
        order: What was asked for, perhaps not settled yet.
        checkpoint_steps: Denoising steps from one checkpoint to the next.
    """

    painter: Painter
    order: Order
    checkpoint_steps: int

    async def encode(self, context: StageContext, _outputs: Outputs) -> Encoded:
        """Settle the order with the model, and have it read the prompt."""
        card = await self._card(context, READING)
        order = settle(self.order, card)
        spec = await _spec(context, order)
        self._tell_waiting(context)  # a model that denoises reads no prompts meanwhile
        read = await self.painter.model.encode(spec)
        if read.dropped:
            said = f"the prompt is longer than the {read.limit} tokens that the model reads"
            context.log(f"{said}: it leaves out “{read.dropped}”", LogLevel.WARNING)
        return Encoded(order, read)

    async def denoise(self, part: Part, before: int, in_all: int, context: StageContext, outputs: Outputs) -> Denoised:
        """Have a model do its steps, going on from the newest checkpoint.

        Args:
            part: Which model.
            before: Steps that were done before it.
            in_all: Steps that are expected of all models.
            context: Of the stage.
            outputs: Of the stages before.
        """
        card = await self._card(context, PAINTING if part is Part.BASE else REFINING)
        spec = await _spec(context, _settled(outputs))
        latents = b""
        if part is Part.REFINER:
            latents = await self._latents(context, spec, Part.BASE, _output(outputs, BASE, Denoised))
        last = await self._take_up(context, spec, part)
        if last is None or last.done < last.steps:
            last = await self._do_steps(_Turn(context, spec, part, before, in_all, latents), last)
        blob = await context.blobs.put(f"{working_blobs(context.address)}latents-{part}", last.state, STATE_TYPE)
        name = card.refiner if part is Part.REFINER else card.name
        return Denoised(name, last.steps, last.batch, blob, environment_of(card))

    async def decode(self, context: StageContext, outputs: Outputs) -> Pictures:
        """Turn the denoised latents into pictures, and store them."""
        await self._card(context, DEVELOPING)
        order = _settled(outputs)
        spec = await _spec(context, order)
        part = Part.REFINER if REFINE in outputs else Part.BASE
        denoised = _output(outputs, REFINE if part is Part.REFINER else BASE, Denoised)
        latents = await self._latents(context, spec, part, denoised)
        made = await self.painter.model.decode(spec, latents, order.format)
        if len(made) != len(spec.seeds):
            raise ModelOutputInvalid(f"the model made {len(made)} pictures where {len(spec.seeds)} were asked for")
        pictures: list[Picture] = []
        for index, (seed, data) in enumerate(zip(spec.seeds, made, strict=True)):
            name = f"{own_blobs(context.address)}picture-{index}.{order.format.value}"
            blob = await context.blobs.put(name, data, order.format.media_type)
            pictures.append(Picture(index, seed, spec.width, spec.height, blob))
        return Pictures(tuple(pictures))

    async def keep(self, context: StageContext, outputs: Outputs) -> Image:
        """Put together what is kept, and drop what was only of use on the way."""
        _output(outputs, DECODE, Pictures)
        with suppress(Unavailable):  # it costs room, and goes with the generation
            await context.blobs.delete_all(working_blobs(context.address))
        return image_of(self.order, outputs, context.timings)

    async def _card(self, context: StageContext, message: str) -> ImageCard:
        """Return what the model can do; while it is loaded, say so, and then `message` again."""
        if self.painter.known is not None:
            return await self.painter.card()
        context.advance(message=LOADING)
        card = await self.painter.card()
        context.advance(message=message)
        return card

    def _tell_waiting(self, context: StageContext) -> None:
        if self.painter.at_work:
            context.advance(message=WAITING)

    async def _latents(self, context: StageContext, spec: PictureSpec, part: Part, denoised: Denoised) -> bytes:
        """Return what a stage before has denoised, if the model can still make something of it."""
        latents = await context.blobs.get(denoised.latents.name)
        if reason := self.painter.model.misfit(spec, part, latents):
            raise Conflict(f"what the {part} model has done cannot be gone on with: {reason}; retry from stage {BASE}")
        return latents

    async def _take_up(self, context: StageContext, spec: PictureSpec, part: Part) -> Step | None:
        """Return the state to go on from; None to begin."""
        if not context.resumed:
            return None
        step = await checkpoints.read(context.blobs, _checkpoint(context, part))
        reason = self.painter.model.misfit(spec, part, step.state if step else b"")
        if not reason:
            return step
        context.restart(reason)
        return None

    async def _do_steps(self, turn: _Turn, last: Step | None) -> Step:
        """Denoise behind `last`; return the last step."""
        context, model = turn.context, self.painter.model
        name = _checkpoint(context, turn.part)
        keeper = Keeper(context.blobs, name, self.checkpoint_steps, last.done if last else 0)
        self._tell_waiting(context)
        state = last.state if last else b""
        events = model.denoise(turn.spec, turn.part, latents=turn.latents, state=state)
        with self.painter.busy():
            async with keeping(keeper, turn.is_worth_keeping), aclosing(events):
                async for event in events:
                    if isinstance(event, PreviewMade):
                        turn.show(event)
                    else:
                        turn.count(event)
                        if event.done < event.steps:  # the last one is kept as what the stage has made
                            keeper.take(event)
                        last = event
                if last is None or last.done < last.steps:
                    raise ModelOutputInvalid("the model stopped before its last step")
        return last


@dataclass(frozen=True, slots=True)
class _Turn:
    """One model's part of one request."""

    context: StageContext
    spec: PictureSpec
    part: Part
    before: int
    in_all: int
    latents: bytes

    def count(self, step: Step) -> None:
        """Tell that a step is done."""
        done, in_all = self.before + step.done, max(self.in_all, self.before + step.steps)
        self.context.advance(done, in_all, REFINING if self.part is Part.REFINER else PAINTING, each=True)

    def show(self, preview: PreviewMade) -> None:
        """Show a preview."""
        self.context.preview(preview.image, PREVIEW_TYPE, step=self.before + preview.done, index=preview.index)

    def is_worth_keeping(self, error: BaseException) -> bool:
        """Whether somebody may go on from the newest state: not after a cancel, nor where the state is at fault."""
        return not (self.context.cancelled or isinstance(error, ModelOutputInvalid | InvalidRequest))


def _checkpoint(context: StageContext, part: Part) -> str:
    return f"{working_blobs(context.address)}checkpoint-{part}"


async def _spec(context: StageContext, order: Order) -> PictureSpec:
    """Return what the model is given, the source's bytes included."""
    return spec_of(order, await context.blobs.get(order.source.blob.name) if order.source else None)


def _settled(outputs: Outputs) -> Order:
    return _output(outputs, ENCODE, Encoded).order


def _output(outputs: Outputs, stage: str, cls: type[T]) -> T:
    value = outputs[stage]
    if not isinstance(value, cls):
        raise TypeError(f"stage {stage} should have put out a {cls.__name__}")
    return value
