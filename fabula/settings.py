"""What each process is told by its environment: typed, checked, read once at its start.

One frozen class per process, put together from parts that several share. Every field is set by the environment
variable of its name with the prefix `FABULA_`; command-line flags are handed to `load` and go first. An empty
variable counts as not set. `docs/settings.md` is written from these classes.

Nothing here knows what the values are used for, and no other module reads the environment.
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, ValidationInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from fabula.errors import InvalidRequest

PREFIX = "FABULA_"
SHORTEST_SECRET_BYTES = 32  # RFC 7518, section 3.2: a key for HS256 is at least as long as its hash


def is_loopback(host: str) -> bool:
    """Say whether only this machine can reach a server that binds `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _long_enough(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value().encode()) < SHORTEST_SECRET_BYTES:
        raise ValueError(f"is too short: at least {SHORTEST_SECRET_BYTES} bytes, e.g. from `openssl rand -hex 32`")
    return secret


def _backed_by_a_secret(auth: str | None, info: ValidationInfo) -> str | None:
    if auth == "required" and info.data.get("jwt_secret", "invalid, reported already") is None:
        raise ValueError(f"needs {PREFIX}JWT_SECRET: without a secret no token can be checked")
    return auth


def _open_only_on_purpose(host: str, info: ValidationInfo) -> str:
    if is_loopback(host) or "jwt_secret" not in info.data or "auth" not in info.data:
        return host
    if info.data["jwt_secret"] is None and info.data["auth"] != "off":
        raise ValueError(
            f"is an address that other machines can reach, and anybody there could use it: set {PREFIX}JWT_SECRET, "
            f"or say {PREFIX}AUTH=off, or bind 127.0.0.1"
        )
    return host


def _nats_address(url: str) -> str:
    for server in url.split(","):
        scheme, separator, rest = server.strip().partition("://")
        if not (separator and rest and scheme in {"nats", "tls", "ws", "wss"}):
            raise ValueError("is not a NATS address: nats://HOST:4222, or several of them with commas between")
    return url


def _odd_few(replicas: int) -> int:
    if replicas not in {1, 3, 5}:
        raise ValueError("should be 1, 3 or 5")
    return replicas


def _known_device(device: str) -> str:
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", device):
        raise ValueError("should be auto, cpu, mps, cuda or cuda:N")
    return device


def _split(text: object) -> object:
    return tuple(part.strip() for part in text.split(",") if part.strip()) if isinstance(text, str) else text


def _origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    for origin in origins:
        if not re.fullmatch(r"https?://[^/?#\s@]+", origin):
            raise ValueError(
                "should be origins as browsers name them, https://HOST or http://HOST:PORT, commas between"
            )
    return origins


def _home_of_data() -> Path:
    root = os.environ.get("XDG_DATA_HOME", "")  # the specification: relative paths are invalid and to be ignored
    return (Path(root) if Path(root).is_absolute() else Path.home() / ".local" / "share") / "fabula"


Port = Annotated[int, Field(ge=1, le=65535)]
BindHost = Annotated[str, AfterValidator(_open_only_on_purpose)]
NatsUrl = Annotated[str, AfterValidator(_nats_address)]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]


class Settings(BaseSettings):
    """What every process is told."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        frozen=True,
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
        # A later field may be judged by an earlier one, so the defaults take part.
        validate_default=True,
    )

    log_format: Literal["console", "json"] | None = None
    """How the log is written: `console` for people, `json` for programs. Not set: `console` where standard error is
    a terminal, else `json`."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important entry that is logged."""

    def as_environment(self) -> dict[str, str]:
        """Return the variables that give a child process the same settings, secrets included."""
        values = {name: _plain(getattr(self, name)) for name in type(self).model_fields}
        return {f"{PREFIX}{name.upper()}": value for name, value in values.items() if value is not None}


class AuthSettings(Settings):
    """Who may use a server. Part of every process that listens."""

    jwt_secret: Annotated[SecretStr, AfterValidator(_long_enough)] | None = None
    """Secret that signs the tokens (JWT, HS256), at least 32 bytes. Set: every call needs a valid token. Not set:
    everything belongs to one local user."""

    auth: Annotated[Literal["required", "off"] | None, AfterValidator(_backed_by_a_secret)] = None
    """`required`: refuse to start without `FABULA_JWT_SECRET`. `off`: without a secret, other addresses than
    loopback may be bound, and whoever reaches them is the local user. A secret that is set always counts."""

    drain_seconds: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = 5.0
    """How long a process that is asked to stop may take to end its streams and hand back its jobs, in seconds."""


class ConnectedSettings(Settings):
    """How the processes of one installation use the journal; the same in all of them."""

    nats_replicas: Annotated[int, AfterValidator(_odd_few)] = 1
    """Copies that the NATS cluster keeps of everything: 1 for a single server."""

    lease_seconds: Annotated[float, Field(ge=0.5, le=600)] = 2.0
    """A job whose worker gives no sign of life for so long is handed to another, in seconds."""


class JournalSettings(ConnectedSettings):
    """Where the journal is, for processes that do not bring their own."""

    nats_url: Annotated[NatsUrl, Field(repr=False)]  # a password may stand in it
    """Address of the NATS server, e.g. `nats://127.0.0.1:4222`; of a cluster several, with commas between."""


class StoryPortSettings(Settings):
    """Where the story server listens."""

    story_port: Port = 50051
    """Port of the story server."""


class StoryClientSettings(StoryPortSettings):
    """Where the story server is found."""

    # The story port is validated first: it belongs to the base class.
    story_address: Annotated[str, Field(min_length=1, default_factory=lambda data: f"127.0.0.1:{data['story_port']}")]
    """Where clients find the story server, `HOST:PORT`. Not set: `FABULA_STORY_PORT` on this machine."""


class StoryBindSettings(StoryPortSettings, AuthSettings):
    """Where and how the story server listens."""

    story_host: BindHost = "127.0.0.1"
    """Address that the story server binds. Other than loopback only with authentication, or `FABULA_AUTH=off`."""


class TextModelSettings(Settings):
    """Which model writes; without one the bundled author does."""

    text_model: str = ""
    """`transformers:FOLDER`, `transformers:HUB_ID@REVISION` or `openai:MODEL@URL`. Not set: the bundled author."""

    text_api_key: SecretStr | None = None
    """Key for an `openai` endpoint."""

    text_continues: bool = False
    """Whether the `openai` endpoint goes on in the middle of an answer when the last turn is the assistant's."""

    device: Annotated[str, AfterValidator(_known_device)] = "auto"
    """Where a model runs: `auto`, `cpu`, `mps`, `cuda` or `cuda:N`."""

    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    """Numbers a model computes with. `auto`: bfloat16 on cuda, float16 on mps, float32 on cpu."""

    allow_download: bool = False
    """Whether a hub model that is not on this machine may be downloaded."""

    grammar_words_per_second: Annotated[float, Field(ge=0, le=1_000_000)] = 12.0
    """Speed of the bundled author, in words per second, so that it can be watched. 0: as fast as it can."""


class WorkerOnlySettings(TextModelSettings, AuthSettings):
    """What only workers are told."""

    worker_slots: Annotated[int, Field(ge=1, le=256)] = 4
    """Generations that one worker runs at a time."""

    worker_host: BindHost = "127.0.0.1"
    """Address on which a worker answers health checks, where `FABULA_WORKER_PORT` is set."""

    worker_port: Port | None = None
    """Port on which a worker answers health checks. Not set: it does not listen at all."""


class HttpSettings(StoryClientSettings, AuthSettings):
    """What the gateway is told, apart from what every process is."""

    http_host: BindHost = "127.0.0.1"
    """Address that the gateway binds. Other than loopback only with authentication, or `FABULA_AUTH=off`."""

    http_port: Port = 8080
    """Port of the gateway: web page, REST, WebSocket and SSE."""

    allowed_origins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), AfterValidator(_origins)] = ()
    """Origins of other sites whose pages may use the gateway, e.g. `https://stories.example`, with commas between."""

    keepalive_seconds: Seconds = 20.0
    """How often a silent connection is given a sign of life, in seconds."""

    ws_message_bytes: Annotated[int, Field(ge=1024, le=16 * 1024 * 1024)] = 64 * 1024
    """Largest WebSocket message that is accepted from a browser, in bytes."""

    max_connections: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """WebSocket and SSE connections that one gateway holds at a time; more are told to try later."""

    max_watchers: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    """Watchers of one generation at one gateway; more are told to try later."""


class ServerSettings(JournalSettings, StoryBindSettings):
    """Settings of a story server."""


class WorkerSettings(JournalSettings, WorkerOnlySettings):
    """Settings of a story worker."""


class StorySettings(ServerSettings, WorkerSettings):
    """Settings of a story server and a worker in one process."""


class GatewaySettings(HttpSettings):
    """Settings of the gateway."""


class UpSettings(ConnectedSettings, WorkerOnlySettings, StoryBindSettings, HttpSettings):
    """Settings of `fabula up`: those of every process that it starts."""

    nats_url: Annotated[NatsUrl | None, Field(repr=False)] = None
    """Address of the NATS server. Not set: `fabula up` starts its own, for this machine only."""

    data_dir: Annotated[Path, AfterValidator(Path.expanduser), Field(default_factory=_home_of_data)]
    """Folder for what the private NATS server stores. Not set: `$XDG_DATA_HOME/fabula`, else
    `~/.local/share/fabula`."""


class ClientSettings(StoryClientSettings):
    """Settings of the commands that talk to a running system."""

    token: SecretStr | None = None
    """Token that says who is calling, where the servers ask for one."""


S = TypeVar("S", bound=Settings)


def load(cls: type[S], **overrides: object) -> S:
    """Read the settings of one process.

    Args:
        cls: The process's settings class.
        overrides: Fields that were given otherwise, e.g. as flags; they win. None means not given.

    Raises:
        InvalidRequest: one or several settings cannot be used. The message lists all of them, a line each, and never
            shows a value: it may be a secret in the wrong place.
    """
    given: dict[str, Any] = {name: value for name, value in overrides.items() if value is not None}
    try:
        return cls(**given)
    except ValidationError as error:
        problems = [
            (_variable(problem), _sentence(problem))
            for problem in error.errors()
            if problem["type"] != "default_factory_not_called"  # follows from a problem that is listed
        ]
    lines = [f"  {variable} {sentence}." for variable, sentence in problems]
    heading = "A setting cannot be used:" if len(lines) == 1 else f"{len(lines)} settings cannot be used:"
    raise InvalidRequest("\n".join([heading, *lines, "All settings: docs/settings.md"]), tuple(problems))


def load_or_exit(cls: type[S], **overrides: object) -> S:
    """Read the settings of one process, or end it with exit code 2 and the problems on standard error."""
    try:
        return load(cls, **overrides)
    except InvalidRequest as refusal:
        _exit(refusal)


def _exit(refusal: InvalidRequest) -> NoReturn:
    sys.stderr.write(f"{refusal.message}\n")
    raise SystemExit(2) from None


def _variable(problem: ErrorDetails) -> str:
    return f"{PREFIX}{str(problem['loc'][0]).upper()}"


def _sentence(problem: ErrorDetails) -> str:
    match problem["type"]:
        case "missing":
            return "is not set: name a NATS server, or start everything with `fabula up`, which brings its own"
        case "value_error":
            return problem["msg"].removeprefix("Value error, ")
        case _:
            message = problem["msg"].removeprefix("Input ")
            return f"{message[:1].lower()}{message[1:]}"


def _plain(value: object) -> str | None:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return ",".join(value)
    return None if value is None else str(value)
