"""Naming a language model: from `FABULA_TEXT_MODEL` and its siblings to typed settings. Pure; it reads no environment.

Models that look at pictures are named in the same form: `vision_settings`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, cast, get_args

from fabula.errors import InvalidRequest

DType = Literal["auto", "float32", "float16", "bfloat16"]

TEXT_SETTING = "FABULA_TEXT_MODEL"
_SYNTAX = "{} is transformers:/a/folder, transformers:ORG/MODEL@REVISION or openai:MODEL@http://HOST:PORT/v1"
_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True, slots=True)
class TransformersSettings:
    """A model that this machine runs.

    Attributes:
        source: A local folder, or a model's id on the hub.
        is_folder: Whether `source` is a folder.
        revision: Commit, tag or branch of a hub model.
        device: "auto", "cpu", "mps", "cuda" or "cuda:N".
        dtype: "auto": bfloat16 on cuda, float16 on mps, float32 on the processor.
        allow_download: Whether a hub model that is not on this machine may be fetched; needs a revision.
        cancel_bound_seconds: A model that has not obeyed a cancel after this time is killed.
        idle_unload_seconds: Unload after so long without work; None keeps the model.
        setting: The setting that named it, for messages.
    """

    source: str
    is_folder: bool
    revision: str | None = None
    device: str = "auto"
    dtype: DType = "auto"
    allow_download: bool = False
    cancel_bound_seconds: float = 2.0
    idle_unload_seconds: float | None = None
    setting: str = TEXT_SETTING


@dataclass(frozen=True, slots=True)
class OpenAISettings:
    """A model behind an OpenAI-compatible endpoint.

    Attributes:
        model: Its name there.
        base_url: The endpoint, usually ending in `/v1`.
        api_key: Sent as a bearer token; empty sends none. Never shown.
        continues: Whether the endpoint goes on in the middle of an answer when the last turn is the assistant's.
        connect_seconds: How long a connection may take.
        first_token_seconds: How long it may be silent before the first token: it reads the text, and may have to load.
        between_tokens_seconds: How long it may be silent after that.
        retries: How often a request is sent again that failed before its first token.
        backoff_seconds: Upper bound of the wait before the first of them; it doubles with each.
        longest_wait_seconds: Upper bound of any wait. A server that asks for more is not waited for.
        setting: The setting that named it, for messages.
    """

    model: str
    base_url: str
    api_key: str = field(default="", repr=False)
    continues: bool = False
    connect_seconds: float = 10.0
    first_token_seconds: float = 120.0
    between_tokens_seconds: float = 30.0
    retries: int = 4
    backoff_seconds: float = 1.0
    longest_wait_seconds: float = 60.0
    setting: str = TEXT_SETTING

    @property
    def key_setting(self) -> str:
        """The setting that holds the key."""
        return key_setting_of(self.setting)


TextModelSettings = TransformersSettings | OpenAISettings


def key_setting_of(setting: str) -> str:
    """Return the setting beside this one that holds the endpoint's key."""
    return f"{setting.removesuffix('_MODEL')}_API_KEY"


def parse_text_model(
    spec: str,
    *,
    device: str = "auto",
    dtype: str = "auto",
    api_key: str = "",
    allow_download: bool = False,
    continues: bool = False,
    setting: str = TEXT_SETTING,
) -> TextModelSettings | None:
    """Read what `FABULA_TEXT_MODEL` and its siblings say.

    Args:
        spec: `transformers:FOLDER`, `transformers:HUB_ID[@REVISION]` or `openai:MODEL@URL`; empty names no model.
            A folder begins with `/`, `.` or `~`.
        device: FABULA_DEVICE.
        dtype: FABULA_DTYPE.
        api_key: FABULA_TEXT_API_KEY.
        allow_download: FABULA_ALLOW_DOWNLOAD.
        continues: FABULA_TEXT_CONTINUES.
        setting: Where the spec comes from, if not from FABULA_TEXT_MODEL.

    Returns:
        Settings for `open_text_model`; None when no model is named.

    Raises:
        InvalidRequest: the spec or one of the values is not of the form described; the message says which.
    """
    kind, _, rest = spec.strip().partition(":")
    match kind, rest:
        case "", "":
            return None
        case "transformers", source if source:
            return _transformers(source, device, dtype, setting, allow_download=allow_download)
        case "openai", rest if rest:
            return _openai(rest, api_key, setting, continues=continues)
        case _:
            raise InvalidRequest(f"{_SYNTAX.format(setting)}; it is {spec!r}.")


def _transformers(source: str, device: str, dtype: str, setting: str, *, allow_download: bool) -> TransformersSettings:
    if not _DEVICE.fullmatch(device):
        raise InvalidRequest(f"FABULA_DEVICE is auto, cpu, mps, cuda or cuda:N; it is {device!r}.")
    if dtype not in get_args(DType):
        raise InvalidRequest(f"FABULA_DTYPE is one of {', '.join(get_args(DType))}; it is {dtype!r}.")
    checked = cast("DType", dtype)
    if source[0] in "/.~":  # only hub models have revisions, and a folder's name may well contain an @
        return TransformersSettings(source, is_folder=True, device=device, dtype=checked, setting=setting)
    name, _, revision = source.partition("@")
    if not _HUB_ID.fullmatch(name):
        raise InvalidRequest(f"{name!r} is neither a model's id on the hub nor a folder, which begins with / . or ~.")
    if allow_download and not revision:
        raise InvalidRequest(
            f"A model that may be downloaded needs its revision: transformers:{name}@REVISION, best a commit's hash."
        )
    return TransformersSettings(
        name,
        is_folder=False,
        revision=revision or None,
        device=device,
        dtype=checked,
        allow_download=allow_download,
        setting=setting,
    )


def _openai(rest: str, api_key: str, setting: str, *, continues: bool) -> OpenAISettings:
    # The model's own name may contain an @: the last one before a scheme divides them.
    model, _, address = rest.rpartition("@http")
    base_url = f"http{address}".rstrip("/")
    if not model or not re.match(r"https?://[^/?#\s]+", base_url):
        raise InvalidRequest(f"{_SYNTAX.format(setting)}; it is 'openai:{rest}'.")
    if "@" in base_url:
        raise InvalidRequest(f"A key does not belong into the address, which is shown; set {key_setting_of(setting)}.")
    return OpenAISettings(model=model, base_url=base_url, api_key=api_key, continues=continues, setting=setting)
