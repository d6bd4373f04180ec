"""How a story is set: its text in Markdown, and the tidying of what writers deliver. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from services.story.domain import Chapter, Draft

_WORD = re.compile(r"[^\W_]+(?:['’\-][^\W_]+)*")
_HEADING = re.compile(
    r"^\s*(#{1,6}\s+.*|\*{2}chapter\b[^\n]*\*{2}|chapter\s+\w+\s*[:.\-–—]?[^\n]{0,80})\s*\n+", re.IGNORECASE
)
_CHATTER = re.compile(
    r"^\s*(sure|certainly|of course|absolutely|here(?: is|'s|’s))\b[^\n]{0,160}[:!.]\s*\n+", re.IGNORECASE
)
_FENCE = re.compile(r"^\s*```[a-z]*\s*$", re.IGNORECASE | re.MULTILINE)


def count_words(text: str) -> int:
    """Count the words of a text: runs of letters and digits, inner apostrophes and hyphens included."""
    return sum(1 for _ in _WORD.finditer(text))


def render(title: str, chapters: Sequence[Chapter]) -> str:
    """Return a story in Markdown. A story of one chapter has no chapter heading."""
    parts = [f"# {title}"] if title else []
    for chapter in chapters:
        if len(chapters) > 1:
            parts.append(f"## {chapter.number}. {chapter.title}" if chapter.title else f"## {chapter.number}.")
        parts.append(chapter.text)
    return "\n\n".join(part for part in parts if part) + ("\n" if parts else "")


def tidy(text: str, title: str = "") -> str:
    """Return a chapter's text as plain paragraphs with one empty line between them.

    Takes away what models like to add: introductions, code fences, a heading that repeats the title.
    """
    text = _FENCE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = _CHATTER.sub("", text, count=1)
    text = _HEADING.sub("", text.lstrip(), count=1)
    if title and text.lower().startswith(title.lower() + "\n"):
        text = text[len(title) :]
    paragraphs = (_tidy_paragraph(paragraph) for paragraph in re.split(r"\n\s*\n", text))
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _tidy_paragraph(paragraph: str) -> str:
    lines = (re.sub(r"[ \t\u00a0]+", " ", line).strip() for line in paragraph.split("\n"))
    joined = " ".join(line for line in lines if line)
    return re.sub(r" +([,.;:!?…])", r"\1", joined)


def tidy_draft(draft: Draft) -> Draft:
    """Return the draft with every chapter tidied."""
    chapters = tuple(Chapter(c.number, c.title.strip(), tidy(c.text, c.title)) for c in draft.chapters)
    return Draft(" ".join(draft.title.split()), chapters)
