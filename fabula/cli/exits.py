"""What the command's exit codes mean, and how an error is told to a person."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import IntEnum

from fabula import errors
from fabula.errors import FabulaError


class Exit(IntEnum):
    """Exit codes. Documented in `docs/cli.md`."""

    SUCCESS = 0
    FAILED = 1
    """The generation failed; or something went wrong that is none of the below."""
    USAGE = 2
    """The command line, the request or a setting cannot be used as it is."""
    CANCELLED = 3
    """The generation was cancelled."""
    NOT_FOUND = 4
    """There is no such thing, or it belongs to somebody else."""
    UNAVAILABLE = 5
    """Something that is needed does not answer."""
    REFUSED = 6
    """The state does not allow it, or a limit was reached."""
    UNAUTHENTICATED = 7
    """No token, one that does not hold, or one that may not do this."""
    DETACHED = 130
    """Ctrl-C. A generation that was watched goes on."""


EXITS: dict[type[FabulaError], Exit] = {
    errors.FabulaError: Exit.FAILED,
    errors.InvalidRequest: Exit.USAGE,
    errors.Unauthenticated: Exit.UNAUTHENTICATED,
    errors.PermissionDenied: Exit.UNAUTHENTICATED,
    errors.NotFound: Exit.NOT_FOUND,
    errors.AlreadyExists: Exit.REFUSED,
    errors.Conflict: Exit.REFUSED,
    errors.Superseded: Exit.REFUSED,
    errors.ResourceExhausted: Exit.REFUSED,
    errors.Unavailable: Exit.UNAVAILABLE,
    errors.LogCorrupted: Exit.FAILED,
    errors.BackendFailed: Exit.FAILED,
    errors.ModelUnavailable: Exit.UNAVAILABLE,
    errors.ModelOutOfMemory: Exit.FAILED,
    errors.ModelCrashed: Exit.FAILED,
    errors.ModelOutputInvalid: Exit.FAILED,
}
"""The exit code of each error that ends a command. A test counts the rows."""


def exit_of(error: FabulaError) -> Exit:
    """Return the exit code of an error: its class's own, or its nearest ancestor's."""
    return next(EXITS[ancestor] for ancestor in type(error).__mro__ if ancestor in EXITS)


def lines_of(error: FabulaError) -> Iterator[str]:
    """Yield what a person is told: what is wrong, where, and what to do."""
    violations = error.violations if isinstance(error, errors.InvalidRequest) else ()
    if violations and error.message.startswith(violations[0][0]):
        # A server's answer: its message is the first of them, and counts the others.
        yield "Error: The request cannot be accepted:"
        for path, wrong in violations:
            yield f"  {_OF_A_REQUEST.sub('', path)}: {wrong}"
    else:
        yield f"Error: {_sentence(error.message)}"
    if advice := _ADVICE.get(type(error)):
        yield advice


_OF_A_REQUEST = re.compile(r"^[a-z]+\.")
"""What the command line leaves out of a field's path: all that is asked for stands in one field, named as the kind."""


def _sentence(message: str) -> str:
    """Return a message as a sentence begins; an address or a path at its start stays as it is."""
    return f"{message[:1].upper()}{message[1:]}" if message.partition(" ")[0].isalpha() else message


_ADVICE: dict[type[FabulaError], str] = {
    errors.Unauthenticated: "Give a token with --token or FABULA_TOKEN.",
    errors.ResourceExhausted: "Try again later, or ask for less.",
}
