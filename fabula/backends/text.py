"""The port through which services reach a language model.

It must not know which model answers, nor import one: adapters do (`transformers_text`, `openai_text`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

JsonSchema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen, and where to stop.

    Attributes:
        max_tokens: Upper bound of the answer's length, in tokens.
        temperature: 0 takes the most likely token; 1 samples from the model's own distribution.
        top_p: Nucleus: sample from the smallest set of tokens with this probability mass, in (0, 1].
        seed: The same seed, model and messages give the same answer where the backend can promise it;
            absent means a different answer each time.
        stop: The answer ends before the first of these strings.
    """

    max_tokens: int = 1024
    temperature: float = 0.8
    top_p: float = 0.95
    seed: int | None = None
    stop: tuple[str, ...] = ()


class TextModel(Protocol):
    """A chat model that streams its answer."""

    @property
    def name(self) -> str:
        """What results say about who wrote them: the model's id, with its revision where one is pinned."""
        ...

    @property
    def continues(self) -> bool:
        """Whether `prefix` is honoured: the model can go on in the middle of its own answer."""
        ...

    def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        schema: JsonSchema | None = None,
        prefix: str = "",
    ) -> AsyncGenerator[str, None]:
        """Yield the answer piece by piece, as the model produces it.

        Closing the generator, or cancelling the task that reads it, stops the model at its next token.

        Args:
            messages: The conversation so far; the last turn is the user's.
            sampling: Limits and randomness.
            schema: JSON Schema that the whole answer must satisfy (constrained decoding).
            prefix: What the answer already says; only what follows is yielded. Needs `continues`. Its tokens count
                towards `max_tokens` where the adapter can count them.

        Raises:
            InvalidRequest: the text is too long for the model, or the schema cannot be enforced; do not try again.
            ModelUnavailable: missing, misconfigured or not reachable after the adapter's retries.
            ModelOutOfMemory: out of memory; the model was unloaded and the next call loads it afresh.
            ModelCrashed: the model's process died in the middle of the answer.
            ModelOutputInvalid: the answer ended before it satisfied `schema`.
        """
        ...

    async def close(self) -> None:
        """Release the model and everything it holds. Idempotent."""
        ...
