"""The OpenAPI document: written from the operations and the messages' descriptors, so that it cannot drift. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from google.protobuf.message import Message

from fabula.api.generation.v1 import generation_pb2
from fabula.rpc.kinds import KINDS
from gateway.operations import FAILURE, NATIVE, Operation, Parameter
from gateway.payloads import SCHEMAS
from gateway.schemas import Schemas
from gateway.told import told_schemas

_ALWAYS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_WITH_BODY = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
_PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["code", "message", "retryable", "details", "violations"],
    "properties": {
        "code": {"type": "string", "description": "Stable, in UPPER_SNAKE_CASE."},
        "message": {"type": "string", "description": "What is wrong and what to do."},
        "retryable": {"type": "boolean", "description": "Whether the same request may succeed later."},
        "details": {"type": "object", "additionalProperties": {"type": "string"}},
        "violations": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "description"],
                "properties": {"field": {"type": "string"}, "description": {"type": "string"}},
            },
        },
    },
}
_ERROR_SCHEMA = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"$ref": "#/components/schemas/Problem"}},
}
_HEADERS_OF = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": {"required": True, "schema": {"type": "string"}}},
    HTTPStatus.TOO_MANY_REQUESTS: {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 0}}},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": {"required": True, "schema": {"type": "integer", "minimum": 0}}},
}
_NEEDED = {
    "fabula.api.story.v1.StoryRequest": ("premise", "source"),
    "fabula.api.character.v1.CharacterRequest": ("description", "picture"),
    "fabula.api.image.v1.ImageRequest": ("prompt",),
}
"""Fields of which a request has to have one. Their contracts say so in rules that are no schemas."""
_DESCRIPTION = (
    "Bodies of the native addresses are proto3 JSON. Answers show every field; requests may leave out what is not "
    "wanted. The other tags are families of front ends with contracts of their own. The token is needed where the "
    "gateway has a secret or keys to check it with. What is told over WebSockets and Socket.IO, and in event streams, "
    "stands in /v1/asyncapi.json."
)


@dataclass(frozen=True, slots=True)
class _Parts:
    """The schemas of messages.

    Attributes:
        asked: Of requests.
        told: Of answers.
    """

    asked: Schemas
    told: Schemas


def document(
    operations: Iterable[Operation], generators: Collection[str] = tuple(KINDS), *, token_needed: bool = False
) -> bytes:
    """Return the OpenAPI 3.1 document of these operations, as JSON.

    Args:
        operations: All there are.
        generators: Which kinds there are.
        token_needed: Whether the gateway asks for a token.
    """
    every = tuple(operations)
    schemas = _Parts(Schemas(asked=True), told_schemas(generators))
    paths: dict[str, dict[str, Any]] = {}
    for operation in every:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas, every)
    errors = {
        f"Error{int(status)}": _error(status, FAILURE)
        for status in sorted({status for operation in every for status in _errors(operation)})
    }
    known = {
        **SCHEMAS,
        **schemas.asked.components,
        **schemas.told.components,
        "ErrorAnswer": _ERROR_SCHEMA,
        "Problem": _PROBLEM_SCHEMA,
    }
    families = sorted({operation.family for operation in every}, key=lambda name: (name != NATIVE, name))
    content = {
        "openapi": "3.1.0",
        "info": {"title": "Fabula", "version": version("fabula"), "description": _DESCRIPTION},
        "tags": [{"name": family} for family in families],
        "paths": paths,
        "components": {
            "schemas": with_parts([paths, errors], known),
            "responses": errors,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
        "security": [{"token": []}] if token_needed else [{}, {"token": []}],
    }
    return json.dumps(content, separators=(",", ":")).encode()


def with_parts(content: object, known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schemas that something refers to, and those that they refer to."""
    found: dict[str, Any] = {}
    left = [content]
    while left:
        for name in re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(left.pop())):
            if name not in found:
                found[name] = known[name]
                left.append(known[name])
    return dict(sorted(found.items()))


def _operation(operation: Operation, schemas: _Parts, every: Sequence[Operation]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "tags": [operation.family],
        "summary": operation.summary,
        "parameters": [*_path_parameters(operation.path), *(_parameter(each) for each in operation.parameters)],
        "responses": {str(int(operation.status)): _answer(operation, schemas, every)},
    }
    for status in _errors(operation):
        schema = operation.failures.get(status, operation.failure)
        common = {"$ref": f"#/components/responses/Error{int(status)}"}
        described["responses"][str(int(status))] = common if schema == FAILURE else _error(status, schema)
    for status, meaning in operation.more:
        described["responses"][str(int(status))] = {"description": meaning, **_headers(operation)}
    if operation.takes_body:
        described["requestBody"] = _body(operation, schemas)
    if operation.is_open:
        described["security"] = []
    return described


def _errors(operation: Operation) -> list[HTTPStatus]:
    """Return the statuses that an operation may fail with."""
    found = {*_ALWAYS, *operation.errors, *operation.failures, *(_WITH_BODY if operation.takes_body else ())}
    return sorted(found if operation.is_open else found | {HTTPStatus.UNAUTHORIZED})


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in re.findall(r"{(\w+)}", path)
    ]


def _parameter(parameter: Parameter) -> dict[str, Any]:
    required = {"required": True} if parameter.required else {}
    return {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        **required,
        "schema": parameter.schema,
    }


def _answer(operation: Operation, schemas: _Parts, every: Sequence[Operation]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": operation.status.phrase, **_headers(operation)}
    schema = operation.gives
    if operation.answers:
        references = [schemas.told.reference(message.DESCRIPTOR) for message in operation.answers]
        schema = references[0] if len(references) == 1 else {"oneOf": references}
    if schema is not None or operation.media_types != ("application/json",):
        answer["content"] = {each: {"schema": _content(operation, each, schema)} for each in operation.media_types}
    links = _links(operation, every)
    return {**answer, "links": links} if links else answer


def _content(operation: Operation, media_type: str, schema: dict[str, Any] | None) -> dict[str, Any]:
    """Return the schema of an answer in one of the media types that it may have."""
    if operation.events and media_type == "text/event-stream":
        return _event(operation.events)
    return _raw(media_type) if schema is None or media_type != "application/json" else schema


def _event(events: Mapping[str, str]) -> dict[str, Any]:
    """Return the schema of one event of a stream, taken apart as an EventSource does."""
    return {
        "type": "object",
        "required": ["event", "data"],
        "properties": {"id": {"type": "string"}, "retry": {"type": "integer"}},
        "oneOf": [
            {
                "properties": {
                    "event": {"const": event},
                    "data": {
                        "type": "string",
                        "contentMediaType": "application/json",
                        "contentSchema": {"$ref": f"#/components/schemas/{schema}"},
                    },
                }
            }
            for event, schema in events.items()
        ],
    }


def _links(operation: Operation, every: Sequence[Operation]) -> dict[str, Any]:
    """Return which operations take up what this one has begun, and how."""
    names = {each.name for each in every}
    links = {name: place for name, place in operation.links if name in names}
    if operation.answers == (generation_pb2.Generation,) and operation.status is HTTPStatus.ACCEPTED:
        for each in every:
            if each.path.startswith((f"{operation.path}/{{id}}", "/v1/generations/{id}")):
                links[each.name] = "$response.body#/id"
    return {name: {"operationId": name, "parameters": {"id": place}} for name, place in links.items()}


def _raw(media_type: str) -> dict[str, Any]:
    """Return the schema of an answer that is no JSON. OpenAPI 3.1 describes bytes by their media type alone."""
    return {"type": "string"} if media_type.startswith("text/") else {}


def _headers(operation: Operation) -> dict[str, Any]:
    if not operation.headers:
        return {}
    described = {each.name: {"description": each.description, "schema": each.schema} for each in operation.headers}
    return {"headers": described}


def _body(operation: Operation, schemas: _Parts) -> dict[str, Any]:
    content = {media_type: {"schema": schema} for media_type, schema in operation.accepts.items()}
    if operation.body is not None:
        content |= _native_body(operation, operation.body, schemas)
    needed = operation.status is HTTPStatus.ACCEPTED if operation.needs_body is None else operation.needs_body
    return {"required": needed, "content": content}


def _native_body(operation: Operation, message: type[Message], schemas: _Parts) -> dict[str, Any]:
    inline = schemas.asked.body(message.DESCRIPTOR)
    # What a request's address says does not stand in its body; the idempotency key stands beside what is asked for.
    for name in operation.elsewhere:
        inline["properties"].pop(name, None)
    if operation.status is HTTPStatus.ACCEPTED:
        inline["properties"]["requestId"] = {
            "type": ["string", "null"],
            "maxLength": 128,
            "pattern": "^[A-Za-z0-9._:-]*$",
        }
    needs = [_given(inline, name) for name in _NEEDED.get(message.DESCRIPTOR.full_name, ())]
    content: dict[str, Any] = {"application/json": {"schema": {**inline, "anyOf": needs} if needs else inline}}
    if operation.takes_file:
        parts = {"request": inline, "file": {"type": "string", "format": "binary"}}
        form = {"type": "object", "properties": parts, "additionalProperties": False}
        content["multipart/form-data"] = {
            "schema": form,
            "encoding": {"request": {"contentType": "application/json"}},
        }
    return content


def _given(schema: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the schema of what has a field, and something in it."""
    is_text = "string" in schema["properties"][name].get("type", ())
    given = {"type": "string", "minLength": 1} if is_text else {"type": "object"}
    return {"required": [name], "properties": {name: given}}


def _error(status: HTTPStatus, schema: dict[str, Any]) -> dict[str, Any]:
    headers = {"headers": _HEADERS_OF[status]} if status in _HEADERS_OF else {}
    return {"description": status.phrase, **headers, "content": {"application/json": {"schema": schema}}}
