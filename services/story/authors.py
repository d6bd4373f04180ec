"""Chooses who writes: the model that is configured, or the bundled author."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from fabula.backends.open_text_model import open_text_model
from fabula.backends.text_settings import parse_text_model
from fabula.settings import TextModelSettings
from services.story.author import Author
from services.story.domain import Brief
from services.story.grammar.author import GrammarAuthor
from services.story.prompted import PromptedAuthor

_log = structlog.get_logger(__name__)


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
        author = GrammarAuthor(settings.grammar_words_per_second)
        async with asyncio.TaskGroup() as tasks:
            warming = tasks.create_task(_warm(author))
            yield author
            warming.cancel()
        return
    try:
        yield PromptedAuthor(model)
    finally:
        await model.close()


async def _warm(author: Author) -> None:
    """Plan a story for nobody: what an author loads with its first one takes seconds that no reader should wait."""
    try:
        await author.outline(Brief(premise="An owl finds a key."))
    except Exception:  # noqa: BLE001 - a story will meet the same fault, and its log will tell
        _log.warning("author_not_warm", exc_info=True)
