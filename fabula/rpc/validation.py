"""Checks requests against the rules that stand in the protos: one validator for the whole process."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import protovalidate

from buf.validate import validate_pb2
from fabula.errors import InvalidRequest

MOST_VIOLATIONS = 16
"""So many are told of; whoever makes more mistakes is told how many."""
MOST_ITEMS = 1000
"""Of a field that says nothing of it itself."""
FEW_ITEMS = 100
"""So many are looked at, whether the field may have them or not."""

_validator = protovalidate.Validator()


def warm(messages: Iterable[Any]) -> None:
    """Compile the rules of these messages now: a first check takes tens of milliseconds, later ones microseconds."""
    for message in messages:
        for _ in _validator.collect_violations(message):
            break


def validate(message: Any) -> None:
    """Check a request message.

    Raises:
        InvalidRequest: with a violation for each rule that does not hold, up to `MOST_VIOLATIONS`. A field with far too
            many items is the only one that is told of: to look at the rules of its items could take long.
    """
    _refuse_too_many(message, "")
    found = _validator.collect_violations(message)
    if not found:
        return
    told = found[:MOST_VIOLATIONS]
    violations = tuple((_path(violation.proto.field), violation.proto.message or "") for violation in told)
    first = ": ".join(part for part in violations[0] if part)
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    raise InvalidRequest(f"{first}{more}", violations)


def _refuse_too_many(message: Any, inside: str) -> None:
    for field, value in message.ListFields():
        path = f"{inside}{field.name}"
        if not field.is_repeated:
            if field.message_type is not None:
                _refuse_too_many(value, f"{path}.")
        elif len(value) > max(FEW_ITEMS, most := most_items(field)):
            problem = f"must contain no more than {most} items"
            raise InvalidRequest(f"{path}: {problem}", ((path, problem),))
        elif field.message_type is not None and not field.message_type.GetOptions().map_entry:
            for index, item in enumerate(value):
                _refuse_too_many(item, f"{path}[{index}].")


@cache
def most_items(field: Any) -> int:
    """Return how many items a repeated field may have, by its descriptor."""
    repeated = field.GetOptions().Extensions[validate_pb2.field].repeated
    return repeated.max_items if repeated.HasField("max_items") else MOST_ITEMS


def _path(field: Any) -> str:
    """Return a field path as people write it: `story.characters[2].name`."""
    parts: list[str] = []
    for element in field.elements if field is not None else ():
        index = _index(element)
        parts.append(f"{element.field_name}{index}")
    return ".".join(parts)


def _index(element: Any) -> str:
    subscript = element.subscript
    return "" if subscript is None else f"[{getattr(subscript, 'value', subscript)}]"
