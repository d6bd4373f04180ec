"""The schemas of what the gateway tells in its native words: frames, and what services say in them. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from fabula.api.gateway.v1 import gateway_pb2
from fabula.rpc.kinds import KINDS
from gateway.dialects.native import TYPE_PREFIX
from gateway.schemas import Schemas


def told_schemas(generators: Collection[str]) -> Schemas:
    """Return the schemas of all messages of the gateway's own contract, and of what these services put into them.

    Args:
        generators: Which kinds there are.
    """
    responses = {"oneOf": [{"$ref": f"#/components/schemas/{_name(kind)}"} for kind in generators]}
    schemas = Schemas(any_schema=responses)
    for message in gateway_pb2.DESCRIPTOR.message_types_by_name.values():
        schemas.reference(message)
    for kind in generators:
        schemas.components[_name(kind)] = _response(kind, schemas)
    return schemas


def _name(kind: str) -> str:
    return f"{kind.capitalize()}Response"


def _response(kind: str, schemas: Schemas) -> dict[str, Any]:
    """Return the schema of a service's own response in a frame: its type says of which service it is."""
    message = KINDS[kind].response("WatchProgress").DESCRIPTOR
    body = schemas.body(message)
    properties = {"@type": {"const": TYPE_PREFIX + message.full_name}, **body["properties"]}
    return {**body, "required": ["@type"], "properties": properties}
