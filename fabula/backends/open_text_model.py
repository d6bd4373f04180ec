"""From settings to a text model. It must not import what the chosen model does not need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fabula.backends.text_settings import OpenAISettings, TextModelSettings, TransformersSettings

if TYPE_CHECKING:
    from fabula.backends.text import TextModel


def open_text_model(settings: TextModelSettings | None) -> TextModel | None:
    """Return the model that the settings name; None when they name none.

    Nothing is loaded or connected yet: that happens at the first answer. The caller closes the model.
    """
    match settings:
        case None:
            return None
        case TransformersSettings():
            from fabula.backends.transformers_text import TransformersText  # noqa: PLC0415 - only who uses it

            return TransformersText(settings)
        case OpenAISettings():
            from fabula.backends.openai_text import OpenAIText  # noqa: PLC0415 - only who uses it needs httpx

            return OpenAIText(settings)
