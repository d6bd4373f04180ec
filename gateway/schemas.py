"""JSON schemas of protobuf messages as proto3 JSON writes them, with the rules that stand in the protos. Pure."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from buf.validate import validate_pb2

AnyDescriptor = Any  # the stubs know two kinds of descriptor, and nothing that both are

_SCALARS: dict[int, dict[str, Any]] = {
    FieldDescriptor.TYPE_DOUBLE: {"type": "number"},
    FieldDescriptor.TYPE_FLOAT: {"type": "number"},
    FieldDescriptor.TYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.TYPE_UINT32: {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
    FieldDescriptor.TYPE_INT64: {"type": "string", "pattern": "^-?[0-9]+$"},  # as proto3 JSON writes them
    FieldDescriptor.TYPE_UINT64: {"type": "string", "pattern": "^[0-9]+$"},
    FieldDescriptor.TYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.TYPE_STRING: {"type": "string"},
    FieldDescriptor.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
}
_WELL_KNOWN: dict[str, dict[str, Any]] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?s$"},
}
_RULES = {
    "min_len": "minLength", "max_len": "maxLength", "pattern": "pattern", "gte": "minimum", "lte": "maximum",
    "gt": "exclusiveMinimum", "lt": "exclusiveMaximum", "max_items": "maxItems", "min_items": "minItems",
}  # fmt: skip


class Schemas:
    """Gathers the schemas of messages, each once, under its name without package.

    Args:
        any_schema: What stands where a contract lets anything stand; None: what has a type.
        asked: Whether the messages are requests: fields may then be null, which is as if they were not there, and
            the names of their schemas end on "Input", as what is told has no rules.
    """

    def __init__(self, *, asked: bool = False, any_schema: dict[str, Any] | None = None) -> None:
        self._asked = asked
        self._any = any_schema or {"type": "object", "required": ["@type"], "properties": {"@type": {"type": "string"}}}
        self.components: dict[str, Any] = {}
        self._full_names: dict[str, str] = {}

    def reference(self, message: AnyDescriptor) -> dict[str, Any]:
        """Return a reference to a message's schema, which is written if it is not yet."""
        name = _name(message)
        if self._full_names.setdefault(name, message.full_name) != message.full_name:
            name = _prefixed(message, always=True)  # two services use one word, such as Source, for things of their own
            self._full_names[name] = message.full_name
        if self._asked:
            name += "Input"
        if name not in self.components:
            self.components[name] = {}  # a message may hold itself
            self.components[name] = self.body(message)
        return {"$ref": f"#/components/schemas/{name}"}

    def body(self, message: AnyDescriptor) -> dict[str, Any]:
        """Return a message's schema itself."""
        properties = {field.json_name: self._property(field) for field in message.fields}
        return {"type": "object", "properties": properties, "additionalProperties": False}

    def _property(self, field: FieldDescriptor) -> dict[str, Any]:
        schema = self._field(field)
        return _or_null(schema) if self._asked else schema

    def _field(self, field: FieldDescriptor) -> dict[str, Any]:
        rules = field.GetOptions().Extensions[validate_pb2.field]
        entry = field.message_type
        if entry is not None and entry.GetOptions().map_entry:
            return {"type": "object", "additionalProperties": self._value(entry.fields_by_name["value"])}
        if field.is_repeated:
            return {"type": "array", "items": self._value(field), **self._limits(rules)}
        return {**self._value(field), **self._limits(rules)}

    def _limits(self, rules: validate_pb2.FieldRules) -> dict[str, Any]:
        return _limits(rules) if self._asked else {}

    def _value(self, field: FieldDescriptor) -> dict[str, Any]:
        if field.message_type is not None:
            if field.message_type.full_name == "google.protobuf.Any":
                return self._any
            return _WELL_KNOWN.get(field.message_type.full_name) or self.reference(field.message_type)
        if field.enum_type is not None:
            return {"type": "string", "enum": [value.name for value in field.enum_type.values]}
        return dict(_SCALARS[field.type])


def _limits(rules: validate_pb2.FieldRules) -> dict[str, Any]:
    """Return the rules of a field, as far as JSON schema can say them."""
    which = rules.WhichOneof("type")
    if which is None or which == "bytes":  # lengths of bytes are not those of their base64
        return {}
    return {_RULES[rule.name]: value for rule, value in getattr(rules, which).ListFields() if rule.name in _RULES}


def _name(message: AnyDescriptor) -> str:
    """Return a message's name: those of one service's requests and answers carry its package's name."""
    return _prefixed(message) if message.name.endswith(("Request", "Response")) else str(message.name)


def _prefixed(message: AnyDescriptor, *, always: bool = False) -> str:
    package = message.file.package.split(".")[-2].capitalize()
    named = message.name.startswith(package) and not always
    return str(message.name) if named else f"{package}{message.name}"


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    if "type" not in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    listed = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [schema["type"], "null"], **listed}
