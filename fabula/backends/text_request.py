"""What the `transformers` adapters ask of their children, and how it lies in JSON. Pure, and known to both sides."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from fabula.backends.host import JsonObject
from fabula.backends.text import JsonSchema, Message, Sampling

Finish = Literal["stop", "length"]


@dataclass(frozen=True, slots=True)
class TextRequest:
    """One answer that is wanted; the fields are those of `TextModel.stream`."""

    messages: tuple[Message, ...]
    sampling: Sampling
    schema: JsonSchema | None
    prefix: str

    def to_json(self) -> JsonObject:
        """Return it as JSON."""
        return {
            "messages": [asdict(message) for message in self.messages],
            "sampling": asdict(self.sampling),
            "schema": None if self.schema is None else dict(self.schema),
            "prefix": self.prefix,
        }

    @classmethod
    def from_json(cls, request: JsonObject) -> TextRequest:
        """Read what `to_json` wrote."""
        sampling: dict[str, Any] = request["sampling"]
        return cls(
            messages=tuple(Message(**message) for message in request["messages"]),
            sampling=Sampling(**{**sampling, "stop": tuple(sampling["stop"])}),
            schema=request["schema"],
            prefix=request["prefix"],
        )


@dataclass(frozen=True, slots=True)
class LanguageModelConfig:
    """Which model the child loads, and how.

    Attributes:
        source: A local folder, or a model's id on the hub.
        is_folder: Whether `source` is a folder.
        revision: Commit, tag or branch; hub models only.
        device: "auto", "cpu", "mps", "cuda" or "cuda:N".
        dtype: "auto", "float32", "float16" or "bfloat16".
        allow_download: Whether a model that is not on this machine may be fetched from the hub.
        setting: The setting that named it, for messages.
    """

    source: str
    is_folder: bool
    revision: str | None
    device: str
    dtype: str
    allow_download: bool
    setting: str

    def to_json(self) -> JsonObject:
        """Return it as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, config: JsonObject) -> LanguageModelConfig:
        """Read what `to_json` wrote."""
        return cls(**config)
