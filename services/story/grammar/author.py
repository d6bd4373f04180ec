"""The bundled author: writes stories from a grammar, with no model.

It writes English, whatever the brief's language: from a premise in another language it takes the names it is sure of
and tells a story of the genre around them. It says what it is by its name, "grammar/1".
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence

from fabula.errors import InvalidRequest, ModelOutputInvalid
from services.story.domain import Brief, Chapter, ChapterPlan, Character, Draft, Finding, Outline, Review
from services.story.grammar.english import sentences
from services.story.grammar.lexicon import lexicon
from services.story.grammar.story import Story, compose, retell
from services.story.grammar.world import Person

WORDS_PER_SECOND = 12.0  # a fast reader's pace
_WORD = re.compile(r"\S+\s*")
_SENTENCES_PER_TURN = 8  # without pacing: how many sentences before other tasks get their turn


class GrammarAuthor:
    """Implements the `Author` port without a model: deterministic by brief and seed, offline, at once.

    Args:
        words_per_second: Pace of `chapter`, in words per second; 0 writes as fast as it can, sentence by sentence.
    """

    def __init__(self, words_per_second: float = WORDS_PER_SECOND) -> None:
        self._words_per_second = max(0.0, words_per_second)

    @property
    def name(self) -> str:
        """Say what wrote the story: a grammar, and its version."""
        return "grammar/1"

    @property
    def continues(self) -> bool:
        """Confirm that `chapter` goes on from what was written before."""
        return True

    @property
    def cannot_mend(self) -> frozenset[str]:
        """Language, for it writes English only; length and premise: what it has to tell is told the first time."""
        return frozenset({"language", "length", "outline"})

    def load(self) -> None:
        """Load the lexicons and plots."""
        lexicon()

    async def outline(self, brief: Brief) -> Outline:
        """Plan the story; the same brief gives the same outline."""
        return _outline(await asyncio.to_thread(compose, brief))

    async def chapter(
        self,
        brief: Brief,
        outline: Outline,
        number: int,
        *,
        earlier: Sequence[Chapter] = (),
        notes: Sequence[Finding] = (),
        attempt: int = 0,
        written: str = "",
    ) -> AsyncGenerator[str, None]:
        """Write chapter `number` piece by piece; a later `attempt` words it anew.

        Raises:
            InvalidRequest: the brief's story has no such chapter.
            ModelOutputInvalid: `written` is not how this chapter begins.
        """
        del outline, notes  # both follow from the brief: the plan is made again, and another attempt is the answer
        before = tuple(chapter.text for chapter in earlier if chapter.number != number)
        text = await asyncio.to_thread(_text, brief, number, attempt, before)
        if not text.startswith(written):
            raise ModelOutputInvalid("The chapter begun before is not this author's: start the chapter again.")
        async for piece in self._paced(text[len(written) :]):
            yield piece

    async def _paced(self, text: str) -> AsyncGenerator[str, None]:
        if self._words_per_second:
            for match in _WORD.finditer(text):
                yield match[0]
                await asyncio.sleep(1 / self._words_per_second)
            return
        for index, piece in enumerate(_by_sentence(text)):
            yield piece
            if index % _SENTENCES_PER_TURN == 0:
                await asyncio.sleep(0)

    async def edit(self, brief: Brief, outline: Outline, draft: Draft) -> Draft:
        """Return the draft as it is: the grammar writes tidily."""
        del brief, outline
        return draft

    async def review(self, brief: Brief, outline: Outline, draft: Draft) -> Review:
        """Accept: a grammar has no opinion."""
        del brief, outline, draft
        return Review(accepted=True)


def _text(brief: Brief, number: int, attempt: int, earlier: Sequence[str]) -> str:
    story = compose(brief)
    if not 1 <= number <= len(story.chapters):
        raise InvalidRequest(
            f"This story has {len(story.chapters)} chapters, and chapter {number} was asked for: plan the story anew.",
            number=str(number),
        )
    return retell(brief, number, attempt, earlier) if attempt else story.chapters[number - 1].text


def _by_sentence(text: str) -> list[str]:
    """Cut a text into sentences, each with the white space behind it."""
    pieces: list[str] = []
    start = 0
    for sentence in sentences(text):
        at = text.index(sentence, start) + len(sentence)
        end = at + len(text[at:]) - len(text[at:].lstrip())
        pieces.append(text[start:end])
        start = end
    return pieces


def _outline(story: Story) -> Outline:
    world = story.world
    chapters = tuple(
        ChapterPlan(number, told.title, told.summary, told.words, _mentions(story, told.text))
        for number, told in enumerate(story.chapters, start=1)
    )
    return Outline(
        title=story.title,
        logline=story.logline,
        genre=world.genre.label,
        setting=_setting(story),
        cast=_cast(story),
        chapters=chapters,
        theme=world.plot.theme,
    )


def _setting(story: Story) -> str:
    home = story.world.home
    named = f"{home.phrase}, the {home.noun}" if home.noun and not home.phrase.startswith("the ") else home.phrase
    return named[:1].upper() + named[1:]


def _whole(story: Story) -> str:
    return "\n\n".join(chapter.text for chapter in story.chapters)


def _cast(story: Story) -> tuple[Character, ...]:
    """List everybody of the cast whom the story really names, the hero first."""
    text = _whole(story)
    people = [
        p
        for p in story.world.persons.values()
        if p.short.lower() in text.lower() or p.key.startswith(("hero", "extra"))
    ]
    return tuple(Character(_display(person), person.intro) for person in people)


def _display(person: Person) -> str:
    return person.name[:1].upper() + person.name[1:]


def _mentions(story: Story, text: str) -> tuple[str, ...]:
    """List what a chapter surely mentions: the request's people, thing and place that stand in its text."""
    return tuple(dict.fromkeys(word for word in story.world.stated if word.lower() in text.lower()))
