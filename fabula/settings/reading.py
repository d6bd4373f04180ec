"""Reading the settings of one process, with all problems told together."""

from __future__ import annotations

import sys
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from fabula.errors import InvalidRequest
from fabula.settings.base import Settings
from fabula.settings.values import PREFIX

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
