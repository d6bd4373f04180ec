"""Chooses who writes: the model that is configured, or the bundled author."""

from __future__ import annotations

from fabula.backends.text_settings import open_text_model, parse_text_model
from fabula.settings import TextModelSettings
from services.story.author import Author
from services.story.grammar.author import GrammarAuthor
from services.story.prompted import PromptedAuthor


def open_author(settings: TextModelSettings) -> Author:
    """Return the author that the settings ask for.

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
    if named is None:
        return GrammarAuthor(settings.grammar_words_per_second)
    return PromptedAuthor(open_text_model(named))
