"""How the schemas of payloads are written. Pure."""

from __future__ import annotations

from typing import Any

from gateway.dialects.standing import STATUSES

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
TRUE: Schema = {"const": True}
FALSE: Schema = {"const": False}
COUNT: Schema = {"type": "integer", "minimum": 0}
SECONDS: Schema = {"type": "number", "minimum": 0}
PERCENT: Schema = {"type": "number", "minimum": 0, "maximum": 100}
WHOLE_PERCENT: Schema = {"type": "integer", "minimum": 0, "maximum": 100}
TIME: Schema = {
    "type": "string",
    "format": "date-time",
    "pattern": r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$",
    "description": "ISO 8601 in UTC, with milliseconds.",
}
STATUS: Schema = {"type": "string", "enum": list(STATUSES.values())}
REQUEST_ID: Schema = {
    "type": ["string", "null"],
    "description": "Of your own, any text: the same one with the same wishes begins nothing anew.",
}
CURSOR: Schema = {
    "type": ["integer", "string"],
    "minimum": 0,
    "description": "How far you have been told: give it back as it came.",
}


def record(properties: dict[str, Schema], *, optional: tuple[str, ...] = (), description: str = "") -> Schema:
    """Return the schema of an object with exactly these properties."""
    described: Schema = {"description": description} if description else {}
    required = [name for name in properties if name not in optional]
    return {
        **described,
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


def wishes(properties: dict[str, Schema], description: str, **more: Any) -> Schema:
    """Return the schema of a lenient request: what is known has to make sense, what is not is ignored."""
    return {"type": "object", "description": description, "properties": properties, **more}


def or_null(schema: Schema) -> Schema:
    """Return the schema of what may be null."""
    if isinstance(kind := schema.get("type"), str) and "enum" not in schema:
        return {**schema, "type": [kind, "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def ref(name: str) -> Schema:
    """Return a reference to a schema of this package, or of the contract."""
    return {"$ref": f"#/components/schemas/{name}"}


def words(*values: str) -> Schema:
    """Return the schema of one of some words."""
    return {"const": values[0]} if len(values) == 1 else {"type": "string", "enum": list(values)}
