"""Reads proto3 JSON into messages, and says precisely which field is wrong. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

from fabula.errors import InvalidRequest

_UNKNOWN = re.compile(r'has no field named "(?P<name>[^"]*)" at "[^".\[]*\.?(?P<path>[^"]*)"')
_TWICE = re.compile(r'should not have multiple "(?P<name>[^"]*)" oneof fields at "[^".\[]*\.?(?P<path>[^"]*)"')
_INSIDE = re.compile(r"Failed to parse (?P<name>\w+) field: (?P<rest>.*)", re.DOTALL)
_AT = re.compile(r"(?P<text>.*) at [A-Z]\w*\.(?P<path>[\w.\[\]]+)\.*", re.DOTALL)


def parse_object(text: bytes | str, what: str = "the body") -> dict[str, Any]:
    """Return a JSON object.

    Raises:
        InvalidRequest: it is not UTF-8, not JSON or no object.
    """
    try:
        content = json.loads(text)
    except UnicodeDecodeError:
        raise InvalidRequest(f"{what} is not UTF-8") from None
    except json.JSONDecodeError as error:
        raise InvalidRequest(f"{what} is not JSON: {error.msg} in line {error.lineno}, column {error.colno}") from None
    except (ValueError, RecursionError):
        raise InvalidRequest(
            f"{what} is not JSON that anybody would write: numbers too long or nested too deep"
        ) from None
    if not isinstance(content, dict):
        raise InvalidRequest(f"{what} must be a JSON object")
    return content


def fill(message: Message, content: object) -> None:
    """Set a message's fields from proto3 JSON.

    Raises:
        InvalidRequest: an unknown field, a value of the wrong type or out of range; its violation names the field.
    """
    if not isinstance(content, dict):
        raise InvalidRequest("a JSON object is expected")
    try:
        json_format.ParseDict(content, message)
    except json_format.ParseError as error:
        field, text = violation_of(str(error))
        raise InvalidRequest(f"{field}: {text}" if field else text, ((field, text),)) from None
    except RecursionError:
        raise InvalidRequest("the JSON is nested too deep") from None


def violation_of(text: str) -> tuple[str, str]:
    """Return which field a `ParseError` is about, as a path in JSON, and what is wrong with it."""
    if found := _UNKNOWN.search(text):
        return _join(found["path"], found["name"]), "there is no such field"
    if found := _TWICE.search(text):
        return found["path"], "fields are given that exclude each other"
    if found := _AT.fullmatch(text):
        _, reason = _inner("", found["text"])
        return found["path"], reason
    return _inner("", text)


def _inner(path: str, text: str) -> tuple[str, str]:
    while found := _INSIDE.fullmatch(text):
        path, text = _join(path, found["name"]), found["rest"]
    return path, text.rstrip(".")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def in_json_names(error: InvalidRequest, inside: str = "") -> InvalidRequest:
    """Return a service's refusal with its field paths as they read in JSON.

    Args:
        error: The refusal, with paths of the proto such as "story.characters[0].first_name".
        inside: Field that the JSON leaves out, because the whole body stands for it: "story".
    """
    prefix = f"{inside}." if inside else ""
    violations = tuple((_camel(path.removeprefix(prefix)), text) for path, text in error.violations)
    message = error.message
    for (path, _), (name, _) in zip(error.violations, violations, strict=True):
        message = message.replace(path, name, 1) if path else message
    return InvalidRequest(message, violations, **error.details)


def _camel(path: str) -> str:
    return re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), path)
