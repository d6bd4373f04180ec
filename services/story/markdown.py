"""How a story is set: its text in Markdown, and the tidying of what writers deliver. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from services.story.domain import Chapter, Draft

_MARKS = (
    "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f"
    "\u0900-\u0963\u0966-\u0dff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
)
"""Accents and vowel signs: parts of a word that Python counts among neither letters nor digits."""
_IDEOGRAPHS = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_LETTERS = f"(?:[^\\W_{_IDEOGRAPHS}]|[{_MARKS}])+"
_WORD = re.compile(f"[{_IDEOGRAPHS}]|{_LETTERS}(?:['’\\-]{_LETTERS})*")
_HEADING = re.compile(
    r"^\s*(#{1,6}\s+.*|\*{2}chapter\b[^\n]*\*{2}|chapter\s+\w+\s*[:.\-–—]?[^\n]{0,80})\s*\n+", re.IGNORECASE
)
_POLITENESS = r"(?:sure|certainly|of course|absolutely|okay|natürlich|gerne|bien sûr|claro|certo)"
_PRESENTING = r"(?:here(?: is|'s|’s| are)|hier ist|hier kommt|voici|aquí (?:está|tienes)|aqui está|ecco|вот)"
_OF_A_TEXT = r"(?:chapter|story|draft|text|version|scene|rewrite)"
_CHATTER = re.compile(
    rf"^\s*(?:{_POLITENESS}!|(?:{_POLITENESS}[,.!]\s+)?{_PRESENTING}\b[^\n]{{0,160}}:|"
    rf"(?:{_POLITENESS}[,.!]\s+){_PRESENTING}\b[^\n]{{0,100}}\b{_OF_A_TEXT}\b[^\n]{{0,60}}[.!])\s*\n+",
    re.IGNORECASE,
)
"""What models say before they begin. A story may begin with such words as well, but not end the line with a colon."""
_FENCE = re.compile(r"^\s*```[a-z]*\s*$", re.IGNORECASE | re.MULTILINE)


def words_of(text: str) -> list[str]:
    """Return the words of a text: runs of letters and digits, inner apostrophes and hyphens included.

    Of Chinese and Japanese, which do not part their words, each character counts as one.
    """
    return _WORD.findall(text)


def count_words(text: str) -> int:
    """Count the words of a text; see `words_of`."""
    return sum(1 for _ in _WORD.finditer(text))


class WordCount:
    """Counts the words of a text that comes in pieces, which may begin and end in the middle of a word.

    Args:
        before: The text before the first piece.
    """

    def __init__(self, before: str = "") -> None:
        self._whole = 0
        self._open = ""
        self.add(before)

    def add(self, piece: str) -> int:
        """Take in a piece; return how many words there are so far."""
        text = self._open + piece
        end = max(text.rfind(" "), text.rfind("\n")) + 1
        self._whole += count_words(text[:end])
        self._open = text[end:]
        return self._whole + count_words(self._open)


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
    lines = (re.sub(r"[ \t]+", " ", line).strip() for line in paragraph.split("\n"))
    joined = " ".join(line for line in lines if line)
    return re.sub(r" +([,.…])(?=\s|$)", r"\1", joined)  # no others: French has a space before them


def tidy_draft(draft: Draft) -> Draft:
    """Return the draft with every chapter tidied."""
    titles = [" ".join(chapter.title.split()) for chapter in draft.chapters]
    chapters = tuple(
        Chapter(c.number, title, tidy(c.text, title)) for c, title in zip(draft.chapters, titles, strict=True)
    )
    return Draft(" ".join(draft.title.split()), chapters)
