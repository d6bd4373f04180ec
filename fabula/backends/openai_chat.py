"""A chat behind an OpenAI-compatible endpoint: asked until there is an answer, or a reason to give up.

What the adapters for text and for pictures have in common.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

import structlog

from fabula.backends.json_answer import check_answer, check_schema
from fabula.backends.openai_endpoint import AttemptFailed, Endpoint
from fabula.backends.openai_protocol import Chunk, Dialect, Question
from fabula.backends.text_pieces import StopCutter
from fabula.backends.text_settings import OpenAISettings
from fabula.errors import ModelCrashed, ModelOutputInvalid, ModelUnavailable

_log = structlog.get_logger(__name__)

_FENCED = re.compile(r"\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*", re.DOTALL)


class OpenAIChat:
    """A chat model behind an endpoint. What fails before the first piece is tried again; what fails after it, never."""

    def __init__(self, settings: OpenAISettings) -> None:
        self._settings = settings
        self._endpoint = Endpoint(settings)
        self._dialect = Dialect()

    @property
    def name(self) -> str:
        """The model's name at the endpoint."""
        return self._settings.model

    async def _answer(self, question: Question) -> AsyncGenerator[str, None]:
        """Yield the answer piece by piece; errors as of `TextModel.stream`.

        Where the endpoint cannot hold an answer to a schema, the schema is asked for in words, and the answer comes in
        one piece after it was checked.
        """
        if question.schema is not None:
            check_schema(question.schema)
        answer = _Answer(question)
        async with aclosing(self._pieces(question)) as pieces:
            async for piece in pieces:
                if text := answer.push(piece):
                    yield text
                if answer.is_stopped:
                    break
        if text := answer.finish():
            yield text
        answer.check()

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        await self._endpoint.close()

    async def _pieces(self, question: Question) -> AsyncGenerator[_Piece, None]:
        """Ask until there is an answer, or a reason to give up."""
        dialect, attempt, has_begun, is_over = self._dialect, 0, False, False
        while not is_over:
            try:
                async with aclosing(self._endpoint.ask(question, dialect)) as chunks:
                    async for chunk in chunks:
                        self._dialect = dialect  # it was understood
                        has_begun = has_begun or bool(chunk.text)
                        yield _Piece(chunk, dialect.json_schema)
                is_over = True
            except AttemptFailed as failed:
                if has_begun:
                    raise ModelCrashed(self._message(failed.reason, "in the middle of its answer")) from failed
                simpler = dialect.after_refusal(question, failed.reason) if failed.status in {400, 422} else None
                if simpler is None:
                    await self._wait(failed, attempt)
                    attempt += 1
                else:
                    _log.info("model_endpoint_asked_more_simply", model=self.name, reason=failed.reason)
                    dialect = simpler

    async def _wait(self, failed: AttemptFailed, attempt: int) -> None:
        """Wait before the next attempt.

        Raises:
            ModelUnavailable: there should be none.
        """
        settings = self._settings
        if not failed.again:
            raise ModelUnavailable(self._message(failed.reason)) from failed
        if attempt >= settings.retries:
            raise ModelUnavailable(self._message(failed.reason, f"at {attempt + 1} attempts")) from failed
        longest = min(settings.longest_wait_seconds, settings.backoff_seconds * 2**attempt)
        # Full jitter: those who were refused together do not come back together.
        wait = max(random.uniform(0, longest), failed.retry_after_seconds or 0.0)
        if wait > settings.longest_wait_seconds:
            raise ModelUnavailable(self._message(failed.reason, f"and asks to wait {wait:.0f} s")) from failed
        _log.warning("model_endpoint_retry", model=self.name, reason=failed.reason, wait_seconds=wait)
        await asyncio.sleep(wait)

    def _message(self, reason: str, when: str = "") -> str:
        """Return what users are told. Where the endpoint is, is for operators: it may be an address inside."""
        _log.warning("model_endpoint_failed", model=self.name, endpoint=self._settings.base_url, reason=reason)
        return f"The endpoint of {self.name} {reason} {when}".rstrip() + "."


@dataclass(frozen=True, slots=True)
class _Piece:
    """A chunk, and whether the endpoint holds the answer to the schema."""

    chunk: Chunk
    is_enforced: bool


class _Answer:
    """Puts an answer together: cuts it at stop strings, and holds it back where it must be checked first."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._cutter = StopCutter(question.sampling.stop)
        self._text = ""
        self._reason: str | None = None
        self._is_held = False

    @property
    def is_stopped(self) -> bool:
        """Whether a stop string has come."""
        return self._cutter.stopped

    def push(self, piece: _Piece) -> str:
        """Return what may be shown now."""
        self._is_held = self._question.schema is not None and not piece.is_enforced
        self._reason = piece.chunk.finish or self._reason
        return self._add(self._cutter.push(piece.chunk.text))

    def finish(self) -> str:
        """Return what was held back, when no more comes; what must be checked first is."""
        text = self._add(self._cutter.finish())
        if not self._is_held:
            return text
        self._text = _unfenced(self._text)
        self.check()
        return self._text

    def check(self) -> None:
        """Raise `ModelOutputInvalid` if this is not what was asked for."""
        if self._reason == "content_filter":
            raise ModelOutputInvalid("The endpoint broke the answer off by its content filter.")
        if self._question.schema is not None:
            whole = self._question.prefix + self._text
            check_answer(whole, self._question.schema, cut_short=self._reason == "length")

    def _add(self, text: str) -> str:
        self._text += text
        return "" if self._is_held else text


def _unfenced(answer: str) -> str:
    """Take JSON out of the Markdown fence that models like to put around it."""
    fenced = _FENCED.fullmatch(answer)
    return fenced[1] if fenced else answer.strip()
