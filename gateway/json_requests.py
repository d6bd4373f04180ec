"""Reads proto3 JSON into messages, and says precisely which field is wrong. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from fabula.errors import InvalidRequest

_EXPECTED = {
    FieldDescriptor.CPPTYPE_INT32: "must be a whole number",
    FieldDescriptor.CPPTYPE_UINT32: f"must be a whole number from 0 to {2**32 - 1}",
    FieldDescriptor.CPPTYPE_DOUBLE: "must be a number",
    FieldDescriptor.CPPTYPE_BOOL: "must be true or false",
    FieldDescriptor.CPPTYPE_ENUM: "must be one of the names that the contract lists",
    FieldDescriptor.CPPTYPE_MESSAGE: "must be an object",
}


MOST_VALUES = 10_000
"""Lists, objects and what is in them, of one body: far more than any request has, and read in a moment."""
MOST_OPENED = 20_000
"""Brackets that are opened in one body, outside of strings: more are not even read."""

_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
"""JSON's strings; one without an end goes to the end, so that a text is gone through once."""

_UNREADABLE = (json_format.ParseError, OverflowError, UnicodeError, SystemError)
"""What the library raises for what it cannot read: also numbers larger than any, and halves of characters in names."""


def parse_object(text: bytes | str, what: str = "the body") -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        InvalidRequest: it is not UTF-8, not JSON or no object, or holds more than anybody needs.
    """
    brackets = (b"{", b"[") if isinstance(text, bytes) else ("{", "[")
    if sum(map(text.count, brackets)) > MOST_OPENED and _opened(text) > MOST_OPENED:  # type: ignore[arg-type]
        raise InvalidRequest(f"{what} has more than {MOST_OPENED} brackets")
    try:
        content = json.loads(text)
    except UnicodeDecodeError:
        raise InvalidRequest(f"{what} is not UTF-8") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InvalidRequest(f"{what} is not JSON: {error.msg} in {where}") from None
    except (ValueError, RecursionError):
        raise InvalidRequest(f"{what} is not JSON that can be read: a number too long, or nesting too deep") from None
    if not isinstance(content, dict):
        raise InvalidRequest(f"{what} must be a JSON object")
    return content


def _opened(text: bytes | str) -> int:
    """Return how many brackets are opened outside of strings."""
    data = text if isinstance(text, bytes) else text.encode(errors="surrogatepass")
    bare = _STRINGS.sub(b"", data)
    return bare.count(b"{") + bare.count(b"[")


def fill(message: Message, content: object) -> None:
    """Set a message's fields from proto3 JSON.

    Raises:
        InvalidRequest: an unknown field, a value of the wrong type or out of range; its violation names the field. Or
            there are more than `MOST_VALUES`.
    """
    if not isinstance(content, dict):
        raise InvalidRequest("a JSON object is expected")
    if _has_more_values(content, MOST_VALUES):
        raise InvalidRequest(f"the JSON has more than {MOST_VALUES} values")
    try:
        json_format.ParseDict(content, message)
    except _UNREADABLE:
        field, text = _find(message.DESCRIPTOR, content)
        field = field.encode(errors="backslashreplace").decode()  # an answer cannot hold halves of characters
        raise InvalidRequest(f"{field}: {text}" if field else text, ((field, text),)) from None
    except RecursionError:
        raise InvalidRequest("the JSON is nested too deep") from None


def _has_more_values(content: object, most: int) -> bool:
    waiting, count = [content], 0
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict | list):
            count += len(value)
            if count > most:
                return True
            waiting.extend(value.values() if isinstance(value, dict) else value)
    return False


def _find(message: Any, content: dict[str, Any]) -> tuple[str, str]:
    """Return the path of the first field that cannot be read, and what is wrong with it."""
    if message.full_name == "google.protobuf.Struct":
        return "", "must be an object whose text is valid Unicode, and whose numbers are not too large"
    fields = {name: field for field in message.fields for name in (field.json_name, field.name)}
    for name, value in content.items():
        if name not in fields:
            return name, "there is no such field"
        if not _reads(message, {name: value}):
            path, text = _find_inside(fields[name], value)
            return f"{name}{path}", text
    names = ", ".join(sorted(content)).encode(errors="backslashreplace").decode()
    return "", f"fields are given that exclude each other, or twice: {names}"


def _find_inside(field: Any, value: object) -> tuple[str, str]:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return "", "must be an object with values of the right type"
    if field.is_repeated:
        if not isinstance(value, list):
            return "", "must be a list"
        index = next((i for i, item in enumerate(value) if not _reads_one(field, item)), None)
        if index is None:
            return "", "must be a list of what the contract says"
        value = value[index]
        path, text = _find_one(field, value)
        return f"[{index}]{path}", text
    return _find_one(field, value)


def _find_one(field: Any, value: object) -> tuple[str, str]:
    if field.message_type is not None and isinstance(value, dict):
        path, text = _find(field.message_type, value)
        return f".{path}" if path else "", text
    if field.type == FieldDescriptor.TYPE_STRING:
        return "", "must be a string of valid Unicode"
    if field.type == FieldDescriptor.TYPE_BYTES:
        return "", "must be a string in base64"
    return "", _EXPECTED.get(field.cpp_type, "is of the wrong type")


def _reads_one(field: Any, item: object) -> bool:
    return _reads(field.containing_type, {field.name: [item]})


def _reads(message: Any, content: dict[str, Any]) -> bool:
    try:
        json_format.ParseDict(content, message_factory.GetMessageClass(message)())
    except _UNREADABLE:
        return False
    return True


def in_json_names(
    error: InvalidRequest, inside: str = "", names: Mapping[str, str] = MappingProxyType({})
) -> InvalidRequest:
    """Return a service's refusal with its field paths as they read in JSON.

    Args:
        error: The refusal, with paths of the proto such as "story.characters[0].first_name".
        inside: Field that the JSON leaves out, because the whole body stands for it: "story".
        names: What clients call fields otherwise, by the names in JSON.
    """
    prefix = f"{inside}." if inside else ""
    told = [(_camel(path.removeprefix(prefix)), text) for path, text in error.violations]
    violations = tuple((names.get(name, name), text) for name, text in told)
    message = error.message
    for (path, _), (name, _) in zip(error.violations, violations, strict=True):
        if path:  # the name is a client's, and no pattern
            message = re.sub(rf"(?<!\w){re.escape(path)}(?!\w)", name.replace("\\", r"\\"), message, count=1)
    return InvalidRequest(message, violations, **error.details)


def _camel(path: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), path)
