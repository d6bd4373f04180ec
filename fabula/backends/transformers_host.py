"""A model of the `transformers` library in a model host, which answers in text.

What the adapters for text and for pictures have in common. The parent's side; it must not import torch or transformers.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import ClassVar

from fabula.backends.host import Host, HostSettings, HostSpec, HostState
from fabula.backends.json_answer import check_answer, check_schema
from fabula.backends.text_request import LanguageModelConfig, TextRequest
from fabula.backends.text_settings import TransformersSettings


class TransformersHost:
    """A model in a child process. It is loaded at the first answer, or by `warm`.

    Args:
        settings: Which model, and how it is treated.
    """

    FACTORY: ClassVar[str]
    """What loads the model in the child: "module:function"."""

    def __init__(self, settings: TransformersSettings) -> None:
        self._name = _name(settings)
        self._host = Host(
            HostSpec(self._name, self.FACTORY, _config(settings).to_json()),
            HostSettings(settings.cancel_bound_seconds, settings.idle_unload_seconds),
        )

    @property
    def name(self) -> str:
        """The folder's name, or the hub's id with its revision."""
        return self._name

    @property
    def state(self) -> HostState:
        """What the model's process is doing."""
        return self._host.state

    async def warm(self) -> None:
        """Load the model now; errors as of `stream`."""
        await self._host.warm()

    async def _answer(self, request: TextRequest, picture: bytes = b"") -> AsyncGenerator[str, None]:
        """Yield the answer piece by piece; errors as of `TextModel.stream`.

        Args:
            request: What is wanted.
            picture: An encoded picture that the request is about, for models that look.
        """
        if request.schema is not None:
            check_schema(request.schema)
        answer, finish = request.prefix, "length"
        async with aclosing(self._host.run(request.to_json(), picture)) as items:
            async for item in items:
                finish = item.data.get("finish", finish)
                if piece := item.data.get("text", ""):
                    answer += piece
                    yield piece
        if request.schema is not None:
            check_answer(answer, request.schema, cut_short=finish == "length")

    async def close(self) -> None:
        """End the model's process. Idempotent."""
        await self._host.close()


def _config(settings: TransformersSettings) -> LanguageModelConfig:
    source = str(Path(settings.source).expanduser().resolve()) if settings.is_folder else settings.source
    return LanguageModelConfig(
        source=source,
        is_folder=settings.is_folder,
        revision=settings.revision,
        device=settings.device,
        dtype=settings.dtype,
        allow_download=settings.allow_download,
        setting=settings.setting,
    )


def _name(settings: TransformersSettings) -> str:
    if settings.is_folder:
        return Path(settings.source).expanduser().resolve().name
    return f"{settings.source}@{settings.revision}" if settings.revision else settings.source
