"""Chooses who writes: the model that is configured, or the bundled author."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fabula.backends.open_text_model import open_text_model
from fabula.backends.text_settings import parse_text_model
from fabula.settings import TextModelSettings
from services.story.author import Author
from services.story.grammar.author import GrammarAuthor
from services.story.prompted import PromptedAuthor


@asynccontextmanager
async def open_author(settings: TextModelSettings) -> AsyncIterator[Author]:
    """Open the author that the settings ask for; a model is released when the block is left.

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
        yield GrammarAuthor(settings.grammar_words_per_second)
        return
    try:
        yield PromptedAuthor(model)
    finally:
        await model.close()
