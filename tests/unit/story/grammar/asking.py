"""Briefs from the files of premises, and stories of the author as its callers get them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from services.story.domain import Brief, Chapter, Character
from services.story.grammar.author import GrammarAuthor

_HERE = Path(__file__).parent
_ASKED = ("premise", "source", "title", "genre", "tone", "audience", "language", "words")


@cache
def premises(name: str = "premises.json") -> tuple[Mapping[str, Any], ...]:
    """Return the entries of a file of premises."""
    return tuple(json.loads((_HERE / name).read_text(encoding="utf-8")))


def brief_of(entry: Mapping[str, Any], seed: int = 0) -> Brief:
    """Make the brief that an entry asks for."""
    characters = tuple(Character(**person) for person in entry.get("characters", []))
    return Brief(**{key: entry[key] for key in _ASKED if key in entry}, characters=characters, seed=seed)


async def written(author: GrammarAuthor, brief: Brief) -> list[Chapter]:
    """Have all chapters of a story written, one after the other."""
    outline = await author.outline(brief)
    chapters: list[Chapter] = []
    for plan in outline.chapters:
        pieces = [piece async for piece in author.chapter(brief, outline, plan.number, earlier=tuple(chapters))]
        chapters.append(Chapter(plan.number, plan.title, "".join(pieces)))
    return chapters
