"""Paints by one call of a pipeline for each request, as the pipeline's documentation has it.

The call goes from the prompt to pixels: nothing of it can be taken up in the middle. Its last state is its pictures.
"""

from __future__ import annotations

from typing import Any

import torch

from fabula.backends.host.hosted import Work
from fabula.backends.image import Batch, Part
from fabula.backends.painting.child.decoding import preview_maker
from fabula.backends.painting.child.details import fingerprint
from fabula.backends.painting.child.loading import Ground
from fabula.backends.painting.child.plain.call import Call
from fabula.backends.painting.child.plain.details import details, reader
from fabula.backends.painting.child.plain.loading import latent_channels, load_plain
from fabula.backends.painting.child.plain.pictures import pictures_of, to_raw_pictures
from fabula.backends.painting.child.plain.watching import Watcher
from fabula.backends.painting.child.prompts import Reading, count
from fabula.backends.painting.child.sources import read_source
from fabula.backends.painting.requests import DenoiseRequest, Member, Terms
from fabula.backends.painting.state import StateHeader
from fabula.backends.painting.tensor_file import pack
from fabula.errors import InvalidRequest


class PlainPainter:
    """Any text-to-image pipeline.

    Args:
        ground: What to load.

    Raises:
        ModelUnavailable: it is not on this machine, or is no model that may be loaded.
    """

    def __init__(self, ground: Ground) -> None:
        self._loaded, self._calls = load_plain(ground)
        self._fingerprint = fingerprint(self._loaded)
        self._make_preview = preview_maker(self._loaded)
        self._channels = latent_channels(self._loaded.base.pipeline)
        self.details = details(self._loaded, self._calls, self._fingerprint)

    def encode(self, work: Work) -> None:
        """Tell how a prompt is read; the pipeline's call reads it again."""
        call = self._calls.from_noise
        _check_words(call, work.request["negative_prompt"])
        tokenizer, limit = reader(self._loaded.base.pipeline, call)
        prompt = work.request["prompt"]
        reading = Reading(0, 0, "") if tokenizer is None else count(tokenizer, limit, prompt)
        work.emit({"tokens": reading.tokens, "limit": reading.limit, "dropped": reading.dropped})

    def denoise(self, work: Work) -> None:
        """Paint each member's pictures in one call."""
        request = DenoiseRequest.from_wire(work.request, work.payload)
        if request.terms.part is not Part.BASE:
            raise InvalidRequest("This model has no refiner.")
        for index, member in enumerate(request.members):
            self._paint(work, request.terms, index, member)

    def decode(self, work: Work) -> None:
        """Give the pictures of a last state."""
        for picture in pictures_of(work.payload):
            work.emit({}, pack({"rgb": picture}, {}))

    def _paint(self, work: Work, terms: Terms, index: int, member: Member) -> None:
        painting, call = self._loaded.base, self._calls.from_noise
        pipe = painting.pipeline
        if member.source:
            if self._calls.from_picture is None:
                raise InvalidRequest("This model paints from words alone.")
            pipe, call = painting.from_picture, self._calls.from_picture
        watcher = Watcher(work, index, member, pipe, self._channels, self._make_preview)
        arguments = _arguments(call, terms, member) | call.only_known(watcher.arguments(call.steps_callback))
        try:
            images = pipe(**arguments, output_type="np", return_dict=False)[0]
        except ValueError as error:
            if watcher.done:
                raise
            # Bounds that only the pipeline knows: it checks them before it begins.
            raise InvalidRequest(f"The pipeline refuses this: {error}") from error
        pictures = to_raw_pictures(images, len(member.seeds), (terms.width, terms.height))
        watcher.steps = watcher.steps or terms.steps
        header = StateHeader(
            part=terms.part,
            done=watcher.steps,
            steps=watcher.steps,
            before=0,
            batch=Batch(len(member.seeds), 0),
            count=len(member.seeds),
            spec=member.spec,
            fingerprint=self._fingerprint,
            scheduler={},
            resumes=False,
        )
        watcher.finish(pack(pictures, header.to_json()))


def _check_words(call: Call, negative_prompt: str) -> None:
    if negative_prompt and not call.takes_negative_prompt:
        raise InvalidRequest("This model takes no negative prompt: say in the prompt what is to be seen instead.")


def _arguments(call: Call, terms: Terms, member: Member) -> dict[str, Any]:
    _check_words(call, member.negative_prompt)
    # On the processor whatever the device, so that a seed means the same noise everywhere.
    generators = [torch.Generator().manual_seed(seed) for seed in member.seeds]
    arguments: dict[str, Any] = {
        "prompt": member.prompt,
        "num_inference_steps": terms.steps,
        "width": terms.width,
        "height": terms.height,
        "num_images_per_prompt": len(generators),
        "generator": generators if len(generators) > 1 else generators[0],
    }
    if call.guidance:
        arguments[call.guidance] = terms.guidance
    if call.takes_negative_prompt and (member.negative_prompt or call.guidance == "true_cfg_scale"):
        # The guidance of Qwen's kind wants some negative prompt, if only a blank.
        arguments["negative_prompt"] = member.negative_prompt or " "
    if member.source:
        # One for each: with several generators, pipelines encode a picture for each of them.
        arguments["image"] = [read_source(member.source, (terms.width, terms.height))] * len(generators)
        arguments["strength"] = 1.0 if terms.strength is None else terms.strength
    return call.only_known(arguments)
