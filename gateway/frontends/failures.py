"""HTTP statuses of generations that have failed, for requests that are answered with the finished work."""

from __future__ import annotations

from http import HTTPStatus

from fabula.rpc.errors import WEB_ANSWER

GENERATION = "X-Generation-Id"
"""Header of answers that concern a generation: its id."""

_BY_CODE = {error.code: answer.http for error, answer in WEB_ANSWER.items()}


def status_of_failure(code: str) -> int:
    """Return the status that fits a failure: that of the same error elsewhere; 409 for what was cancelled."""
    return HTTPStatus.CONFLICT if code == "CANCELLED" else _BY_CODE.get(code, HTTPStatus.INTERNAL_SERVER_ERROR)
