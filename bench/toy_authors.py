"""Authors whose pace is known: one with a hosted model, one that only waits. Both implement `Author`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from random import Random

from fabula.backends.host import Host
from services.story.domain import Brief, Chapter, ChapterPlan, Draft, Finding, Outline, Review

WORDS_PER_CHAPTER = 150


@dataclass(frozen=True, slots=True)
class HostedAuthor:
    """Writes one chapter with a toy model: as many tokens as words are asked for.

    Attributes:
        host: Holds the model.
        seconds: What a token takes.
    """

    host: Host
    seconds: float
    name: str = "toy"
    continues: bool = True
    cannot_mend: frozenset[str] = frozenset()

    def load(self) -> None:
        """Load nothing: the model is warm."""

    async def outline(self, brief: Brief) -> Outline:
        """Plan one chapter, in no time."""
        return _outline(1, brief.words)

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
        """Have the model write."""
        del outline, number, earlier, notes, attempt
        request = {"tokens": brief.words - len(written.split()), "seconds": self.seconds}
        async with aclosing(self.host.run(request)) as items:
            async for item in items:
                yield item.data["text"]

    async def review(self, brief: Brief, outline: Outline, draft: Draft) -> Review:
        """Have no opinion."""
        del brief, outline, draft
        return Review(accepted=True)


@dataclass(frozen=True, slots=True)
class Tempo:
    """How long a waiting author takes.

    Attributes:
        outline_seconds: For the outline.
        chapter_plan_seconds: For each chapter of it, besides.
        piece_seconds: For a piece of text.
        piece_words: How many words that has.
        review_seconds: For the review.
        noise: How much stories differ: sigma of a logarithmic normal distribution for the whole story's pace, two
            thirds of it for each stage's pace and each chapter's length.
    """

    outline_seconds: float = 0.0
    chapter_plan_seconds: float = 0.0
    piece_seconds: float = 1.0
    piece_words: int = 1
    review_seconds: float = 0.0
    noise: float = 0.0


@dataclass(frozen=True, slots=True)
class WaitingAuthor:
    """Writes by waiting: a source of events that costs nothing. The brief's seed decides how a story turns out.

    Attributes:
        tempo: How long it takes.
    """

    tempo: Tempo = field(default_factory=Tempo)
    name: str = "waiting"
    continues: bool = False
    cannot_mend: frozenset[str] = frozenset()

    def load(self) -> None:
        """Load nothing."""

    async def outline(self, brief: Brief) -> Outline:
        """Plan chapters of about the same length."""
        chapters = max(1, round(brief.words / WORDS_PER_CHAPTER))
        seconds = self.tempo.outline_seconds + self.tempo.chapter_plan_seconds * chapters
        await asyncio.sleep(seconds * self._pace(brief, "outline"))
        return _outline(chapters, brief.words)

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
        """Write about as many words as planned."""
        del earlier, notes, attempt, written
        pace = self._pace(brief, f"write-{number}")
        length = self._varied(brief, f"length-{number}", self.tempo.noise * 2 / 3)
        pieces = max(1, round(outline.chapters[number - 1].words * length / self.tempo.piece_words))
        for _ in range(pieces):
            await asyncio.sleep(self.tempo.piece_seconds * pace)
            yield "word " * self.tempo.piece_words

    async def review(self, brief: Brief, outline: Outline, draft: Draft) -> Review:
        """Accept, after a while."""
        del outline, draft
        await asyncio.sleep(self.tempo.review_seconds * self._pace(brief, "review"))
        return Review(accepted=True)

    def _pace(self, brief: Brief, stage: str) -> float:
        noise = self.tempo.noise
        return self._varied(brief, "story", noise) * self._varied(brief, stage, noise * 2 / 3)

    def _varied(self, brief: Brief, what: str, sigma: float) -> float:
        return Random(f"{brief.seed} {what}").lognormvariate(0.0, sigma)


def _outline(chapters: int, words: int) -> Outline:
    plans = tuple(ChapterPlan(number, "Chapter", "", round(words / chapters)) for number in range(1, chapters + 1))
    return Outline("A toy story", "", "", "", (), plans)
