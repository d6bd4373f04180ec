"""Conditional and range requests, as RFC 9110 has them: which part of some bytes is sent, or none. Pure.

Only what a picture needs: one strong validator (the digest of bytes that never change), and single ranges. Several
ranges in one request may be ignored (section 14.2), and are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

_RANGE = re.compile(r"bytes=[ \t]*(\d*)-(\d*)[ \t]*", re.ASCII)
_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_MOST_DIGITS = 18
"""A position with more digits lies behind the end of anything."""


@dataclass(frozen=True, slots=True)
class Part:
    """What of `size` bytes is answered with.

    Attributes:
        status: 200 (all of it), 206 (a part), 304 (the asker has it), 416 (the part asked for does not exist).
        start: First byte that is sent.
        stop: Behind the last one.
        size: All bytes there are.
    """

    status: HTTPStatus
    start: int
    stop: int
    size: int

    @property
    def length(self) -> int:
        """How many bytes are sent."""
        return self.stop - self.start

    @property
    def content_range(self) -> str:
        """The value of `Content-Range`; empty where there is none."""
        match self.status:
            case HTTPStatus.PARTIAL_CONTENT:
                return f"bytes {self.start}-{self.stop - 1}/{self.size}"
            case HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return f"bytes */{self.size}"
            case _:
                return ""


def part_of(method: str, headers: Mapping[str, str], size: int, etag: str) -> Part:
    """Return what a GET or HEAD with these headers is answered with.

    Args:
        method: "GET" or "HEAD".
        headers: Of the request, names in any case.
        size: Bytes there are.
        etag: Their strong validator, in quotes.
    """
    if _matches(headers.get("if-none-match"), etag):
        return Part(HTTPStatus.NOT_MODIFIED, 0, 0, size)
    whole = Part(HTTPStatus.OK, 0, size, size)
    asked = headers.get("range")
    # Section 13.1.5: with If-Range, a part only of what the asker has the rest of. Dates are not known here.
    if method != "GET" or asked is None or headers.get("if-range", etag).strip() != etag:
        return whole
    return _part(asked, size) or whole


def _matches(condition: str | None, etag: str) -> bool:
    """Say whether `If-None-Match` names this validator; the comparison is weak (section 13.1.2)."""
    if condition is None:
        return False
    return condition.strip() == "*" or etag in _TAG.findall(condition)


def _part(asked: str, size: int) -> Part | None:
    """Return the part that a `Range` names; None where it is to be ignored (section 14.2)."""
    found = _RANGE.fullmatch(asked.strip())
    if found is None or found.groups() == ("", ""):
        return None
    first, last = (int(text) if len(text) <= _MOST_DIGITS else size for text in (found[1] or "0", found[2] or "0"))
    if not found[1]:
        start, stop = max(0, size - last), size  # the last so many bytes
    elif found[2] and last < first:
        return None
    else:
        start, stop = first, min(size, last + 1) if found[2] else size
    if start >= stop:
        return Part(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, 0, 0, size)
    return Part(HTTPStatus.PARTIAL_CONTENT, start, stop, size)
