"""Errors as they read outside gRPC: one JSON shape for every status, one for every frame."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import grpc
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fabula.errors import FabulaError, InvalidRequest
from fabula.rpc.errors import INTERNAL_MESSAGE, RETRY_AFTER, RETRY_SECONDS, WEB_ANSWER, details_of, row_of

log = structlog.get_logger(__name__)

SILENT_MESSAGE = "the service that this needs does not answer at the moment: try again"
"""What callers are told when a service cannot be reached."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What somebody is told went wrong.

    Attributes:
        code: Stable, in UPPER_SNAKE_CASE.
        message: A sentence for people: what is wrong and what to do.
        http: HTTP status.
        close: WebSocket close code where it ends the socket.
        retryable: Whether the same request may succeed later.
        details: Values that the message mentions.
        violations: (field path, what is wrong) pairs.
    """

    code: str
    message: str
    http: int
    close: int
    retryable: bool = False
    details: dict[str, str] = field(default_factory=dict)
    violations: tuple[tuple[str, str], ...] = ()

    def as_response(self, headers: dict[str, str] | None = None, beside: Mapping[str, Any] | None = None) -> Response:
        """Return the HTTP answer.

        Args:
            headers: Its headers, beside the usual ones.
            beside: What stands beside the error in the JSON.
        """
        error = {
            "code": self.code,
            "message": self.message,
            "retryable": self.retryable,
            "details": self.details,
            "violations": [{"field": name, "description": text} for name, text in self.violations],
        }
        headers = {"Cache-Control": "no-store", **(headers or {})}
        if self.http in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
            headers.setdefault("Retry-After", self.details.get(RETRY_AFTER, str(RETRY_SECONDS)))
        if self.http == HTTPStatus.UNAUTHORIZED:
            headers.setdefault("WWW-Authenticate", "Bearer")
        return JSONResponse({**(beside or {}), "error": error}, self.http, headers)


def problem_of(error: BaseException) -> Problem:
    """Return what to tell of an error. One that is not ours is told as INTERNAL, without its text, and logged."""
    error = as_told(error)
    answer = row_of(WEB_ANSWER, error)
    violations = error.violations if isinstance(error, InvalidRequest) else ()
    return Problem(
        error.code, error.message, answer.http, answer.close, error.retryable, dict(error.details), violations
    )


def as_told(error: BaseException) -> FabulaError:
    """Return an error as it may be told: as it is, or another one that tells nothing of the inside; that is logged."""
    if not isinstance(error, FabulaError):
        log.error("unexpected_error", exc_info=error)
        return FabulaError(INTERNAL_MESSAGE)
    if _speaks_of_the_inside(error):
        log.warning("service_failed", code=error.code, reason=error.message)
        return type(error)(SILENT_MESSAGE if error.retryable else INTERNAL_MESSAGE)
    return error


def _speaks_of_the_inside(error: FabulaError) -> bool:
    """Say whether an error's text is gRPC's own, not the service's: it tells of addresses inside."""
    cause = error.__cause__
    return isinstance(cause, grpc.aio.AioRpcError) and not details_of(cause)


def http_problem(status: int, message: str) -> Problem:
    """Return a problem of HTTP itself: no such page, wrong verb, too large, wrong media type."""
    return Problem(_HTTP_CODES.get(HTTPStatus(status), "INVALID_REQUEST"), message, status, 1008)


_HTTP_CODES = {
    HTTPStatus.NOT_FOUND: "NOT_FOUND",
    HTTPStatus.METHOD_NOT_ALLOWED: "METHOD_NOT_ALLOWED",
    HTTPStatus.REQUEST_TIMEOUT: "REQUEST_TIMEOUT",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "PAYLOAD_TOO_LARGE",
    HTTPStatus.REQUEST_URI_TOO_LONG: "ADDRESS_TOO_LONG",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "HEADERS_TOO_LARGE",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "UNSUPPORTED_MEDIA_TYPE",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "RANGE_NOT_SATISFIABLE",
}
_HTTP_MESSAGES = {
    HTTPStatus.NOT_FOUND: "there is nothing at this address: /v1/openapi.json lists what there is",
    HTTPStatus.METHOD_NOT_ALLOWED: "this address does not answer to this method: see the Allow header",
}


async def on_http_exception(_request: Request, error: Exception) -> Response:
    """Answer what the router or a door refuses in HTTP's own terms."""
    assert isinstance(error, HTTPException)  # noqa: S101 - what this handler is registered for
    status = HTTPStatus(error.status_code)
    detail = _HTTP_MESSAGES.get(status, error.detail) if error.detail == status.phrase else error.detail
    return http_problem(status, detail).as_response(dict(error.headers or {}))


async def on_fabula_error(_request: Request, error: Exception) -> Response:
    """Answer an error of the taxonomy by its row in the table."""
    return problem_of(error).as_response()
