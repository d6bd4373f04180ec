"""Naming a model that looks at pictures: from `FABULA_VISION_MODEL` to typed settings. Pure; reads no environment."""

from __future__ import annotations

from fabula.backends.text_settings import OpenAISettings, TransformersSettings, parse_text_model
from fabula.settings.parts import VisionModelSettings

VISION_SETTING = "FABULA_VISION_MODEL"


def parse_vision_model(settings: VisionModelSettings) -> TransformersSettings | OpenAISettings | None:
    """Read what `FABULA_VISION_MODEL` and its siblings say; the form is that of `FABULA_TEXT_MODEL`.

    Returns:
        Settings for `open_vision_model`; None when no model is named.

    Raises:
        InvalidRequest: the name or one of the values is not of the form described; the message says which.
    """
    return parse_text_model(
        settings.vision_model,
        device=settings.device,
        dtype=settings.dtype,
        api_key=settings.vision_api_key.get_secret_value() if settings.vision_api_key else "",
        allow_download=settings.allow_download,
        setting=VISION_SETTING,
    )
