"""The model as its host's child knows it: loads the pipelines, and does one piece of work after the other.

Imported in a host's child process and nowhere else.
"""

from __future__ import annotations

import os
import warnings
from typing import Any

from fabula.backends.host import JsonObject
from fabula.backends.host.hosted import Work
from fabula.backends.image_settings import PipelineSettings
from fabula.backends.painting.state import header_of
from fabula.backends.painting.tensor_file import TensorFileError, pack, unpack
from fabula.errors import InvalidRequest, ModelUnavailable

# Before transformers is imported: it reads these once.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
warnings.simplefilter("ignore")  # nobody in this process can act on a library's advice

try:
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    from fabula.backends.painting.child.decoding import decode, preview_maker
    from fabula.backends.painting.child.denoising import Denoiser
    from fabula.backends.painting.child.details import details, fingerprint
    from fabula.backends.painting.child.loading import load_all
    from fabula.backends.painting.child.prompts import Prompts, read
    from fabula.backends.painting.child.schedulers import Schedulers
    from fabula.backends.painting.child.torch_tensors import from_raw
except ModuleNotFoundError as missing:
    raise ModelUnavailable(
        f'the package {missing.name} is not installed; in Fabula\'s folder: pip install ".[painting]"'
    ) from missing


def load(config: JsonObject) -> DiffusionModel:
    """Load the model; the host's factory."""
    quiet: Any
    for quiet in (diffusers_logging, transformers_logging):
        quiet.set_verbosity_error()
    return DiffusionModel(PipelineSettings.from_json(config))


class DiffusionModel:
    """A text-to-image pipeline, with or without a refiner.

    Args:
        settings: Which, and how.

    Raises:
        ModelUnavailable: it is not on this machine, or is no model that may be loaded.
    """

    def __init__(self, settings: PipelineSettings) -> None:
        self._loaded = loaded = load_all(settings)
        self._prompts = Prompts()
        schedulers = Schedulers(loaded.base.pipeline.scheduler)
        print_ = fingerprint(loaded)
        self.details = details(loaded, schedulers, print_)
        self._denoiser = Denoiser(loaded, self._prompts, schedulers, print_, preview_maker(loaded))

    def run(self, work: Work) -> None:
        """Read a prompt, denoise a batch, or decode pictures: as `requests` describes them."""
        match work.request["do"]:
            case "encode":
                self._encode(work)
            case "denoise":
                self._denoiser.run(work)
            case "decode":
                self._decode(work)
            case unknown:
                raise InvalidRequest(f"An image model does not know how to {unknown}.")

    def _encode(self, work: Work) -> None:
        request = work.request
        reading = read(self._loaded.base.pipeline, request["prompt"])
        paintings = [self._loaded.base]
        if request["refines"] and self._loaded.refiner is not None:
            paintings.append(self._loaded.refiner)
        for painting in paintings:
            work.check()
            self._prompts.encode(painting, request["prompt"], request["negative_prompt"], request["guidance"])
        work.emit({"tokens": reading.tokens, "limit": reading.limit, "dropped": reading.dropped})

    def _decode(self, work: Work) -> None:
        try:
            header = header_of(work.payload)
            tensors, _ = unpack(work.payload)
        except TensorFileError as error:
            raise InvalidRequest(f"The latents cannot be read: {error}.") from error
        latents = from_raw(tensors[header.scheduler["latents"]["tensor"]])
        for picture in decode(self._loaded.base.pipeline, latents, work.check):
            work.emit({}, pack({"rgb": picture}, {}))
