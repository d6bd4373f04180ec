"""From settings to a model that looks at pictures. It must not import what the chosen model does not need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fabula.backends.text_settings import OpenAISettings, TransformersSettings

if TYPE_CHECKING:
    from fabula.backends.vision import VisionModel


def open_vision_model(settings: TransformersSettings | OpenAISettings | None) -> VisionModel | None:
    """Return the model that the settings name; None when they name none: then the bundled looker measures.

    Nothing is loaded or connected yet: that happens at the first answer. The caller closes the model.
    """
    match settings:
        case None:
            return None
        case TransformersSettings():
            from fabula.backends.transformers_vision import TransformersVision  # noqa: PLC0415 - only who uses it

            return TransformersVision(settings)
        case OpenAISettings():
            from fabula.backends.openai_vision import OpenAIVision  # noqa: PLC0415 - only who uses it needs httpx

            return OpenAIVision(settings)
