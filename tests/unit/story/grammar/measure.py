"""What can be measured of a story: presence, repetition, slots, articles, spaces, quotes, capitals, length."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache

import inflect

from services.story.grammar.english import sentence_key, sentences
from services.story.grammar.story import Story

_ARTICLE = re.compile(r"\b(an?) ([\w'’-]+)", re.IGNORECASE)
_NUMBER_DISAGREES = re.compile(
    r"\b(?:two|three|four|five|six|seven|eight|nine|ten|twelve|several|these|those) "
    r"(?:day|week|month|year|mile|step|night|man|woman|child|thing|story|person)\b",
)
_TWO_ARTICLES = re.compile(r"\b(?:a|an|the|no|his|their|my|your) (?:a|an|the|her|his|their|my|your)\b", re.IGNORECASE)
_BAD_SPACE = re.compile(r"  | [,.;:!?]|\n\n\n|[,;:][.!?]|(?<!\.)\.\.(?!\.)|\b(?!had|that|her)(\w+) \1\b(?!-)")
SLACK = 0.15


@cache
def _engine() -> inflect.engine:
    return inflect.engine()


@cache
def _article(word: str) -> str:
    return str(_engine().a(word)).split(" ", 1)[0]


def text_of(story: Story) -> str:
    """Return a story's chapters as one text."""
    return "\n\n".join(chapter.text for chapter in story.chapters)


def faults(story: Story, wanted: Mapping[str, object]) -> list[tuple[str, str]]:
    """List all that is wrong with a story, as (kind, what) pairs."""
    text = text_of(story)
    return [*_absent(text, wanted), *form_faults(text), *_length(text, wanted), *_chapters(story)]


def _present(word: str, text: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word.lower())}(?!\w)", text.lower()) is not None


def _absent(text: str, wanted: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    people = wanted.get("people", [])
    assert isinstance(people, list)
    for person in people:
        one = str(_engine().singular_noun(person) or person)
        if not _present(person, text) and not _present(one, text):
            yield "person", person
    for kind in ("place", "thing"):
        word = str(wanted.get(kind, ""))
        if word and not _present(word, text):
            yield kind, word


def form_faults(text: str) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a text's form, whatever it is about."""
    yield from _sentence_faults(text)
    yield from _article_faults(text)
    for match in re.finditer(r"[{}\[\]|<>]", text):
        yield "slot", text[max(0, match.start() - 30) : match.end() + 30]
    for match in _BAD_SPACE.finditer(text):
        yield "space", text[max(0, match.start() - 30) : match.end() + 30]
    for paragraph in text.split("\n\n"):
        if paragraph.count('"') % 2:
            yield "quotes", paragraph[:80]
        if not paragraph.endswith((".", "!", "?", '."', '!"', '?"')):
            yield "space", paragraph[-60:]


def _sentence_faults(text: str) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for sentence in sentences(text):
        key = sentence_key(sentence)
        if key in seen:
            yield "repeat", sentence
        seen.add(key)
        if next((char for char in sentence if char.isalpha()), "A").islower():
            yield "capital", sentence


def _article_faults(text: str) -> Iterator[tuple[str, str]]:
    for match in _ARTICLE.finditer(text):
        if match[1].lower() != _article(match[2]):
            yield "article", match[0]
    for pattern in (_NUMBER_DISAGREES, _TWO_ARTICLES):
        for match in pattern.finditer(text):
            yield "article", text[max(0, match.start() - 30) : match.end() + 30]


def _length(text: str, wanted: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    words = int(str(wanted["words"]))
    told = len(text.split())
    if 200 <= words <= 5000 and abs(told - words) > SLACK * words:
        yield "length", f"{told} of {words}"


def _chapters(story: Story) -> Iterator[tuple[str, str]]:
    for number, chapter in enumerate(story.chapters, start=1):
        for word in story.world.stated:
            if word.lower() not in chapter.text.lower():
                yield "chapter", f"{number}: {word}"
