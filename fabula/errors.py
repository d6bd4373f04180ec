"""The errors Fabula raises, and nothing else.

    FabulaError
    ├── InvalidRequest        the caller must change the request
    ├── Unauthenticated       no identity, or one that does not hold
    ├── PermissionDenied      a known identity that may not do this
    ├── NotFound              no such thing, or another owner's
    ├── AlreadyExists         the same request id with another request
    ├── Conflict              the state does not allow it (precondition)
    ├── Superseded            somebody else wrote to the log first (fence lost)
    ├── ResourceExhausted     a limit was reached; try later or ask for less
    ├── Unavailable           a part that is needed does not answer; try again
    ├── LogCorrupted          a log breaks its own rules
    └── BackendFailed         a model did not do its work
        ├── ModelUnavailable      missing, misconfigured or unreachable
        ├── ModelOutOfMemory      the accelerator or the machine ran out of memory
        ├── ModelCrashed          the model's process died
        └── ModelOutputInvalid    the answer could not be used, after bounded repairs

Cancellation and the end of a stream are not errors. Each class carries a stable `code`
(`UPPER_SNAKE_CASE`, sent as `google.rpc.ErrorInfo.reason`) and says whether trying again can help.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar


class FabulaError(Exception):
    """Base of every error that Fabula raises on purpose.

    Args:
        message: One sentence for a person: what is wrong and what to do.
        details: Values that the message mentions, for programs.
    """

    code: ClassVar[str] = "INTERNAL"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, /, **details: str) -> None:
        super().__init__(message)
        self.message = message
        self.details: Mapping[str, str] = MappingProxyType(details)


class InvalidRequest(FabulaError):
    """The request cannot be accepted as it is.

    Attributes:
        violations: (field path, what is wrong) pairs; may be empty.
    """

    code = "INVALID_REQUEST"

    def __init__(self, message: str, violations: tuple[tuple[str, str], ...] = (), /, **details: str) -> None:
        super().__init__(message, **details)
        self.violations = violations


class Unauthenticated(FabulaError):
    """The caller gave no identity, or one that does not hold."""

    code = "UNAUTHENTICATED"


class PermissionDenied(FabulaError):
    """The caller is known and may not do this."""

    code = "PERMISSION_DENIED"


class NotFound(FabulaError):
    """There is no such thing, or it belongs to somebody else: the answer is the same."""

    code = "NOT_FOUND"


class AlreadyExists(FabulaError):
    """The request id was used before, with another request."""

    code = "ALREADY_EXISTS"


class Conflict(FabulaError):
    """The generation's state does not allow what was asked."""

    code = "FAILED_PRECONDITION"


class Superseded(FabulaError):
    """Another writer appended to the log first; the append was refused and nothing was stored."""

    code = "SUPERSEDED"
    retryable = True


class ResourceExhausted(FabulaError):
    """A limit was reached."""

    code = "RESOURCE_EXHAUSTED"
    retryable = True


class Unavailable(FabulaError):
    """A part that is needed does not answer at the moment."""

    code = "UNAVAILABLE"
    retryable = True


class LogCorrupted(FabulaError):
    """A stored log breaks the rules of logs: a gap, a repeat, bytes that cannot be read."""

    code = "LOG_CORRUPTED"


class BackendFailed(FabulaError):
    """A model did not do its work."""

    code = "BACKEND_FAILED"
    retryable = True


class ModelUnavailable(BackendFailed):
    """The model is missing, misconfigured or cannot be reached."""

    code = "MODEL_UNAVAILABLE"


class ModelOutOfMemory(BackendFailed):
    """The accelerator or the machine ran out of memory."""

    code = "MODEL_OUT_OF_MEMORY"


class ModelCrashed(BackendFailed):
    """The process that holds the model died."""

    code = "MODEL_CRASHED"


class ModelOutputInvalid(BackendFailed):
    """The model's answer could not be used, even after the allowed repairs."""

    code = "MODEL_OUTPUT_INVALID"
