"""The port through which services reach a model that looks at pictures.

It must not know which model answers, nor import one: adapters do (`transformers_vision`, `openai_vision`). The bundled
looker (`looker`) is no such model: it measures, and answers no questions.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from fabula.backends.text import JsonSchema, Message, Sampling


class VisionModel(Protocol):
    """A chat model that looks at a picture and streams what it says about it."""

    @property
    def name(self) -> str:
        """What results say about who looked: the model's id, with its revision where one is pinned."""
        ...

    def stream(
        self,
        picture: bytes,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        schema: JsonSchema | None = None,
    ) -> AsyncGenerator[str, None]:
        """Yield the answer piece by piece, as the model produces it.

        Closing the generator, or cancelling the task that reads it, stops the model at its next token. Answers about
        pictures are short: none is continued after an interruption, it is asked for again.

        Args:
            picture: An encoded picture (PNG, JPEG, WebP or GIF) that is sound. The user's first turn is about it.
            messages: The conversation so far; the last turn is the user's.
            sampling: Limits and randomness.
            schema: JSON Schema that the answer must satisfy (constrained decoding).

        Raises:
            InvalidRequest: picture and text are too long for the model, the picture cannot be read, or the schema
                cannot be enforced; do not try again.
            ModelUnavailable: missing, misconfigured, blind, or not reachable after the adapter's retries.
            ModelOutOfMemory: out of memory; the model was unloaded and the next call loads it afresh.
            ModelCrashed: the model's process died in the middle of the answer.
            ModelOutputInvalid: the answer ended before it satisfied `schema`.
        """
        ...

    async def close(self) -> None:
        """Release the model and everything it holds. Idempotent."""
        ...
