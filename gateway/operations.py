"""The REST operations as data: routes are made of them, and so is the OpenAPI document."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from google.protobuf.message import Message


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter or header of an operation, or a header of its answer.

    Attributes:
        name: As it is written.
        description: What it is for.
        schema: JSON schema of its value.
        place: "query" or "header".
    """

    name: str
    description: str
    schema: dict[str, Any]
    place: str = "query"


TICKET_PARAMETER = Parameter("ticket", "A ticket, instead of a token; good once.", {"type": "string", "maxLength": 128})


@dataclass(frozen=True, slots=True)
class Operation:
    """One verb at one address.

    Attributes:
        method: The verb.
        path: The address, with `{id}` for an id.
        name: Unique name, e.g. "startStory".
        summary: What it does, in a line.
        endpoint: Carries it out: a function, or an ASGI application.
        body: Message whose proto3 JSON is the request's body; None: there is no body.
        elsewhere: Fields of that message, by their names in JSON, that stand in the address or in a header.
        takes_file: Whether the body may be multipart with a file instead.
        answers: Message whose proto3 JSON is the answer; of several it is one; none: there is none.
        status: Of the answer.
        media_types: Of the answer: one of these.
        parameters: Query parameters and headers.
        headers: Headers of the answer.
        more: Further statuses that are no errors, each with what it means; they have no JSON.
        errors: Statuses it may fail with, beside 400, 401, 403, 500 and 503.
    """

    method: str
    path: str
    name: str
    summary: str
    endpoint: Any
    body: type[Message] | None = None
    elsewhere: tuple[str, ...] = ("generationId",)
    takes_file: bool = False
    answers: tuple[type[Message], ...] = ()
    status: HTTPStatus = HTTPStatus.OK
    media_types: tuple[str, ...] = ("application/json",)
    parameters: tuple[Parameter, ...] = ()
    headers: tuple[Parameter, ...] = ()
    more: tuple[tuple[HTTPStatus, str], ...] = ()
    errors: tuple[HTTPStatus, ...] = ()
