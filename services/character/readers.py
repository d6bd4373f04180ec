"""Chooses who looks at pictures: the model that is configured, or the bundled looker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fabula.backends.open_vision_model import open_vision_model
from fabula.backends.vision_settings import parse_vision_model
from fabula.settings import VisionModelSettings
from services.character.measured_reader import MeasuredReader
from services.character.prompted_reader import PromptedReader
from services.character.reader import PictureReader


@asynccontextmanager
async def open_reader(settings: VisionModelSettings) -> AsyncIterator[PictureReader]:
    """Open the reader that the settings ask for; a model is released when the block is left.

    Raises:
        InvalidRequest: the model is named in a form that is not known.
    """
    model = open_vision_model(parse_vision_model(settings))
    if model is None:
        yield MeasuredReader()
        return
    try:
        yield PromptedReader(model)
    finally:
        await model.close()
