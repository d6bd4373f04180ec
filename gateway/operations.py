"""The HTTP operations as data: routes are made of them, and so is the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
        required: Whether it has to be there.
    """

    name: str
    description: str
    schema: dict[str, Any]
    place: str = "query"
    required: bool = False


NATIVE = "native"
"""The tag of what Fabula's own front ends use."""

SWITCH: dict[str, Any] = {"type": "string", "enum": ["0", "1", "false", "true", ""]}
"""Schema of a switch in the address; empty is on."""

FAILURE: dict[str, Any] = {"$ref": "#/components/schemas/ErrorAnswer"}
"""Schema of what most operations answer where they fail."""

TICKET_PARAMETER = Parameter("ticket", "A ticket, instead of a token; good once.", {"type": "string"})


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
        errors: Statuses it may fail with, beside those that everything may fail with.
        family: Whose it is: its tag in the document.
        accepts: Schemas of the request's body by media type, where no message says what it is.
        needs_body: Whether there has to be a body; None: where it starts something.
        gives: Schema of the answer, where no message says what it is.
        failure: Schema of what it answers where it fails.
        failures: The same by status, where it answers otherwise; these may be further statuses.
        events: Where the answer is a stream of events: the names of their schemas, by the names of the events.
        is_open: Whether nobody is asked who they are.
        links: Operations that take up what this one has begun, each with where their id stands in this one's answer.
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
    family: str = NATIVE
    accepts: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    needs_body: bool | None = None
    gives: dict[str, Any] | None = None
    failure: dict[str, Any] = field(default_factory=lambda: FAILURE)
    failures: Mapping[HTTPStatus, dict[str, Any]] = field(default_factory=dict)
    events: Mapping[str, str] = field(default_factory=dict)
    is_open: bool = False
    links: tuple[tuple[str, str], ...] = ()

    @property
    def takes_body(self) -> bool:
        """Whether there may be a body."""
        return self.body is not None or bool(self.accepts)
