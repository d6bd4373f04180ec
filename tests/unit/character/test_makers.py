"""Who makes characters up, by the settings."""

from __future__ import annotations

import pytest

from fabula.errors import InvalidRequest
from fabula.settings import CharacterWorkerSettings, TextModelSettings, load
from services.character.domain import Wish
from services.character.makers import open_maker
from services.character.prompted import PromptedMaker
from services.character.readers import open_reader


async def test_without_a_model_the_bundled_ones_are_at_work() -> None:
    """They need nothing but themselves."""
    settings = load(CharacterWorkerSettings, nats_url="nats://127.0.0.1:4222")
    async with open_maker(settings) as maker, open_reader(settings) as reader:
        assert ("grammar/1", "looker/1") == (maker.name, reader.name)
        assert "knight" == (await maker.details(Wish("a knight"))).profession


async def test_a_model_makes_them_up_where_one_is_named() -> None:
    """By its name, with the prompts; nothing is connected before it is asked."""
    settings = load(TextModelSettings, text_model="openai:tiny@http://127.0.0.1:1/v1", text_continues=True)
    async with open_maker(settings) as maker:
        assert isinstance(maker, PromptedMaker)
        assert maker.continues
        assert "tiny" in maker.name


async def test_a_name_that_is_none_is_refused() -> None:
    """Before anything is made."""
    with pytest.raises(InvalidRequest, match="FABULA_TEXT_MODEL"):
        async with open_maker(load(TextModelSettings, text_model="magic")):
            pass
