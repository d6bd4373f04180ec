"""How sessions are named, and how far a client has been told of one. Pure.

A session is the generation of a character; its id is what follows the kind in that generation's id.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field

from fabula.errors import NotFound
from fabula.rpc.kinds import CHARACTER
from gateway.cursors import Cursor, read_cursor

_AVATAR_CURSOR = re.compile(r"(image-[0-9a-f-]{36})/([0-9]{1,10}(?:\.[0-9]{1,3})?)")


@dataclass(slots=True)
class Place:
    """How far a client has been told of a session: of the character, and then of an avatar.

    Attributes:
        character: Of the character's generation.
        avatar_id: The avatar's generation of which it was told last; empty for none.
        avatar: Of that one.
    """

    character: Cursor = field(default_factory=Cursor)
    avatar_id: str = ""
    avatar: Cursor = field(default_factory=Cursor)

    @property
    def value(self) -> int | str:
        """The place as clients keep it: once the avatar is told of, all of the character was."""
        return f"{self.avatar_id}/{self.avatar.value}" if self.avatar_id else self.character.value


def read_place(value: object) -> tuple[Cursor, str, Cursor]:
    """Return the parts of a place that a client gives back; the first is of no use with an avatar's.

    Raises:
        InvalidRequest: it is none.
    """
    if isinstance(value, str) and (found := _AVATAR_CURSOR.fullmatch(value)):
        return Cursor(), found[1], read_cursor(found[2])
    return read_cursor(value), "", Cursor()


def character_id_of(session_id: object) -> str:
    """Return the character's id of a session, or of a character. Raises `NotFound` for what is neither."""
    text = session_id.removeprefix(f"{CHARACTER.name}-") if isinstance(session_id, str) else ""
    try:
        known = str(uuid.UUID(text)) == text
    except ValueError:
        known = False
    if not known:
        raise NotFound(NO_SESSION)
    return f"{CHARACTER.name}-{text}"


NO_SESSION = "there is no such character generation"
"""Told of sessions that do not exist, and of other users' in the same words."""


def session_id_of(character_id: str) -> str:
    """Return the session's id of a character."""
    return character_id.removeprefix(f"{CHARACTER.name}-")


def room_name(owner: str, character_id: str) -> str:
    """Return the name of the room of a session: nobody but its owner can be in it."""
    return f"character_generation:{owner}:{session_id_of(character_id)}"
