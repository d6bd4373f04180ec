"""The child's side of the `transformers` adapter for pictures: loads an image-text-to-text model and asks it.

Imported in a host's child process and nowhere else: it imports torch.
"""

from __future__ import annotations

import os

# Before transformers is imported: it reads these once.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

from fabula.errors import ModelUnavailable

try:
    from transformers import AutoModelForImageTextToText, AutoProcessor

    from fabula.backends.picture_prompt import to_picture_prompt
    from fabula.backends.transformers_loading import load_parts
    from fabula.backends.transformers_writer import Writer
    from fabula.backends.vision_picture import opened
except ModuleNotFoundError as missing:
    raise ModelUnavailable(
        f'the package {missing.name} is not installed; in Fabula\'s folder: pip install ".[torch,image]"'
    ) from missing

from fabula.backends.host import JsonObject
from fabula.backends.host.hosted import Work
from fabula.backends.text_request import LanguageModelConfig, TextRequest


def load(config: JsonObject) -> PictureModel:
    """Load the model; the host's factory."""
    return PictureModel(LanguageModelConfig.from_json(config))


class PictureModel:
    """A model that answers in text about a picture, with its processor.

    The library's processors turn pictures into pixels with Pillow where torchvision is not installed, as here. Some of
    the newest families have none that can (`…ImageProcessorPil`), and those that take videos as well may want
    torchvision for them: the refusal says so.

    Args:
        config: Which, and how.

    Raises:
        ModelUnavailable: it is not on this machine, is no model that may be loaded, or needs torchvision.
    """

    def __init__(self, config: LanguageModelConfig) -> None:
        try:
            self._processor, model = load_parts(config, AutoProcessor, AutoModelForImageTextToText)
        except (ImportError, ValueError) as error:
            raise ModelUnavailable(_why_not(config, error)) from error
        self._writer = Writer(self._processor.tokenizer, model, config)
        self.details = self._writer.details

    def run(self, work: Work) -> None:
        """Write one answer about the picture in the payload; see `Writer.write`."""
        request = TextRequest.from_json(work.request)
        prompt, pixels = to_picture_prompt(self._processor, request.messages, opened(work.payload))
        self._writer.write(work, request, prompt, pixels)


def _why_not(config: LanguageModelConfig, error: Exception) -> str:
    said = " ".join(str(error).split())
    if "torchvision" in said.lower():
        return (
            f"the processor of {config.source} needs torchvision, which Fabula does not bring: install the one that "
            "fits torch (`pip install torchvision`), or choose a model whose processor works with Pillow"
        )
    return f"{config.source} is no model of the library that looks at pictures and answers in text ({said[:300]})"
