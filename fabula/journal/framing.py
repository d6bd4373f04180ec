"""A record's entries as the bytes of one message, and back. Pure: knows neither NATS nor protobuf.

The payload is one version byte, then for each entry: its tag (one ASCII letter), the length of its data as an
unsigned LEB128 integer, its data. The sequence of the first entry travels beside the payload; the others follow it.
"""

from __future__ import annotations

from collections.abc import Sequence

from fabula.engine.ports import Entry, Tag
from fabula.errors import LogCorrupted

VERSION = 1

_TAG_BYTES = {tag: tag.value.encode() for tag in Tag}
_TAGS = {tag.value.encode()[0]: tag for tag in Tag}
_MAX_LENGTH_BYTES = 5


def encode(entries: Sequence[Entry]) -> bytes:
    """Return the payload that holds these entries."""
    parts = [bytes((VERSION,))]
    for entry in entries:
        parts += (_TAG_BYTES[entry.tag], _length(len(entry.data)), entry.data)
    return b"".join(parts)


def decode(payload: bytes, first_sequence: int) -> tuple[Entry, ...]:
    """Return the entries of a payload; `first_sequence` is that of the first, or 0 if they are ephemeral.

    Raises:
        LogCorrupted: the bytes are no record.
    """
    if not payload or payload[0] != VERSION:
        raise LogCorrupted("A stored record has an unknown format; was it written by a newer version?")
    entries: list[Entry] = []
    position = 1
    while position < len(payload):
        tag, start, end = _bounds(payload, position)
        sequence = first_sequence + len(entries) if first_sequence else 0
        entries.append(Entry(sequence, tag, payload[start:end]))
        position = end
    if not entries:
        raise LogCorrupted("A stored record holds no entry.")
    return tuple(entries)


def _bounds(payload: bytes, position: int) -> tuple[Tag, int, int]:
    tag = _TAGS.get(payload[position])
    if tag is None:
        raise LogCorrupted(f"A stored record has an unknown tag at byte {position}.")
    length = shift = 0
    for start in range(position + 1, min(position + 1 + _MAX_LENGTH_BYTES, len(payload))):
        length |= (payload[start] & 0x7F) << shift
        shift += 7
        if payload[start] < 0x80:
            end = start + 1 + length
            if end > len(payload):
                break
            return tag, start + 1, end
    raise LogCorrupted(f"A stored record is cut off at byte {position}.")


def _length(size_bytes: int) -> bytes:
    digits = bytearray()
    while size_bytes >= 0x80:
        digits.append(size_bytes & 0x7F | 0x80)
        size_bytes >>= 7
    digits.append(size_bytes)
    return bytes(digits)
