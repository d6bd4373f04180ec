"""The stages of a story: who does what, in which order, and what is kept.

load prompts → read the source → load the characters of the library → Planner outlines → Writer drafts, chapter by
chapter → Editor formats → Critic validates → revise, format and validate again, up to the number of times asked for →
keep.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

from fabula.engine.events import LogLevel
from fabula.engine.pipeline import Outputs, Stage, StageContext
from fabula.errors import ModelOutputInvalid, NotFound, Unavailable
from fabula.rpc.client import Patience
from fabula.rpc.issuer import Issuer
from services.story import critic
from services.story.author import Author
from services.story.domain import Brief, Cast, Chapter, Character, Draft, Order, Outline, Review, Story, Timing
from services.story.library import Library, called
from services.story.markdown import WordCount, count_words, render, tidy_draft

PLANNER, WRITER, EDITOR, CRITIC = "Planner", "Writer", "Editor", "Critic"

T = TypeVar("T")

_LIGHT = 5.0
"""Weight of a stage that writes nothing; a chapter weighs as many as it has words."""


@dataclass(frozen=True, slots=True)
class StoryPipeline:
    """Plans the run of one story. Implements `fabula.engine.pipeline.Pipeline`.

    Attributes:
        author: Who writes.
        library: Where the characters are that requests name by their ids; None: there are none.
        issuer: Speaks to the library for the stories' owners, who are not there when a worker asks.
    """

    author: Author
    library: Library | None = None
    issuer: Issuer = field(default_factory=lambda: Issuer(None))

    @property
    def model(self) -> str:
        """Who writes, by name."""
        return self.author.name

    def plan(self, request: object, outputs: Outputs) -> Sequence[Stage]:
        """Return the stages of a run, as far as they are known."""
        order = _order(request)
        work = _Work(self.author, order, self.library, self.issuer)
        stages = [Stage("load_prompts", work.load_prompts, weight=1, message="Loading what the agents work by")]
        if order.source is not None:
            stages.append(Stage("read_source", work.read_source, weight=2, message=f"Reading {_label(order)}"))
        if any(person.id for person in order.brief.characters):
            stages.append(
                Stage("load_characters", work.load_characters, weight=2, message="Getting to know the people")
            )
        outlining = "Planning the chapters"
        stages.append(Stage("outline", work.outline, (PLANNER,), weight=_LIGHT * 4, message=outlining))
        outline = outputs.get("outline")
        if not isinstance(outline, Outline):
            return [*stages, _unplanned(order.brief, work), Stage("keep", work.keep, weight=1)]
        stages += [self._write(work, outline, number) for number in _numbers(outline)]
        stages += _rounds(work, order.brief, outline, outputs)
        return [*stages, Stage("keep", work.keep, weight=1, message="Keeping the story")]

    def _write(self, work: _Work, outline: Outline, number: int) -> Stage:
        plan = outline.chapters[number - 1]
        return Stage(
            f"write-{number}",
            partial(work.write, number),
            (WRITER,),
            weight=plan.words,
            message=f"Writing chapter {number} of {len(outline.chapters)}: {plan.title}",
            units=plan.words,
            continues=self.author.continues,
        )


def _unplanned(brief: Brief, work: _Work) -> Stage:
    """Stand for all that follows the outline before there is one."""
    return Stage("write-1", partial(work.write, 1), (WRITER,), weight=brief.words, units=brief.words)


def _rounds(work: _Work, brief: Brief, outline: Outline, outputs: Outputs) -> list[Stage]:
    """Return edit, review and revise, as often as the reviews so far demand."""
    stages: list[Stage] = []
    for turn in range(1, brief.revisions + 2):
        formatting, checking = "Setting the text", "Checking length, names, language, repetition and outline"
        stages.append(Stage(f"edit-{turn}", partial(work.edit, turn), (EDITOR,), weight=_LIGHT, message=formatting))
        stages.append(Stage(f"review-{turn}", partial(work.review, turn), (CRITIC,), weight=_LIGHT, message=checking))
        review = outputs.get(f"review-{turn}")
        if not isinstance(review, Review) or turn > brief.revisions or not _worth_revising(review, work.author):
            return stages
        numbers = _to_revise(review, outline)
        words = sum(outline.chapters[number - 1].words for number in numbers)
        chapters = ", ".join(map(str, numbers))
        stages.append(
            Stage(
                f"revise-{turn}",
                partial(work.revise, turn),
                (WRITER,),
                weight=words,
                message=f"Revising chapter {chapters}" if len(numbers) == 1 else f"Revising chapters {chapters}",
                units=words,
            )
        )
    return stages


@dataclass(frozen=True, slots=True)
class _Work:
    """The stages' functions for one order."""

    author: Author
    order: Order
    library: Library | None
    issuer: Issuer

    async def load_prompts(self, _context: StageContext, _outputs: Outputs) -> None:
        """Load what the author works by, so that a fault in it shows before any work is done."""
        self.author.load()

    async def read_source(self, context: StageContext, outputs: Outputs) -> None:
        """Read the source text once, so that a missing one shows here."""
        brief = await self._brief(context, outputs)
        context.log(f"the source text has {count_words(brief.source)} words")

    async def load_characters(self, context: StageContext, _outputs: Outputs) -> Cast:
        """Ask the library who the people are; what it tells now holds for the whole story."""
        people = [await self._known(person, context) for person in self.order.brief.characters]
        return Cast(tuple(people))

    async def _known(self, person: Character, context: StageContext) -> Character:
        """Return a person with all that the library knows; wait for it, however long it does not answer."""
        if not person.id:
            return person
        if self.library is None:
            raise NotFound("this worker knows no library of characters", id=person.id)
        patience, waited = Patience(), False
        while True:
            try:
                # Minted anew for each try: tokens are short-lived, waiting is not.
                caller = self.issuer.caller(context.address.owner, context.trace_id)
                found = await self.library.get(caller, person.id)
            except Unavailable as error:
                if not waited:
                    context.log(f"waiting for {person.name}: {error.message}", LogLevel.WARNING)
                waited = True
                await patience.wait()
            except NotFound as error:
                raise NotFound(f"{person.name} is not in the library of characters any more", id=person.id) from error
            else:
                found = called(found, person.name)
                told = " ".join(text for text in (found.description, person.description) if text)
                return replace(found, description=told)

    async def outline(self, context: StageContext, outputs: Outputs) -> Outline:
        """Have the Planner outline the story."""
        outline = await self.author.outline(await self._brief(context, outputs))
        if not outline.chapters:
            raise ModelOutputInvalid("the outline has no chapters")
        return outline

    async def write(self, number: int, context: StageContext, outputs: Outputs) -> Chapter:
        """Have the Writer write a chapter, going on from what is written."""
        outline = _outline(outputs)
        earlier = tuple(_output(outputs, f"write-{n}", Chapter) for n in range(1, number))
        brief = await self._brief(context, outputs)
        begin = partial(self.author.chapter, brief, outline, number, earlier=earlier)
        text = await _stream(context, begin)
        return Chapter(number, outline.chapters[number - 1].title, text)

    async def edit(self, turn: int, _context: StageContext, outputs: Outputs) -> Draft:
        """Have the Editor set the newest draft."""
        outline = _outline(outputs)
        draft = _draft_before(turn, outline, outputs)
        return tidy_draft(draft)

    async def review(self, turn: int, context: StageContext, outputs: Outputs) -> Review:
        """Have the Critic judge the newest draft: measured first, then the author's opinion."""
        outline, draft = _outline(outputs), _output(outputs, f"edit-{turn}", Draft)
        brief = await self._brief(context, outputs)
        measured = critic.check(brief, outline, draft)
        if reason := critic.unjudged(brief):
            context.log(f"the Critic did not judge whether the story follows its premise: {reason}", LogLevel.INFO)
        opinion = await self.author.review(brief, outline, draft)
        review = Review(opinion.accepted and not measured, (*measured, *opinion.findings))
        for finding in review.findings:
            context.log(f"the Critic found: {finding.reason}", LogLevel.INFO)
        return review

    async def revise(self, turn: int, context: StageContext, outputs: Outputs) -> Draft:
        """Have the Writer write the chapters anew that the Critic found wanting."""
        outline, draft = _outline(outputs), _output(outputs, f"edit-{turn}", Draft)
        review = _output(outputs, f"review-{turn}", Review)
        brief = await self._brief(context, outputs)
        chapters = {chapter.number: chapter for chapter in draft.chapters}
        for number in _to_revise(review, outline):
            notes = tuple(finding for finding in review.findings if finding.chapter in (0, number))
            earlier = tuple(chapters[n] for n in sorted(chapters) if n < number)
            pieces = self.author.chapter(brief, outline, number, earlier=earlier, notes=notes, attempt=turn)
            if context.written:
                context.text("\n\n")
            text = await _append(context, pieces)
            chapters[number] = Chapter(number, outline.chapters[number - 1].title, text)
        return Draft(draft.title, tuple(chapters[number] for number in sorted(chapters)))

    async def keep(self, context: StageContext, outputs: Outputs) -> Story:
        """Put together what is kept."""
        drafts = [value for name, value in outputs.items() if name.startswith("edit-") and isinstance(value, Draft)]
        reviews = tuple(value for value in outputs.values() if isinstance(value, Review))
        draft = drafts[-1]
        return Story(
            title=draft.title,
            text=render(draft.title, draft.chapters),
            words=sum(count_words(chapter.text) for chapter in draft.chapters),
            outline=_outline(outputs),
            chapters=draft.chapters,
            reviews=reviews,
            model=self.author.name,
            seed=self.order.brief.seed,
            timings=tuple(Timing(stage, seconds) for stage, seconds in context.timings.items()),
        )

    async def _brief(self, context: StageContext, outputs: Outputs) -> Brief:
        """Return the brief with its source text in it, and with what the library knows of its people."""
        brief, source, known = self.order.brief, self.order.source, outputs.get("load_characters")
        if isinstance(known, Cast):
            brief = replace(brief, characters=known.characters)
        if source is None:
            return brief
        text = (await context.blobs.get(source.blob)).decode("utf-8")
        return replace(brief, source=text)


async def _stream(context: StageContext, begin: Callable[..., AsyncGenerator[str, None]]) -> str:
    """Write what a writer yields, behind what the stage has written; return the stage's whole text."""
    if before := context.written:
        try:
            return before + await _append(context, begin(written=before))
        except ModelOutputInvalid as error:
            context.restart(error.message)
    return await _append(context, begin())


async def _append(context: StageContext, pieces: AsyncGenerator[str, None]) -> str:
    """Write pieces as they come; return the text they make."""
    text: list[str] = []
    words = WordCount(context.written)
    async with aclosing(pieces) as stream:
        async for piece in stream:
            text.append(piece)
            context.text(piece, step=words.add(piece))
    return "".join(text)


def _worth_revising(review: Review, author: Author) -> bool:
    """Whether the Critic rejected the draft for something that another version may answer."""
    hopeless = bool(review.findings) and all(finding.check in author.cannot_mend for finding in review.findings)
    return not review.accepted and not hopeless


def _to_revise(review: Review, outline: Outline) -> list[int]:
    """Return the chapters to write anew: those that findings name; the last one if all concern the whole story."""
    named = sorted({finding.chapter for finding in review.findings if 0 < finding.chapter <= len(outline.chapters)})
    return named or [len(outline.chapters)]


def _draft_before(turn: int, outline: Outline, outputs: Outputs) -> Draft:
    if turn > 1:
        return _output(outputs, f"revise-{turn - 1}", Draft)
    chapters = tuple(_output(outputs, f"write-{number}", Chapter) for number in _numbers(outline))
    return Draft(outline.title, chapters)


def _numbers(outline: Outline) -> Iterable[int]:
    return range(1, len(outline.chapters) + 1)


def _outline(outputs: Outputs) -> Outline:
    return _output(outputs, "outline", Outline)


def _output(outputs: Outputs, stage: str, cls: type[T]) -> T:
    value = outputs[stage]
    if not isinstance(value, cls):
        raise TypeError(f"stage {stage} should have put out a {cls.__name__}")
    return value


def _order(request: object) -> Order:
    if not isinstance(request, Order):
        raise TypeError("the story pipeline works on orders")
    return request


def _label(order: Order) -> str:
    return (order.source and order.source.label) or "the source text"
