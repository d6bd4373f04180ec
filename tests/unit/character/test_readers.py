from __future__ import annotations

import pytest

from fabula.errors import InvalidRequest
from fabula.settings import VisionModelSettings
from services.character.measured_reader import MeasuredReader
from services.character.prompted_reader import PromptedReader
from services.character.readers import open_reader


async def test_without_a_model_the_bundled_looker_measures() -> None:
    """Nothing is to be set up for it."""
    async with open_reader(VisionModelSettings()) as reader:
        assert isinstance(reader, MeasuredReader)


async def test_a_model_that_is_named_looks() -> None:
    """Nothing is loaded or connected by opening."""
    async with open_reader(VisionModelSettings(vision_model="openai:llava@http://h/v1")) as reader:
        assert (PromptedReader, "llava") == (type(reader), reader.name)


async def test_a_mistake_shows_at_the_start() -> None:
    """With the form that is expected."""
    with pytest.raises(InvalidRequest, match="FABULA_VISION_MODEL is transformers:"):
        async with open_reader(VisionModelSettings(vision_model="llava")):
            pass
