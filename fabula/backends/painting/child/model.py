"""The model as its host's child knows it: loads a pipeline, and does one piece of work after the other.

Imported in a host's child process and nowhere else.
"""

from __future__ import annotations

import os
import warnings
from typing import Any, Protocol

from fabula.backends.host import JsonObject
from fabula.backends.host.hosted import Work
from fabula.backends.image_settings import PipelineSettings
from fabula.errors import InvalidRequest, ModelUnavailable

# Before transformers is imported: it reads these once.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
warnings.simplefilter("ignore")  # nobody in this process can act on a library's advice

try:
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    from fabula.backends.painting.child.loading import Ground, is_denoised_here, prepare
    from fabula.backends.painting.child.stock import StockPainter
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


class Painter(Protocol):
    """A way to paint with what was loaded: step by step, or by a call of the pipeline as a whole."""

    @property
    def details(self) -> JsonObject:
        """What `card.make_card` makes a card of."""
        ...

    def encode(self, work: Work) -> None:
        """Tell how a prompt is read."""
        ...

    def denoise(self, work: Work) -> None:
        """Denoise a batch: a `StepItem` for each member after each step."""
        ...

    def decode(self, work: Work) -> None:
        """Give the pictures of a last state."""
        ...


class DiffusionModel:
    """A text-to-image pipeline.

    Args:
        settings: Which, and how.

    Raises:
        ModelUnavailable: it is not on this machine, or is no model that may be loaded.
    """

    def __init__(self, settings: PipelineSettings) -> None:
        ground = prepare(settings)
        self._painter: Painter = StockPainter(ground) if is_denoised_here(ground) else _plain(ground)
        self.details = self._painter.details

    def run(self, work: Work) -> None:
        """Read a prompt, denoise a batch, or decode pictures: as `requests` describes them."""
        match work.request["do"]:
            case "encode":
                self._painter.encode(work)
            case "denoise":
                self._painter.denoise(work)
            case "decode":
                self._painter.decode(work)
            case unknown:
                raise InvalidRequest(f"An image model does not know how to {unknown}.")


def _plain(ground: Ground) -> Painter:
    # It knows the pipelines of all families; to import them takes a second that the others need not wait.
    from fabula.backends.painting.child.plain.painter import PlainPainter  # noqa: PLC0415

    return PlainPainter(ground)
