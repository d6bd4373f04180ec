"""`VisionModel` behind an OpenAI-compatible endpoint that takes pictures: vLLM, Ollama, llama.cpp, many services.

The picture goes along in the request, as a data URL: endpoints need not reach anything, and no address can be smuggled
into a request.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from fabula.backends.openai_chat import OpenAIChat
from fabula.backends.openai_protocol import Question
from fabula.backends.text import JsonSchema, Message, Sampling
from fabula.backends.vision_picture import data_url


class OpenAIVision(OpenAIChat):
    """A chat model behind an endpoint that looks at pictures. When it is asked again is as `OpenAIText` does."""

    async def stream(
        self,
        picture: bytes,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        schema: JsonSchema | None = None,
    ) -> AsyncGenerator[str, None]:
        """Yield the answer piece by piece, as `VisionModel.stream` says; schemas as of `OpenAIText`."""
        url = await asyncio.to_thread(data_url, picture)
        question = Question(tuple(messages), sampling, schema, picture=url)
        async with aclosing(self._answer(question)) as pieces:
            async for piece in pieces:
                yield piece
