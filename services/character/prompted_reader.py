"""Reads a picture by a model that looks at it: prompts in, findings out. Implements `reader.PictureReader`."""

from __future__ import annotations

import json
from contextlib import aclosing
from dataclasses import replace

import structlog

from fabula.backends.text import JsonSchema, Message, Sampling
from fabula.backends.vision import VisionModel
from fabula.errors import ModelOutputInvalid
from services.character.domain import Looks
from services.character.prompt_files import rendered
from services.character.reader import Analysis

TRIES = 3
"""An answer that cannot be used is asked for again, with the reason, until there were so many in all."""

ANALYSIS_TOKENS = 1000
LOOKS_TOKENS = 500
"""Room for the answers; one that does not fit is of no use, so there is plenty."""

HEADINGS = ("subject", "setting", "colours", "light", "composition", "manner")
"""What an analysis says something about, in this order; `prompts/picture_analysis.j2` explains them."""

_LONGEST_FINDING = 600
_LONGEST_STYLE = 200
_SHOWN_AGAIN = 2000  # of an answer that is to be mended, in characters
_TEMPERATURE = 0.2  # what is seen is no matter of taste

_log = structlog.get_logger(__name__)


class PromptedReader:
    """Reads pictures with a model.

    Args:
        model: The model; whoever has opened it closes it.
    """

    def __init__(self, model: VisionModel) -> None:
        self._model = model

    @property
    def name(self) -> str:
        """The model's name."""
        return self._model.name

    async def analyse(self, picture: bytes) -> Analysis:
        """Have the model say what it sees, under each of `HEADINGS`."""
        longest = dict.fromkeys(HEADINGS, _LONGEST_FINDING)
        found = await self._asked(picture, rendered("picture_analysis"), ANALYSIS_TOKENS, longest)
        facts = tuple((heading, found[heading]) for heading in HEADINGS)
        return Analysis(reader=self.name, text=" ".join(_sentence(text) for _, text in facts), facts=facts)

    async def extract(self, picture: bytes, analysis: Analysis) -> Looks:
        """Have the model put what it saw into words for a character."""
        longest = {"physical_description": _LONGEST_FINDING, "visual_style": _LONGEST_STYLE}
        found = await self._asked(picture, rendered("picture_looks", found=analysis.text), LOOKS_TOKENS, longest)
        return Looks(physical_description=_sentence(found["physical_description"]), visual_style=found["visual_style"])

    async def _asked(self, picture: bytes, prompt: str, tokens: int, longest: dict[str, int]) -> dict[str, str]:
        """Ask for texts by name until the model gives them, each not empty and on one line.

        Raises:
            ModelOutputInvalid: it does not, at the last try either.
        """
        messages = [Message("system", rendered("picture_system")), Message("user", prompt)]
        sampling = Sampling(max_tokens=tokens, temperature=_TEMPERATURE, seed=0)
        for number in range(1, TRIES + 1):
            answer = _Answer(longest)
            try:
                pieces = self._model.stream(picture, messages, sampling, schema=answer.schema)
                async with aclosing(pieces):
                    async for piece in pieces:
                        answer.text += piece
                return answer.read()
            except ModelOutputInvalid as error:
                if number == TRIES:
                    raise
                _log.info("answer_cannot_be_used", model=self.name, number=number, reason=error.message)
                messages = [*messages[:2], *_mending(answer.text, error.message)]
                sampling = replace(sampling, seed=number)
        raise AssertionError("the last try ends the loop")


class _Answer:
    """An answer as it comes: JSON with a text for each name.

    Args:
        longest: Each name, and how many characters its text may have.
    """

    def __init__(self, longest: dict[str, int]) -> None:
        self._longest = longest
        self.text = ""

    @property
    def schema(self) -> JsonSchema:
        """What the model is held to."""
        return {
            "type": "object",
            "properties": {
                name: {"type": "string", "minLength": 1, "maxLength": longest}
                for name, longest in self._longest.items()
            },
            "required": list(self._longest),
            "additionalProperties": False,
        }

    def read(self) -> dict[str, str]:
        """Return the texts; the adapter has checked the schema, which knows nothing of blanks.

        Raises:
            ModelOutputInvalid: one of them says nothing.
        """
        try:
            said: dict[str, str] = json.loads(self.text)
            texts = {name: " ".join(said[name].split()) for name in self._longest}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ModelOutputInvalid("The answer is not JSON of the form that was asked for.") from error
        empty = [name for name, text in texts.items() if not any(map(str.isalnum, text))]
        if empty:
            raise ModelOutputInvalid(f"The answer says nothing under {', '.join(empty)}.")
        return texts


def _mending(answer: str, reason: str) -> list[Message]:
    """Return the turns that show the model what was wrong; without an answer there is nothing to be mended."""
    if not answer.strip():
        return []
    return [Message("assistant", answer[:_SHOWN_AGAIN]), Message("user", rendered("picture_mend", reason=reason))]


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."
