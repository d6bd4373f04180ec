"""Cuts a text into the pieces in which it is told. Pure."""

from __future__ import annotations

from services.character.grammar.english import sentences


def by_sentence(text: str) -> list[str]:
    """Cut a text into sentences, each with the white space behind it; together they are the text."""
    pieces: list[str] = []
    start = 0
    for sentence in sentences(text):
        at = text.index(sentence, start) + len(sentence)
        end = at + len(text[at:]) - len(text[at:].lstrip())
        pieces.append(text[start:end])
        start = end
    return pieces + ([text[start:]] if start < len(text) else [])
