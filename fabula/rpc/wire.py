"""Reads requests from their bytes, and looks at these first: a few of them can stand for very much in memory.

An empty message within a message has two bytes on the wire and a hundred in memory, so that what is just small enough
to be received could take many times as much. Encoding: https://protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from fabula.errors import InvalidRequest
from fabula.rpc.validation import validate

SMALL_BYTES = 64 * 1024
"""What is not larger is read without another look."""
MOST_FIELDS = 10_000
"""Fields that a larger request may have, those of what is in it counted too: far more than any has."""

_LEN = 2
_TEXTS = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)


def read_request(cls: type[Message], data: bytes) -> Any:
    """Return a request.

    Raises:
        InvalidRequest: it cannot be decoded, holds more than any request does, or is against the rules of the contract.
    """
    name = cls.DESCRIPTOR.name
    if len(data) > SMALL_BYTES and has_more_fields(data, cls.DESCRIPTOR, MOST_FIELDS):
        raise InvalidRequest(f"the request has more than {MOST_FIELDS} fields")
    try:
        request = cls.FromString(data)
    except DecodeError:
        raise InvalidRequest(f"the request is not a {name}: it cannot be decoded") from None
    validate(request)
    return request


def has_more_fields(data: bytes, descriptor: Any, most: int) -> bool:
    """Say whether a message has more fields and items than these; what cannot be read is left to who decodes it."""
    waiting: list[tuple[int, int, Any]] = [(0, len(data), descriptor)]
    count = 0
    while waiting:
        at, end, kind = waiting.pop()
        while at < end:
            tag, at = _varint(data, at)
            size, at = _value(data, at, tag & 7)
            field = kind.fields_by_number.get(tag >> 3) if tag & 7 == _LEN else None
            if field is not None and field.message_type is not None:
                waiting.append((at, min(at + size, end), field.message_type))
            packed = field is not None and field.is_repeated and field.message_type is None and field.type not in _TEXTS
            count += size if packed else 1  # numbers have no fewer bytes than there are of them
            if count > most:
                return True
            at += size
    return False


def _value(data: bytes, at: int, wire_type: int) -> tuple[int, int]:
    """Return how many bytes a value has, and where they begin. A group's are fields like others, and follow."""
    match wire_type:
        case 0:  # VARINT
            return 0, _varint(data, at)[1]
        case 1:  # I64
            return 8, at
        case 2:  # LEN
            return _varint(data, at)
        case 3 | 4:  # SGROUP, EGROUP
            return 0, at
        case 5:  # I32
            return 4, at
    return len(data), at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number and where it ends; behind the end of all where it is not whole."""
    value = shift = 0
    while at < len(data):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift >= 70:
            break
    return 0, len(data)
