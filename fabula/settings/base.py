"""What every process is told, and how a class of settings reads the environment."""

from __future__ import annotations

from typing import Literal

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from fabula.settings.values import PREFIX


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


def _plain(value: object) -> str | None:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple):
        return ",".join(value)
    return None if value is None else str(value)
