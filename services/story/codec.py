"""Stories as protobuf: what is special to this service in the common events. Implements `OutputCodec`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from unicodedata import category

from google.protobuf.message import Message

from fabula.api.generation.v1 import generation_pb2
from fabula.api.story.v1 import story_pb2 as pb
from fabula.engine.history import Snapshot, StageView
from fabula.errors import LogCorrupted
from services.story.domain import (
    Brief,
    Cast,
    Chapter,
    ChapterPlan,
    Character,
    Draft,
    Finding,
    Order,
    Outline,
    Review,
    Sampling,
    SourceRef,
    Story,
    Timing,
)
from services.story.markdown import count_words, render

SOURCE_TYPE = "text/plain; charset=utf-8"
TITLE_CHARACTERS = 80


class StoryCodec:
    """Translates orders, outlines, chapters, drafts, reviews and stories."""

    def to_message(self, value: object) -> Message | None:
        """Return the message of a value; None of None."""
        match value:
            case None:
                return None
            case Order():
                return order_to_message(value)
            case Cast():
                return pb.Cast(characters=[_character(person) for person in value.characters])
            case Outline():
                return _outline_to_message(value)
            case Chapter():
                return pb.Chapter(number=value.number, title=value.title, text=value.text)
            case Draft():
                return pb.Draft(title=value.title, chapters=[_chapter(chapter) for chapter in value.chapters])
            case Review():
                return _review_to_message(value)
            case Story():
                return _story_to_message(value)
            case _:
                raise TypeError(f"a story has no output of type {type(value).__name__}")

    def from_message(self, message: Any) -> object:
        """Return the value of a message."""
        match message:
            case pb.StoryRequest():
                return order_from_message(message)
            case pb.Cast():
                return Cast(tuple(map(_character_from, message.characters)))
            case pb.Outline():
                return _outline_from_message(message)
            case pb.Chapter():
                return Chapter(message.number, message.title, message.text)
            case pb.Draft():
                return Draft(message.title, _chapters_from(message.chapters))
            case pb.Review():
                return _review_from_message(message)
            case pb.Story():
                return _story_from_message(message)
            case _:
                raise LogCorrupted(f"a story's log has an output of type {type(message).__name__}")

    def so_far(self, snapshot: Snapshot) -> Message:
        """Return the story as far as it is written; the result itself once there is one."""
        return _story_to_message(snapshot.result if isinstance(snapshot.result, Story) else _partial(snapshot))

    def title(self, request: object) -> str:
        """Return the title asked for, or the beginning of the premise."""
        if not isinstance(request, Order):
            return ""
        label = request.source.label if request.source else ""
        line = " ".join((request.brief.title or request.brief.premise or label).split())
        return line if len(line) <= TITLE_CHARACTERS else f"{line[: TITLE_CHARACTERS - 1].rstrip()}…"


def _partial(snapshot: Snapshot) -> Story:
    outputs = snapshot.outputs
    outline = next((value for value in outputs.values() if isinstance(value, Outline)), None)
    drafts = [value for value in outputs.values() if isinstance(value, Draft)]
    chapters = drafts[-1].chapters if drafts else _written(snapshot.stages.values(), outline)
    title = outline.title if outline else ""
    seed = snapshot.request.brief.seed if isinstance(snapshot.request, Order) else 0
    return Story(
        title=title,
        text=render(title, chapters),
        words=sum(count_words(chapter.text) for chapter in chapters),
        outline=outline,
        chapters=chapters,
        reviews=tuple(value for value in outputs.values() if isinstance(value, Review)),
        model="",
        seed=seed,
        timings=tuple(Timing(view.name, view.elapsed) for view in snapshot.stages.values() if view.finished),
    )


def _written(stages: Any, outline: Outline | None) -> tuple[Chapter, ...]:
    """Return the chapters as the log has them, the last one perhaps in the middle of a sentence."""
    titles = {plan.number: plan.title for plan in outline.chapters} if outline else {}
    return tuple(_chapter_so_far(view, titles) for view in stages if view.name.startswith("write-"))


def _chapter_so_far(view: StageView, titles: dict[int, str]) -> Chapter:
    if isinstance(view.output, Chapter):
        return view.output
    number = int(view.name.removeprefix("write-"))
    return Chapter(number, titles.get(number, ""), view.text)


def order_to_message(order: Order) -> pb.StoryRequest:
    """Return an order as the request that the log shows: defaults filled in, the source a reference."""
    brief = order.brief
    message = pb.StoryRequest(
        premise=brief.premise,
        title=brief.title,
        genre=brief.genre,
        tone=brief.tone,
        audience=brief.audience,
        language=brief.language,
        characters=[_character(person) for person in brief.characters],
        words=brief.words,
        instructions=brief.instructions,
        seed=brief.seed,
        revisions=brief.revisions,
    )
    if brief.chapters:
        message.chapters = brief.chapters
    if brief.sampling.temperature is not None:
        message.sampling.temperature = brief.sampling.temperature
    if brief.sampling.top_p is not None:
        message.sampling.top_p = brief.sampling.top_p
    if order.source is not None:
        message.source.CopyFrom(_source_to_message(order.source))
    return message


def _source_to_message(source: SourceRef) -> pb.Source:
    blob = generation_pb2.Blob(
        name=source.blob, size_bytes=source.size_bytes, media_type=SOURCE_TYPE, sha256=source.sha256
    )
    return pb.Source(name=source.label, stored=blob)


def order_from_message(message: pb.StoryRequest) -> Order:
    """Return the order in a request of the log."""
    source = None
    if message.HasField("source"):
        stored = message.source.stored
        source = SourceRef(message.source.name, stored.name, stored.size_bytes, stored.sha256)
    return Order(brief_from_message(message, seed=message.seed), source)


def brief_from_message(message: pb.StoryRequest, *, seed: int) -> Brief:
    """Return the brief of a request, with the defaults that the contract promises.

    Args:
        message: The request, already validated.
        seed: Used if the request names none.
    """
    default = Brief()
    chapters = message.chapters if message.HasField("chapters") else 0
    wished = message.sampling
    return Brief(
        premise=_plain(message.premise),
        title=_line(message.title),
        genre=_line(message.genre),
        tone=_line(message.tone),
        audience=_line(message.audience),
        language=message.language or default.language,
        characters=tuple(map(_asked, message.characters)),
        words=message.words if message.HasField("words") else (chapters * 500 or default.words),
        chapters=chapters,
        instructions=_plain(message.instructions),
        seed=message.seed if message.HasField("seed") else seed,
        revisions=message.revisions if message.HasField("revisions") else default.revisions,
        sampling=Sampling(
            wished.temperature if wished.HasField("temperature") else None,
            wished.top_p if wished.HasField("top_p") else None,
        ),
    )


def _plain(text: str) -> str:
    """Return a text without control characters: it comes back in the story, and on people's terminals."""
    return "".join(one for one in text if one in "\n\t" or category(one) != "Cc").strip()


def _line(text: str) -> str:
    return " ".join(_plain(text).split())


def _asked(person: pb.Character) -> Character:
    """Return a person of a request. Of a character of the library, its looks and history are the library's to tell."""
    told = ("", "") if person.id else (_plain(person.looks), _plain(person.history))
    return Character(_line(person.name), _plain(person.description), person.id, *told)


def _character(person: Character) -> pb.Character:
    return pb.Character(
        name=person.name,
        description=person.description,
        id=person.id,
        looks=person.looks,
        history=person.history,
    )


def _character_from(message: pb.Character) -> Character:
    return Character(message.name, message.description, message.id, message.looks, message.history)


def _chapter(chapter: Chapter) -> pb.Chapter:
    return pb.Chapter(number=chapter.number, title=chapter.title, text=chapter.text)


def _chapters_from(messages: Sequence[pb.Chapter]) -> tuple[Chapter, ...]:
    return tuple(Chapter(message.number, message.title, message.text) for message in messages)


def _outline_to_message(outline: Outline) -> pb.Outline:
    return pb.Outline(
        title=outline.title,
        logline=outline.logline,
        genre=outline.genre,
        setting=outline.setting,
        cast=[_character(person) for person in outline.cast],
        chapters=[
            pb.ChapterPlan(
                number=plan.number, title=plan.title, summary=plan.summary, words=plan.words, mentions=plan.mentions
            )
            for plan in outline.chapters
        ],
        theme=outline.theme,
    )


def _outline_from_message(message: pb.Outline) -> Outline:
    return Outline(
        title=message.title,
        logline=message.logline,
        genre=message.genre,
        setting=message.setting,
        cast=tuple(map(_character_from, message.cast)),
        chapters=tuple(
            ChapterPlan(plan.number, plan.title, plan.summary, plan.words, tuple(plan.mentions))
            for plan in message.chapters
        ),
        theme=message.theme,
    )


def _review_to_message(review: Review) -> pb.Review:
    findings = [pb.Finding(check=one.check, reason=one.reason, chapter=one.chapter) for one in review.findings]
    return pb.Review(accepted=review.accepted, findings=findings)


def _review_from_message(message: pb.Review) -> Review:
    findings = tuple(Finding(one.check, one.reason, one.chapter) for one in message.findings)
    return Review(message.accepted, findings)


def _story_to_message(story: Story) -> pb.Story:
    return pb.Story(
        title=story.title,
        text=story.text,
        word_count=story.words,
        outline=_outline_to_message(story.outline) if story.outline else None,
        chapters=[_chapter(chapter) for chapter in story.chapters],
        reviews=[_review_to_message(review) for review in story.reviews],
        model=story.model,
        seed=story.seed,
        timings=[_timing(timing) for timing in story.timings],
    )


def _story_from_message(message: pb.Story) -> Story:
    return Story(
        title=message.title,
        text=message.text,
        words=message.word_count,
        outline=_outline_from_message(message.outline) if message.HasField("outline") else None,
        chapters=_chapters_from(message.chapters),
        reviews=tuple(_review_from_message(review) for review in message.reviews),
        model=message.model,
        seed=message.seed,
        timings=tuple(Timing(one.stage, one.elapsed.ToMicroseconds() / 1e6) for one in message.timings),
    )


def _timing(timing: Timing) -> pb.StageTiming:
    message = pb.StageTiming(stage=timing.stage)
    message.elapsed.FromMicroseconds(round(timing.seconds * 1e6))
    return message
