"""`TextModel` on this machine: a causal language model of the `transformers` library, in a model host.

The parent's side; it must not import torch or transformers.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from fabula.backends.text import JsonSchema, Message, Sampling
from fabula.backends.text_request import TextRequest
from fabula.backends.transformers_host import TransformersHost


class TransformersText(TransformersHost):
    """A causal language model in a child process. It is loaded at the first answer, or by `warm`.

    The same seed gives the same text on the same machine. A continued answer draws what it would have drawn without
    the interruption, so as a rule it is the same text too; it may differ where the prefix reads back as other tokens
    than the model wrote, or where two tokens are almost equally likely and rounding decides.
    """

    FACTORY = "fabula.backends.transformers_child:load"

    @property
    def continues(self) -> bool:
        """Always: a local model can go on anywhere."""
        return True

    async def stream(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        schema: JsonSchema | None = None,
        prefix: str = "",
    ) -> AsyncGenerator[str, None]:
        """Yield the answer piece by piece; see `TextModel.stream`.

        Raises:
            InvalidRequest: text and answer do not fit into the model's window, or the schema cannot be enforced.
        """
        request = TextRequest(tuple(messages), sampling, schema, prefix)
        async with aclosing(self._answer(request)) as pieces:
            async for piece in pieces:
                yield piece
