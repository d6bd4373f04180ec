"""Errors on the wire: one table to gRPC, one to HTTP and WebSocket, and the way back.

The taxonomy itself stands in `fabula.errors`; every class there has a row here (a test counts them).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from fabula import errors
from fabula.errors import FabulaError, InvalidRequest, NotFound

DOMAIN = "fabula"
"""Domain of every `google.rpc.ErrorInfo` of ours."""

RETRY_SECONDS = 1
"""What `google.rpc.RetryInfo` proposes where trying again can help, and the error says nothing else."""

RETRY_AFTER = "retry_after_seconds"
"""Detail of an error that says after how many seconds to try again; it is also what `Retry-After` says."""

LIMIT = "limit"
"""Detail of `ResourceExhausted`: the name of the limit that was met; it becomes a `google.rpc.QuotaFailure`."""

MOST_DETAIL_BYTES = 5 * 1024
"""A status travels in trailers, which peers bound at about 8 KiB: of longer ones what matters most is kept."""

MOST_MESSAGE_CHARACTERS = 300
"""The message travels twice, on its own and in the status. It is a sentence; what is longer is cut."""

MOST_VALUE_CHARACTERS = 300
"""Of each value that a message mentions, so much is sent."""

GRPC_STATUS: dict[type[FabulaError], grpc.StatusCode] = {
    errors.FabulaError: grpc.StatusCode.INTERNAL,
    errors.InvalidRequest: grpc.StatusCode.INVALID_ARGUMENT,
    errors.Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    errors.PermissionDenied: grpc.StatusCode.PERMISSION_DENIED,
    errors.NotFound: grpc.StatusCode.NOT_FOUND,
    errors.AlreadyExists: grpc.StatusCode.ALREADY_EXISTS,
    errors.Conflict: grpc.StatusCode.FAILED_PRECONDITION,
    errors.Superseded: grpc.StatusCode.ABORTED,
    errors.ResourceExhausted: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.Unavailable: grpc.StatusCode.UNAVAILABLE,
    errors.LogCorrupted: grpc.StatusCode.DATA_LOSS,
    errors.BackendFailed: grpc.StatusCode.INTERNAL,
    errors.ModelUnavailable: grpc.StatusCode.UNAVAILABLE,
    errors.ModelOutOfMemory: grpc.StatusCode.RESOURCE_EXHAUSTED,
    errors.ModelCrashed: grpc.StatusCode.INTERNAL,
    errors.ModelOutputInvalid: grpc.StatusCode.INTERNAL,
}


@dataclass(frozen=True, slots=True)
class WebAnswer:
    """How an error reads outside gRPC.

    Attributes:
        http: HTTP status.
        close: WebSocket close code where the error ends the socket. 4400-4499: the client must change something before
            it connects again; 1011-1013: it may reconnect with its cursor.
    """

    http: int
    close: int


WEB_ANSWER: dict[type[FabulaError], WebAnswer] = {
    errors.FabulaError: WebAnswer(500, 1011),
    errors.InvalidRequest: WebAnswer(400, 4400),
    errors.Unauthenticated: WebAnswer(401, 4401),
    errors.PermissionDenied: WebAnswer(403, 4403),
    errors.NotFound: WebAnswer(404, 4404),
    errors.AlreadyExists: WebAnswer(409, 4409),
    errors.Conflict: WebAnswer(409, 4409),
    errors.Superseded: WebAnswer(409, 1013),
    errors.ResourceExhausted: WebAnswer(429, 4429),
    errors.Unavailable: WebAnswer(503, 1013),
    errors.LogCorrupted: WebAnswer(500, 1011),
    errors.BackendFailed: WebAnswer(502, 1011),
    errors.ModelUnavailable: WebAnswer(503, 1013),
    errors.ModelOutOfMemory: WebAnswer(503, 1013),
    errors.ModelCrashed: WebAnswer(502, 1011),
    errors.ModelOutputInvalid: WebAnswer(502, 1011),
}

INTERNAL_MESSAGE = "something went wrong inside; the service's log has the details"
"""What callers are told of errors that nobody foresaw: never their text."""

T = TypeVar("T")
D = TypeVar("D", bound=Message)

_BY_CODE = {error.code: error for error in GRPC_STATUS}
_BY_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: errors.InvalidRequest,
    grpc.StatusCode.OUT_OF_RANGE: errors.InvalidRequest,
    grpc.StatusCode.UNAUTHENTICATED: errors.Unauthenticated,
    grpc.StatusCode.PERMISSION_DENIED: errors.PermissionDenied,
    grpc.StatusCode.NOT_FOUND: errors.NotFound,
    grpc.StatusCode.ALREADY_EXISTS: errors.AlreadyExists,
    grpc.StatusCode.FAILED_PRECONDITION: errors.Conflict,
    grpc.StatusCode.ABORTED: errors.Superseded,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.ResourceExhausted,
    grpc.StatusCode.UNAVAILABLE: errors.Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.Unavailable,
    grpc.StatusCode.CANCELLED: errors.Unavailable,
    grpc.StatusCode.DATA_LOSS: errors.LogCorrupted,
}


def row_of(table: dict[type[FabulaError], T], error: FabulaError) -> T:
    """Return the table's row for an error: its own, or its nearest ancestor's."""
    for ancestor in type(error).__mro__:
        if ancestor in table:
            return table[ancestor]
    raise KeyError(type(error))


def to_status(error: BaseException) -> status_pb2.Status:
    """Return the rich status of an error; one that is not ours becomes INTERNAL without its text."""
    if not isinstance(error, FabulaError):
        error = FabulaError(INTERNAL_MESSAGE)
    number = code_pb2.Code.Value(row_of(GRPC_STATUS, error).name)
    status = status_pb2.Status(code=number, message=_cut(error.message, MOST_MESSAGE_CHARACTERS))
    for detail in _details(error):
        status.details.append(_packed(detail))
        if status.ByteSize() > MOST_DETAIL_BYTES:
            del status.details[-1]
    if isinstance(error, InvalidRequest) and error.violations:
        status.details.append(_packed(_bad_request(error, MOST_DETAIL_BYTES - status.ByteSize())))
    return status


def _details(error: FabulaError) -> Sequence[Message]:
    values = {key: _cut(value, MOST_VALUE_CHARACTERS) for key, value in error.details.items()}
    details: list[Message] = [error_details_pb2.ErrorInfo(reason=error.code, domain=DOMAIN, metadata=values)]
    if isinstance(error, NotFound | errors.AlreadyExists):
        resource, name = values.get("resource", "generation"), values.get("id", values.get("generation_id", ""))
        details.append(error_details_pb2.ResourceInfo(resource_type=resource, resource_name=name))
    if isinstance(error, errors.ResourceExhausted) and LIMIT in values:
        met = error_details_pb2.QuotaFailure.Violation(
            subject=values[LIMIT], description=_cut(error.message, MOST_MESSAGE_CHARACTERS)
        )
        details.append(error_details_pb2.QuotaFailure(violations=[met]))
    if error.retryable:
        details.append(error_details_pb2.RetryInfo(retry_delay=duration_pb2.Duration(seconds=_retry_seconds(values))))
    return details


def _retry_seconds(values: Mapping[str, str]) -> int:
    text = values.get(RETRY_AFTER, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < _LONGEST_NUMBER else RETRY_SECONDS


_LONGEST_NUMBER = 10


def _bad_request(error: InvalidRequest, most_bytes: int) -> error_details_pb2.BadRequest:
    bad = error_details_pb2.BadRequest()
    for field, description in error.violations:
        bad.field_violations.add(
            field=_cut(field, MOST_VALUE_CHARACTERS), description=_cut(description, MOST_VALUE_CHARACTERS)
        )
        if bad.ByteSize() > most_bytes and len(bad.field_violations) > 1:
            del bad.field_violations[-1]
            break
    return bad


def _cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[: characters - 1]}…"


def _packed(detail: Message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed


def from_rpc_error(error: grpc.aio.AioRpcError) -> FabulaError:
    """Return the error that a service meant, from its status and details."""
    details = details_of(error)
    info = _unpack(details, error_details_pb2.ErrorInfo)
    cls = _BY_CODE.get(info.reason) if info is not None and info.domain == DOMAIN else None
    cls = cls or _BY_STATUS.get(error.code(), FabulaError)
    message = error.details() or error.code().name
    values = dict(info.metadata) if info is not None else {}
    if cls is InvalidRequest:
        bad = _unpack(details, error_details_pb2.BadRequest)
        violations = tuple((v.field, v.description) for v in bad.field_violations) if bad is not None else ()
        return InvalidRequest(message, violations, **values)
    return cls(message, **values)


def details_of(error: grpc.aio.AioRpcError) -> Sequence[any_pb2.Any]:
    """Return the details of a status; none where gRPC itself or a proxy speaks: ours always have some."""
    try:
        status = rpc_status.from_call(error)  # type: ignore[arg-type]  # AioRpcError has what from_call reads
    except (ValueError, DecodeError):
        return ()
    return () if status is None else list(status.details)


def _unpack(details: Sequence[any_pb2.Any], cls: type[D]) -> D | None:
    for detail in details:
        if detail.TypeName() == cls.DESCRIPTOR.full_name:
            found = cls()
            detail.Unpack(found)
            return found
    return None
