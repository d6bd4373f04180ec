"""The maker with a language model: prompts in, characters out. Implements `services.character.maker.CharacterMaker`."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from functools import cache
from typing import Any

import structlog

from fabula.backends.text import JsonSchema, Message, Sampling, TextModel
from fabula.errors import ModelOutputInvalid
from services.character.bounds import HISTORY_WORDS, LONGEST, LONGEST_TRAIT, problems
from services.character.domain import MOST_YEARS, Details, Wish
from services.character.prompt_files import rendered, template
from services.character.texts import plain_line

DETAILS_TOKENS = 1200
"""Room for the details. An answer that does not fit is of no use, so there is plenty."""

HISTORY_TOKENS = 2 * HISTORY_WORDS + 200
"""Room for the history: generous, since languages differ."""

TRIES = 3
"""Details that cannot be used are asked for again so often in all, each time with what is wrong and another seed."""

ASKED_CHARACTERS = 600
"""The model may make no text longer than this, though more would be within bounds: it is asked for a few sentences."""

MAY_BE_EMPTY = frozenset({"last_name"})
"""What not everybody has."""

LEAST_TRAITS, MOST_TRAITS = 2, 6

PROMPTS = ("details", "history", "repair", "system")

_log = structlog.get_logger(__name__)


class PromptedMaker:
    """Makes characters up with a language model.

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

    def load(self) -> None:
        """Read and compile the prompts."""
        for name in PROMPTS:
            template(name)

    async def details(self, wish: Wish) -> Details:
        """Have the model decide who it is."""
        asked = _conversation("details", wish)
        messages, sampling = asked, _sampling(wish, DETAILS_TOKENS, salt=0)
        for number in range(1, TRIES + 1):
            try:
                answer = await self._answer(messages, sampling)
                return _details(answer)
            except _Unusable as error:
                wrong = error.problems
                mend = Message("user", rendered("repair", problems=wrong))
                messages = [*asked, Message("assistant", error.answer), mend]
            except ModelOutputInvalid as error:
                if number == TRIES:
                    raise
                wrong = [error.message]
            _log.info("details_cannot_be_used", number=number, problems=wrong)
            sampling = replace(sampling, seed=((sampling.seed or 0) + 500_009) % 2**31)
        raise ModelOutputInvalid(f"the model's answer cannot be used: {wrong[0]}")

    async def history(self, wish: Wish, details: Details, *, written: str = "") -> AsyncGenerator[str, None]:
        """Have the model tell the history."""
        messages = _conversation("history", wish, details=details, words=HISTORY_WORDS)
        sampling = _sampling(wish, HISTORY_TOKENS, salt=1)
        async with aclosing(self._model.stream(messages, sampling, prefix=written)) as pieces:
            async for piece in pieces:
                yield piece

    async def _answer(self, messages: Sequence[Message], sampling: Sampling) -> str:
        async with aclosing(self._model.stream(messages, sampling, schema=_schema())) as pieces:
            return "".join([piece async for piece in pieces])


class _Unusable(Exception):
    """An answer that the model has completed and that is of no use."""

    def __init__(self, answer: str, problems: Sequence[str]) -> None:
        super().__init__(*problems)
        self.answer = answer
        self.problems = problems


def _details(answer: str) -> Details:
    """Return what an answer says. Raises `_Unusable`."""
    try:
        found = json.loads(answer)
        texts: dict[str, Any] = {name: _line(found[name]) for name in LONGEST}
        traits = tuple(trait for trait in map(_line, found["traits"]) if trait)
        details = Details(**texts, age=_whole(found["age"]), traits=traits)
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise _Unusable(answer, ["it is not the JSON object that was asked for"]) from error
    if wrong := problems(details):
        raise _Unusable(answer, [problem for _, problem in wrong])
    return details


def _line(text: object) -> str:
    if not isinstance(text, str):
        raise TypeError("texts are strings")
    return plain_line(text)


def _whole(number: object) -> int:
    if isinstance(number, bool) or not isinstance(number, int | float) or number != int(number):
        raise TypeError("the age is a whole number")
    return int(number)


def _conversation(prompt: str, wish: Wish, **values: object) -> list[Message]:
    return [
        Message("system", rendered("system", wish=wish)),
        Message("user", rendered(prompt, wish=wish, **values)),
    ]


def _sampling(wish: Wish, max_tokens: int, *, salt: int) -> Sampling:
    """Return the sampling of one answer; each answer for a character has a seed of its own."""
    return Sampling(max_tokens=max_tokens, seed=(wish.seed * 1_000_003 + salt) % 2**31)


def _text(name: str) -> JsonSchema:
    return {
        "type": "string",
        "minLength": 0 if name in MAY_BE_EMPTY else 1,
        "maxLength": min(LONGEST[name], ASKED_CHARACTERS),
    }


@cache
def _schema() -> JsonSchema:
    """Return what an answer must be: the fields in the order in which they are decided."""
    trait = {"type": "string", "minLength": 1, "maxLength": LONGEST_TRAIT}
    properties: dict[str, object] = {name: _text(name) for name in LONGEST}
    properties["age"] = {"type": "integer", "minimum": 0, "maximum": MOST_YEARS}
    properties["traits"] = {"type": "array", "items": trait, "minItems": LEAST_TRAITS, "maxItems": MOST_TRAITS}
    ordered = {name: properties[name] for name in Details.__dataclass_fields__}
    return {"type": "object", "properties": ordered, "required": list(ordered), "additionalProperties": False}
