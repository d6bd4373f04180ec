"""`VisionModel` on this machine: an image-text-to-text model of the `transformers` library, in a model host.

The parent's side; it must not import torch or transformers.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from fabula.backends.text import JsonSchema, Message, Sampling
from fabula.backends.text_request import TextRequest
from fabula.backends.transformers_host import TransformersHost


class TransformersVision(TransformersHost):
    """A model in a child process that looks at pictures. It is loaded at the first answer, or by `warm`."""

    FACTORY = "fabula.backends.transformers_vision_child:load"

    async def stream(
        self,
        picture: bytes,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        schema: JsonSchema | None = None,
    ) -> AsyncGenerator[str, None]:
        """Yield the answer piece by piece; see `VisionModel.stream`.

        The same seed gives the same text on the same machine.
        """
        request = TextRequest(tuple(messages), sampling, schema, prefix="")
        async with aclosing(self._answer(request, picture)) as pieces:
            async for piece in pieces:
                yield piece
