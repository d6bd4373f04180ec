"""Reads request bodies: bounded while they are read, JSON or multipart with a file."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from fabula.errors import InvalidRequest
from gateway.json_requests import parse_object
from gateway.limits import Budget, OnLimit

MOST_BODY_BYTES = 2 * 1024 * 1024
"""Largest request body, unless the contract lets a larger file in."""
MOST_DISCARDED_BYTES = 16 * MOST_BODY_BYTES
"""So much is read of one that is too large, and thrown away, so that its sender hears the answer."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """How large bodies may be at any address; found at the application's `state.body_limits`.

    Attributes:
        body_bytes: Largest body.
        file_bytes: Largest file in a form.
        budget: What all bodies together may hold while they are read.
        on_limit: Told when one is met.
    """

    body_bytes: int
    file_bytes: int
    budget: Budget
    on_limit: OnLimit

    def too_large(self, what: str, most_bytes: int) -> HTTPException:
        """Return the refusal of what is larger than it may be."""
        self.on_limit(f"{what}_bytes")
        message = f"the {what} is larger than {most_bytes // 1024} KiB"
        return HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message, {"Connection": "close"})


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that came with a request."""

    name: str
    data: bytes


async def read_json_or_form(
    request: Request, most_bytes: int = MOST_BODY_BYTES
) -> tuple[dict[str, Any], Upload | None]:
    """Return the request's JSON object, and the file that came with it, if any.

    Accepted are `application/json`, and `multipart/form-data` with a part `file` and a part `request` with the JSON.

    Args:
        request: The request.
        most_bytes: Largest body that is read.

    Raises:
        InvalidRequest: the body is not what its type says.
        HTTPException: 413 if it is too large, 415 if it is of another type.
    """
    match media_type(request):
        case "application/json":
            return parse_object(b"".join([chunk async for chunk in bounded(request, most_bytes)])), None
        case "multipart/form-data":
            return await _read_form(request, most_bytes)
        case other:
            raise HTTPException(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"the body is {other or 'of no type'}: send application/json, or multipart/form-data with a file",
            )


async def read_json(request: Request) -> dict[str, Any]:
    """Return the request's JSON object; an empty body reads as an empty object. Raises as `read_json_or_form`."""
    body = b"".join([chunk async for chunk in bounded(request, MOST_BODY_BYTES)])
    if not body:
        return {}
    if media_type(request) != "application/json":
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the body as application/json")
    return parse_object(body)


def media_type(request: Request) -> str:
    """Return the media type of a request's body, without parameters; empty if none is given."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


async def bounded(request: Request, most_bytes: int) -> AsyncGenerator[bytes, None]:
    """Yield the body. One that is too large is refused when it is all there: who still sends cannot hear.

    Nothing of such a body is kept: neither of one that says so in its head, nor of one that turns out to be. What is
    yielded counts in the budget until this is closed.

    Raises:
        HTTPException: 413, it is too large.
        InvalidRequest: it ended too early.
        Unavailable: too much is being read at the moment.
    """
    limits = limits_of(request)
    most_bytes = min(most_bytes, limits.body_bytes)
    digits = request.headers.get("content-length", "")
    announced = int(digits) if digits.isdecimal() else 0
    too_large = announced > most_bytes
    if too_large and ("expect" in request.headers or announced > MOST_DISCARDED_BYTES):
        raise limits.too_large("body", most_bytes)  # it asks before it sends, or would take too long
    size = 0
    try:
        with limits.budget.reading() as take:
            async for chunk in request.stream():
                size += len(chunk)
                too_large = too_large or size > most_bytes
                if size > MOST_DISCARDED_BYTES:
                    break
                if not too_large:
                    take(len(chunk))
                    yield chunk
    except ClientDisconnect:
        raise InvalidRequest("the body ended too early") from None
    if too_large:
        raise limits.too_large("body", most_bytes)


def limits_of(request: Request) -> BodyLimits:
    """Return the limits that hold for a request's body."""
    limits: BodyLimits = request.app.state.body_limits
    return limits


async def read_file(request: Request, file: UploadFile) -> Upload:
    """Return a file of a form, by its name without a path (RFC 7578, section 4.2).

    Raises:
        HTTPException: 413, it is too large.
    """
    limits = limits_of(request)
    if (file.size or 0) > limits.file_bytes:
        raise limits.too_large("file", limits.file_bytes)
    name = (file.filename or "").replace("\\", "/").rpartition("/")[2]
    return Upload(name, await file.read())


async def _read_form(request: Request, most_bytes: int) -> tuple[dict[str, Any], Upload | None]:
    try:
        async with aclosing(bounded(request, most_bytes)) as body:
            parser = MultiPartParser(request.headers, body, max_files=1, max_fields=1, max_part_size=most_bytes)
            form = await parser.parse()
    except (MultiPartException, KeyError, ValueError) as error:
        raise InvalidRequest(f"the body is not multipart/form-data as it should be: {error}") from None
    try:
        return await _read_parts(request, form)
    finally:
        await form.close()


async def _read_parts(request: Request, form: FormData) -> tuple[dict[str, Any], Upload | None]:
    unknown = tuple((name, "there is no such part") for name in form if name not in {"file", "request"})
    if unknown:
        raise InvalidRequest(f"unknown part {unknown[0][0]!r}; there are: file, request", unknown)
    asked, file = form.get("request", "{}"), form.get("file")
    if isinstance(file, str):
        raise InvalidRequest("the part 'file' has no file name", (("file", "must be a file"),))
    text = await asked.read() if isinstance(asked, UploadFile) else asked
    content = parse_object(text, "the part 'request'")
    return content, await read_file(request, file) if file is not None else None
