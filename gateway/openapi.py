"""The OpenAPI document: written from the operations and the messages' descriptors, so that it cannot drift. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from http import HTTPStatus
from importlib.metadata import version
from typing import Any

from google.protobuf.message import Message

from gateway.operations import Operation, Parameter
from gateway.schemas import Schemas

_ALWAYS = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_ERROR_SCHEMA = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
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
    },
}


def document(operations: Iterable[Operation]) -> bytes:
    """Return the OpenAPI 3.1 document of these operations, as JSON."""
    schemas = Schemas()
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    content = {
        "openapi": "3.1.0",
        "info": {"title": "Fabula", "version": version("fabula"), "description": _DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": {**schemas.components, "Error": _ERROR_SCHEMA},
            "responses": {
                f"Error{int(status)}": _error(status) for status in HTTPStatus if status >= HTTPStatus.BAD_REQUEST
            },
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
        "security": [{}, {"token": []}],
    }
    used = set(re.findall(r"#/components/responses/(\w+)", json.dumps(paths)))
    responses = content["components"]["responses"]  # type: ignore[index]  # it was written above
    content["components"]["responses"] = {name: responses[name] for name in sorted(used)}  # type: ignore[index]
    return json.dumps(content, separators=(",", ":")).encode()


_DESCRIPTION = (
    "Bodies are proto3 JSON. Answers show every field; requests may leave out what is not wanted. "
    "The token is needed where the gateway has a secret to check it with."
)


def _operation(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [*_path_parameters(operation.path), *(_parameter(each) for each in operation.parameters)],
        "responses": {str(int(operation.status)): _answer(operation, schemas)},
    }
    for status in sorted({*_ALWAYS, *operation.errors}):
        described["responses"][str(int(status))] = {"$ref": f"#/components/responses/Error{int(status)}"}
    for status, meaning in operation.more:
        described["responses"][str(int(status))] = {"description": meaning, **_headers(operation)}
    if operation.body is not None:
        described["requestBody"] = _body(operation, operation.body, schemas)
    return described


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", path)
    ]


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        "schema": parameter.schema,
    }


def _answer(operation: Operation, schemas: Schemas) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": operation.status.phrase, **_headers(operation)}
    if operation.answers:
        references = [schemas.reference(message.DESCRIPTOR) for message in operation.answers]
        schema = references[0] if len(references) == 1 else {"oneOf": references}
        answer["content"] = {media_type: {"schema": schema} for media_type in operation.media_types}
    elif operation.media_types != ("application/json",):
        answer["content"] = {media_type: {"schema": _raw(media_type)} for media_type in operation.media_types}
    return answer


def _raw(media_type: str) -> dict[str, Any]:
    """Return the schema of an answer that is no JSON. OpenAPI 3.1 describes bytes by their media type alone."""
    return {"type": "string"} if media_type.startswith("text/") else {}


def _headers(operation: Operation) -> dict[str, Any]:
    if not operation.headers:
        return {}
    described = {each.name: {"description": each.description, "schema": each.schema} for each in operation.headers}
    return {"headers": described}


def _body(operation: Operation, message: type[Message], schemas: Schemas) -> dict[str, Any]:
    inline = schemas.body(message.DESCRIPTOR)
    # What a request's address says does not stand in its body; the idempotency key stands beside what is asked for.
    for name in operation.elsewhere:
        inline["properties"].pop(name, None)
    if operation.status is HTTPStatus.ACCEPTED:
        inline["properties"]["requestId"] = {"type": "string", "maxLength": 128, "pattern": "^[A-Za-z0-9._:-]*$"}
    content: dict[str, Any] = {"application/json": {"schema": inline}}
    if operation.takes_file:
        parts = {"request": inline, "file": {"type": "string", "format": "binary"}}
        content["multipart/form-data"] = {"schema": {"type": "object", "properties": parts, "required": ["file"]}}
    return {"required": operation.status is HTTPStatus.ACCEPTED, "content": content}


def _error(status: HTTPStatus) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {"description": status.phrase, "content": content}
