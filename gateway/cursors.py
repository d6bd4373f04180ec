"""How far a client has been told of a generation. Pure.

A cursor is the sequence of the entry up to which all is told. Where an entry brings several payloads, those before the
last have a cursor "N.k": everything up to entry N, and k payloads of the next one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from fabula.errors import InvalidRequest

LARGEST_SEQUENCE = 2**32 - 1
_CURSOR = re.compile(r"([0-9]{1,10})(?:\.([0-9]{1,3}))?")


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a client has been told.

    Attributes:
        sequence: Everything up to this entry.
        more: So many payloads of the next one.
    """

    sequence: int = 0
    more: int = 0

    @property
    def value(self) -> int | str:
        """The cursor as clients keep it."""
        return f"{self.sequence}.{self.more}" if self.more else self.sequence


def read_cursor(value: object, name: str = "after") -> Cursor:
    """Return a cursor that a client gives back. Raises `InvalidRequest`."""
    found = _CURSOR.fullmatch(str(value)) if isinstance(value, int | str) and not isinstance(value, bool) else None
    if found is None or int(found[1]) > LARGEST_SEQUENCE:
        problem = "must be a cursor as it was given out: a whole number, or text such as '16.1'"
        raise InvalidRequest(f"{name} {problem}", ((name, problem),))
    return Cursor(int(found[1]), int(found[2] or 0))


def read_sequence(value: str | None, name: str = "after") -> int | None:
    """Return the sequence of a cursor, where entries are told whole: of "N.k" the entry behind N is not told yet.

    Returns:
        The sequence; 0 where the text is empty, None where there is none.

    Raises:
        InvalidRequest: it is no cursor.
    """
    return read_cursor(value, name).sequence if value else None if value is None else 0


SEQUENCE_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": LARGEST_SEQUENCE},
        {"type": "string", "pattern": r"^[0-9]{1,9}\.[0-9]{1,3}$"},
    ]
}
"""What `read_sequence` reads, as JSON Schema: the text is a cursor of an event stream of family D."""
