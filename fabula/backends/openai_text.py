"""`TextModel` behind an OpenAI-compatible endpoint: vLLM, Ollama, llama.cpp, and many services."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from fabula.backends.openai_chat import OpenAIChat
from fabula.backends.openai_protocol import Question
from fabula.backends.text import JsonSchema, Message, Sampling
from fabula.errors import InvalidRequest


class OpenAIText(OpenAIChat):
    """A chat model behind an endpoint. What fails before the first piece is tried again; what fails after it, never."""

    @property
    def continues(self) -> bool:
        """As configured; the protocol has no way to ask."""
        return self._settings.continues

    async def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        schema: JsonSchema | None = None,
        prefix: str = "",
    ) -> AsyncGenerator[str, None]:
        """Yield the answer piece by piece, as `TextModel.stream` says.

        Where the endpoint cannot hold an answer to a schema, the schema is asked for in words, and the answer comes in
        one piece after it was checked.

        Raises:
            InvalidRequest: the text does not fit into the model's window, or a prefix is given that it cannot continue.
        """
        if prefix and not self.continues:
            raise InvalidRequest(f"{self.name} cannot go on in the middle of an answer; ask for the whole again.")
        question = Question(tuple(messages), sampling, schema, prefix)
        async with aclosing(self._answer(question)) as pieces:
            async for piece in pieces:
                yield piece
