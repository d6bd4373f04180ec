"""The author with a language model: prompts in, stories out. Implements `services.story.author.Author`.

The prompts are the Jinja2 files in `prompts/`; they are rendered in a sandbox, with values and never with templates
from users.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

import structlog
from jinja2 import FunctionLoader, StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from fabula.backends.text import JsonSchema, Message, Sampling, TextModel
from fabula.errors import ModelOutputInvalid
from services.story.domain import Brief, Chapter, ChapterPlan, Character, Draft, Finding, Outline, Review

WORDS_PER_CHAPTER = 600
"""Length of a chapter where the user has not said how many there are to be."""

TOKENS_PER_WORD = 2.0
"""Room for a word in the limit of an answer: generous, since languages differ."""

OUTLINE_TOKENS = 1200
CHAPTER_PLAN_TOKENS = 350
"""Room for an outline, and for each chapter of it. An answer that does not fit is of no use, so there is plenty."""

JSON_TRIES = 2
"""An answer that cannot be used is asked for again so often in all, each time with another seed."""

SOURCE_CHARACTERS = 24_000
"""Of a longer source text, the beginning and the end are given to the model."""

HISTORY_CHARACTERS = 12_000
"""Of longer histories, the beginning and the end are given to the model: so much of all people together."""

LOOKS_CHARACTERS = 6_000
"""The same of how people look."""

DESCRIPTION_CHARACTERS = 12_000
"""The same of who people are."""

REVIEW_CHARACTERS = 32_000
"""Of a longer draft, the beginning and the end of each chapter are given to the model."""

PREVIOUS_CHARACTERS = 1_500
"""Of the chapter before, this much of the end is given to the model."""

PROMPTS = ("outline", "chapter", "review", "system")

_TAGS = re.compile(r"</?\s*(?:source|history|previous|chapter)\b[^>\n]{0,80}>", re.IGNORECASE)
"""What the prompts put around texts of others."""

_log = structlog.get_logger(__name__)


class PromptedAuthor:
    """Writes stories with a language model.

    Args:
        model: The model.
    """

    def __init__(self, model: TextModel) -> None:
        self._model = model

    @property
    def name(self) -> str:
        """The model's name."""
        return self._model.name

    @property
    def continues(self) -> bool:
        """Whether the model can go on in the middle of its answer."""
        return self._model.continues

    @property
    def cannot_mend(self) -> frozenset[str]:
        """Nothing: a model may do better the next time."""
        return frozenset()

    def load(self) -> None:
        """Read and compile the prompts."""
        for name in PROMPTS:
            _template(name)

    async def outline(self, brief: Brief) -> Outline:
        """Have the model plan the story."""
        count = brief.chapters or min(40, max(1, round(brief.words / WORDS_PER_CHAPTER)))
        messages = _conversation("the Planner", "outline", brief, chapters=count)
        limit = OUTLINE_TOKENS + CHAPTER_PLAN_TOKENS * count
        plan = await self._json(messages, _sampling(brief, limit, salt=0), _outline_schema(count))
        chapters = tuple(
            ChapterPlan(
                number=number,
                title=_line(chapter["title"]),
                summary=_line(chapter["summary"]),
                words=round(brief.words / count),
                mentions=tuple(name for name in map(_line, chapter["mentions"]) if name),
            )
            for number, chapter in enumerate(plan["chapters"], start=1)
        )
        return Outline(
            title=brief.title or _line(plan["title"]),
            logline=_line(plan["logline"]),
            genre=brief.genre or _line(plan["genre"]),
            setting=_line(plan["setting"]),
            cast=_cast(brief, plan["cast"]),
            chapters=chapters,
            theme=_line(plan["theme"]),
        )

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
        """Have the model write a chapter."""
        plan = outline.chapters[number - 1]
        previous = earlier[-1].text[-PREVIOUS_CHARACTERS:] if earlier else ""
        messages = _conversation(
            "the Writer", "chapter", brief, outline=outline, plan=plan, previous=previous, notes=notes
        )
        limit = round(plan.words * TOKENS_PER_WORD) + 200
        sampling = _sampling(brief, limit, salt=100 * attempt + number)
        async with aclosing(self._model.stream(messages, sampling, prefix=written)) as pieces:
            async for piece in pieces:
                yield piece

    async def review(self, brief: Brief, outline: Outline, draft: Draft) -> Review:
        """Ask the model for its opinion. A model that cannot put it into words has none."""
        share = REVIEW_CHARACTERS // max(1, len(draft.chapters))
        texts = {chapter.number: _shortened(chapter.text, share) for chapter in draft.chapters}
        messages = _conversation("the Critic", "review", brief, draft=draft, texts=texts)
        try:
            opinion = await self._json(messages, _sampling(brief, 600, salt=-1), _review_schema(len(outline.chapters)))
        except ModelOutputInvalid as error:
            _log.warning("critic_has_no_opinion", reason=error.message)
            return Review(accepted=True)
        findings = tuple(
            Finding("opinion", reason, finding["chapter"])
            for finding in opinion["findings"]
            if (reason := _line(finding["reason"]))
        )
        if opinion["accepted"] or not findings:  # who cannot say what is wrong has found nothing
            return Review(accepted=True)
        return Review(accepted=False, findings=findings)

    async def _json(self, messages: Sequence[Message], sampling: Sampling, schema: JsonSchema) -> Any:
        for number in range(1, JSON_TRIES + 1):
            try:
                return await self._json_once(messages, sampling, schema)
            except ModelOutputInvalid as error:
                if number == JSON_TRIES:
                    raise
                _log.info("answer_cannot_be_used", number=number, reason=error.message)
                sampling = replace(sampling, seed=((sampling.seed or 0) + 500_009) % 2**31)
        raise AssertionError("the last try ends the loop")

    async def _json_once(self, messages: Sequence[Message], sampling: Sampling, schema: JsonSchema) -> Any:
        async with aclosing(self._model.stream(messages, sampling, schema=schema)) as pieces:
            answer = "".join([piece async for piece in pieces])
        try:
            return json.loads(answer)
        except ValueError as error:
            raise ModelOutputInvalid(f"the model's answer is not JSON: {error}") from error


def _conversation(role: str, prompt: str, brief: Brief, **values: object) -> list[Message]:
    values |= {"source": _material(brief.source, SOURCE_CHARACTERS), "people": _people(brief)}
    return [
        Message("system", _template("system").render(role=role, brief=brief).strip()),
        Message("user", _template(prompt).render(brief=brief, **values).strip()),
    ]


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    folder = files("services.story") / "prompts"
    return ImmutableSandboxedEnvironment(
        loader=FunctionLoader(lambda name: (folder / name).read_text("utf-8")),
        undefined=StrictUndefined,
        autoescape=False,
    )


@cache
def _template(name: str) -> Template:
    return _environment().get_template(f"{name}.j2")


def _sampling(brief: Brief, max_tokens: int, *, salt: int) -> Sampling:
    """Return the sampling of one answer; each answer of a story has a seed of its own."""
    wished = brief.sampling
    default = Sampling()
    return Sampling(
        max_tokens=max_tokens,
        temperature=default.temperature if wished.temperature is None else wished.temperature,
        top_p=default.top_p if wished.top_p is None else wished.top_p,
        seed=(brief.seed * 1_000_003 + salt) % 2**31,
    )


def _shortened(text: str, characters: int) -> str:
    if len(text) <= characters:
        return text
    half = characters // 2
    return f"{text[:half]}\n[…]\n{text[-half:]}"


def _material(text: str, characters: int) -> str:
    """Return a text that stands between tags: shortened, and without any tag that would end it."""
    return _TAGS.sub("", _shortened(text, characters))


def _people(brief: Brief) -> tuple[Character, ...]:
    """Return the people asked for, with no more of each than there is room for."""
    count = max(1, len(brief.characters))
    return tuple(
        replace(
            person,
            description=_material(person.description, DESCRIPTION_CHARACTERS // count),
            looks=_line(_material(person.looks, LOOKS_CHARACTERS // count)),
            history=_material(person.history, HISTORY_CHARACTERS // count),
        )
        for person in brief.characters
    )


def _line(text: str) -> str:
    return " ".join(text.split())


def _cast(brief: Brief, planned: Sequence[Any]) -> tuple[Character, ...]:
    """Return the user's people first, then those that the plan adds."""
    named = {person.name.lower() for person in brief.characters}
    added = (Character(_line(person["name"]), _line(person["description"])) for person in planned)
    asked = (Character(person.name, person.description, person.id) for person in brief.characters)
    return (*asked, *(person for person in added if person.name and person.name.lower() not in named))


def _text(longest: int) -> JsonSchema:
    return {"type": "string", "minLength": 1, "maxLength": longest}


def _object(**properties: object) -> JsonSchema:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _list(items: JsonSchema, least: int, most: int) -> JsonSchema:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


def _outline_schema(chapters: int) -> JsonSchema:
    chapter = _object(title=_text(100), summary=_text(500), mentions=_list(_text(60), 0, 5))
    return _object(
        title=_text(120),
        logline=_text(400),
        genre=_text(60),
        setting=_text(200),
        theme=_text(200),
        cast=_list(_object(name=_text(80), description=_text(300)), 1, 8),
        chapters=_list(chapter, chapters, chapters),
    )


def _review_schema(chapters: int) -> JsonSchema:
    number = {"type": "integer", "minimum": 0, "maximum": chapters}
    return _object(accepted={"type": "boolean"}, findings=_list(_object(chapter=number, reason=_text(300)), 0, 6))
