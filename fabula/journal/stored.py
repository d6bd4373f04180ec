"""A message as a stream holds it, and the records read from it. Pure: no connection."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from string import whitespace
from typing import Any

from fabula.engine.ports import Record
from fabula.errors import LogCorrupted
from fabula.journal import framing

SEQUENCE = "Fabula-Sequence"
"""Header: sequence of a record's first entry."""
APPEND = "Fabula-Append"
"""Header: the writer's id of this append."""
OWNER = "Fabula-Owner"
"""Header of a record that queues or ends: the owner, percent-encoded; the subject holds a digest only."""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message of a stream.

    Attributes:
        subject: Where it was stored.
        revision: Its position in the stream.
        headers: Those of the writer, perhaps with some of the server's.
        data: The payload.
    """

    subject: str
    revision: int
    headers: Mapping[str, str]
    data: bytes


def from_delivery(headers: Mapping[str, str] | None, data: bytes) -> StoredMessage:
    """Return the message that a direct get or the republishing stream delivered.

    Raises:
        LogCorrupted: it does not carry the server's headers.
    """
    known = headers or {}
    try:
        return StoredMessage(known["Nats-Subject"], int(known["Nats-Sequence"]), known, data)
    except (KeyError, ValueError) as error:
        raise LogCorrupted("The store delivered a message without its place in the log.") from error


def from_api(message: Mapping[str, Any]) -> StoredMessage:
    """Return the message in an answer of the stream API (STREAM.MSG.GET)."""
    headers = headers_of(base64.b64decode(message.get("hdrs", "")).partition(b"\r\n")[2])
    return StoredMessage(message["subject"], message["seq"], headers, base64.b64decode(message.get("data", "")))


def headers_of(block: bytes) -> dict[str, str]:
    """Return the headers in a block of lines `Name: value`, without the line before them that says `NATS/1.0`."""
    lines = (line.partition(":") for line in block.decode(errors="replace").split("\r\n"))
    return {name: value.strip(whitespace) for name, separator, value in lines if separator}


def record_of(message: StoredMessage) -> Record:
    """Return the record that a message of the events stream holds.

    Raises:
        LogCorrupted: it holds none.
    """
    try:
        first_sequence = int(message.headers[SEQUENCE])
        append_id = message.headers[APPEND]
    except (KeyError, ValueError) as error:
        raise LogCorrupted(f"Message {message.revision} of the log carries no sequence.") from error
    return Record(message.revision, append_id, framing.decode(message.data, first_sequence))
