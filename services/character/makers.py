"""Chooses who makes characters up: the model that is configured, or the bundled maker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from fabula.backends.open_text_model import open_text_model
from fabula.backends.text_settings import parse_text_model
from fabula.settings import TextModelSettings
from services.character.domain import Wish
from services.character.grammar.maker import GrammarMaker
from services.character.maker import CharacterMaker
from services.character.prompted import PromptedMaker

_log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_maker(settings: TextModelSettings) -> AsyncIterator[CharacterMaker]:
    """Open the maker that the settings ask for; a model is released when the block is left.

    Raises:
        InvalidRequest: the text model is named in a form that is not known.
    """
    named = parse_text_model(
        settings.text_model,
        device=settings.device,
        dtype=settings.dtype,
        api_key=settings.text_api_key.get_secret_value() if settings.text_api_key else "",
        allow_download=settings.allow_download,
        continues=settings.text_continues,
    )
    model = open_text_model(named)
    if model is None:
        maker = GrammarMaker(settings.grammar_words_per_second)
        async with asyncio.TaskGroup() as tasks:
            warming = tasks.create_task(_warm(maker))
            yield maker
            warming.cancel()
        return
    try:
        yield PromptedMaker(model)
    finally:
        await model.close()


async def _warm(maker: CharacterMaker) -> None:
    """Make somebody up for nobody: what is loaded with the first one is time that nobody should wait."""
    try:
        await maker.details(Wish("a lighthouse keeper"))
    except Exception:  # noqa: BLE001 - a character will meet the same fault, and its log will tell
        _log.warning("maker_not_warm", exc_info=True)
