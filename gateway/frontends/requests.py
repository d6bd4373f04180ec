"""Request bodies as the families of front ends send them: forms or JSON, unknown fields ignored, sizes bounded."""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import aclosing
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from fabula.errors import InvalidRequest
from gateway.bodies import MOST_BODY_BYTES, Upload, bounded, media_type, read_file
from gateway.json_requests import parse_object

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
"""As the contracts have it."""

MOST_FILES = 4
MOST_FIELDS = 64


@dataclass(frozen=True, slots=True)
class Body:
    """What came with a request.

    Attributes:
        fields: The values, by name.
        files: The files, by the names of their parts; of several of a name the first.
    """

    fields: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Upload] = field(default_factory=dict)

    def text(self, *names: str) -> str:
        """Return the first of these fields that is given, without white space around it; empty if none is.

        Raises:
            InvalidRequest: it is no text.
        """
        for name in names:
            value = self.fields.get(name)
            if value is not None:
                if not isinstance(value, str):
                    problem = "must be text"
                    raise InvalidRequest(f"{name} {problem}", ((name, problem),))
                return value.strip()
        return ""


async def read_body(request: Request, most_bytes: int) -> Body:
    """Return what came with a request: `multipart/form-data`, `application/x-www-form-urlencoded` or JSON.

    Args:
        request: The request.
        most_bytes: Largest body that is read.

    Raises:
        InvalidRequest: the body is not what its type says.
        HTTPException: 413 if it is too large, 415 if it is of another type.
    """
    kind = media_type(request)
    if kind == "multipart/form-data":
        return await _form(request, most_bytes)
    data = b"".join([chunk async for chunk in bounded(request, most_bytes)])
    if not data:
        return Body()
    if kind == "application/json":
        return Body(_object(data))
    if kind == "application/x-www-form-urlencoded":
        try:
            return Body(dict(reversed(parse_qsl(data.decode(), max_num_fields=MOST_FIELDS))))
        except ValueError:
            raise InvalidRequest("the body is not the form that its type says") from None
    raise HTTPException(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        f"the body is {kind or 'of no type'}: send multipart/form-data, or application/json where there is no file",
    )


async def _form(request: Request, most_bytes: int) -> Body:
    bounds = {"max_files": MOST_FILES, "max_fields": MOST_FIELDS, "max_part_size": most_bytes}
    try:
        async with aclosing(bounded(request, most_bytes)) as sent:
            form = await MultiPartParser(request.headers, sent, **bounds).parse()
    except (MultiPartException, KeyError, ValueError) as error:
        raise InvalidRequest(f"the body is not multipart/form-data as it should be: {error}") from None
    body = Body()
    try:
        for name, value in form.multi_items():
            if not isinstance(value, UploadFile):
                body.fields.setdefault(name, value)
            elif value.filename and name not in body.files:  # a form's field for a file that was left empty has no name
                body.files[name] = await read_file(request, value)
    finally:
        await form.close()
    return body


def request_id_of(text: str) -> str:
    """Return a client's own name for a request as a request id: itself if it is one, else one made of it."""
    text = text.strip().removeprefix('"').removesuffix('"')  # as a structured header field has it
    if not text or _REQUEST_ID.fullmatch(text):
        return text
    return f"sha256:{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()}"


def key_of(request: Request) -> str:
    """Return the request id in the header `Idempotency-Key`; empty if there is none."""
    return request_id_of(request.headers.get("idempotency-key", ""))


async def read_object(request: Request) -> dict[str, Any]:
    """Return the JSON object, or the fields of the form, that came with a request. Raises as `read_body`."""
    return (await read_body(request, MOST_BODY_BYTES)).fields


def _object(data: bytes) -> dict[str, Any]:
    """Return a body's JSON object; none with halves of characters, which JSON can write and nothing else can."""
    fields = parse_object(data)
    try:
        json.dumps(fields, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidRequest("the body has text that is no valid Unicode") from None
    except RecursionError:
        raise InvalidRequest("the body is nested too deep") from None
    return fields
