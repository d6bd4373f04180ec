"""`TextModel` on this machine: a causal language model of the `transformers` library, in a model host.

The parent's side; it must not import torch or transformers.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path

from fabula.backends.host import Host, HostSettings, HostSpec, HostState
from fabula.backends.json_answer import check_answer, check_schema
from fabula.backends.text import JsonSchema, Message, Sampling
from fabula.backends.text_request import CausalModelConfig, TextRequest
from fabula.backends.text_settings import TransformersSettings

_FACTORY = "fabula.backends.transformers_child:load"


class TransformersText:
    """A causal language model in a child process. It is loaded at the first answer, or by `warm`.

    The same seed gives the same text on the same machine. A continued answer draws what it would have drawn without
    the interruption, so as a rule it is the same text too; it may differ where the prefix reads back as other tokens
    than the model wrote, or where two tokens are almost equally likely and rounding decides.
    """

    def __init__(self, settings: TransformersSettings) -> None:
        self._name = _name(settings)
        self._host = Host(
            HostSpec(self._name, _FACTORY, _config(settings).to_json()),
            HostSettings(settings.cancel_bound_seconds, settings.idle_unload_seconds),
        )

    @property
    def name(self) -> str:
        """The folder's name, or the hub's id with its revision."""
        return self._name

    @property
    def continues(self) -> bool:
        """Always: a local model can go on anywhere."""
        return True

    @property
    def state(self) -> HostState:
        """What the model's process is doing."""
        return self._host.state

    async def warm(self) -> None:
        """Load the model now; errors as of `stream`."""
        await self._host.warm()

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
        if schema is not None:
            check_schema(schema)
        request = TextRequest(tuple(messages), sampling, schema, prefix)
        answer, finish = prefix, "length"
        async with aclosing(self._host.run(request.to_json())) as items:
            async for item in items:
                finish = item.data.get("finish", finish)
                if piece := item.data.get("text", ""):
                    answer += piece
                    yield piece
        if schema is not None:
            check_answer(answer, schema, cut_short=finish == "length")

    async def close(self) -> None:
        """End the model's process. Idempotent."""
        await self._host.close()


def _config(settings: TransformersSettings) -> CausalModelConfig:
    source = str(Path(settings.source).expanduser().resolve()) if settings.is_folder else settings.source
    return CausalModelConfig(
        source=source,
        is_folder=settings.is_folder,
        revision=settings.revision,
        device=settings.device,
        dtype=settings.dtype,
        allow_download=settings.allow_download,
    )


def _name(settings: TransformersSettings) -> str:
    if settings.is_folder:
        return Path(settings.source).expanduser().resolve().name
    return f"{settings.source}@{settings.revision}" if settings.revision else settings.source
