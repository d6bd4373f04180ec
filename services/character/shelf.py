"""Where characters are kept: one record for each, its revision is the etag."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import structlog
from google.protobuf.message import DecodeError

from fabula.api.character.v1 import character_pb2 as pb
from fabula.engine.ids import owner_token
from fabula.engine.ports import Address, GenerationId, Records, Stored
from fabula.errors import LogCorrupted, Superseded, Unavailable
from fabula.rpc.kinds import CHARACTER
from services.character.codec import character_from_message, character_to_message
from services.character.sheet import Character

CHARACTERS = "characters"
"""What all keys begin with; then come the owner's token and the character's id."""

OWNERS = "character-owners"
"""What the keys begin with that tell the owner of each token."""

RACES = 20
"""How often a change is made again because somebody else wrote first."""

CHANGES_TOO_FAST = "the character is changing too fast: try again"

TURN = 100
"""So many characters are read before others have their turn."""

_log = structlog.get_logger(__name__)


class Shelf:
    """Keeps characters.

    Args:
        records: Where.
    """

    def __init__(self, records: Records) -> None:
        self._records = records

    async def get(self, address: Address) -> Character | None:
        """Return the character that this generation has made; None if there is none.

        Raises:
            LogCorrupted: what is kept cannot be read.
        """
        character = await self.kept(address)
        return None if character is None or character.details is None else character

    async def kept(self, address: Address) -> Character | None:
        """Return what is kept of a character: as `get`, and of one that is being dropped what is left."""
        stored = await self._records.get(key_of(address))
        return None if stored is None else _character_of(stored)

    async def waits_for(self, address: Address, generation_id: str) -> bool:
        """Say whether this is the generation of the avatar that the character is to have."""
        character = await self.get(address)
        return character is not None and character.avatar.generation_id == generation_id

    async def all(self, owner: str) -> list[Character]:
        """Return the owner's characters. What cannot be read is left out: all the others still can."""
        found: list[Character] = []
        for key, stored in (await self._records.all(_prefix(owner))).items():
            try:
                found.append(_character_of(stored))
            except LogCorrupted as error:
                _log.error("character_corrupted", key=key, reason=error.message)
        return [one for one in found if one.details is not None]

    async def everybodys(self) -> list[tuple[Address, Character]]:
        """Return all characters there are, and those that are being dropped; what cannot be read is left out."""
        stored_owners = (await self._records.all(OWNERS)).items()
        owners = {key.rpartition(".")[2]: stored.value.decode() for key, stored in stored_owners}
        found: list[tuple[Address, Character]] = []
        for count, (key, stored) in enumerate((await self._records.all(CHARACTERS)).items()):
            if count % TURN == 0:
                await asyncio.sleep(0)
            _, token, id_ = key.split(".")
            with suppress(LogCorrupted):
                if token in owners:
                    address = Address(CHARACTER.name, owners[token], GenerationId(id_))
                    found.append((address, _character_of(stored)))
        return found

    async def note_owner(self, owner: str) -> None:
        """Keep who has characters: their keys do not tell."""
        await self._records.put(f"{OWNERS}.{owner_token(owner)}", owner.encode())

    async def begin_to_drop(self, address: Address, character: Character) -> Character:
        """Leave of a character only what it takes to remove the rest: nobody finds it any more.

        Raises:
            Superseded: it has changed meanwhile: it may have been saved.
        """
        return await self.put(address, Character(character.id, avatar=character.avatar), after=character.etag)

    async def put(self, address: Address, character: Character, *, after: str) -> Character:
        """Keep a character in the place of the one with the etag `after` (empty: there is none); return it as kept.

        Raises:
            Superseded: the one in its place is another.
        """
        value = character_to_message(replace(character, etag="")).SerializeToString()
        revision = await self._records.put(key_of(address), value, after=int(after or 0))
        return replace(character, etag=str(revision))

    async def change(self, address: Address, change: Callable[[Character | None], Character]) -> Character:
        """Change a character, whoever else may change it meanwhile; return it as kept.

        Args:
            address: Of its generation.
            change: From what is kept to what is to be kept; the same again writes nothing. May be called more than
                once, and may raise.

        Raises:
            Unavailable: somebody else wrote first each time.
        """
        for _ in range(RACES):
            before = await self.get(address)
            after = change(before)
            if after == before:
                return after
            try:
                return await self.put(address, after, after=before.etag if before else "")
            except Superseded:
                continue
        raise Unavailable(CHANGES_TOO_FAST)

    async def discard(self, address: Address) -> None:
        """Remove a character. Idempotent."""
        await self._records.delete(key_of(address))


def key_of(address: Address) -> str:
    """Return the key of the record that keeps what this generation has made."""
    return f"{_prefix(address.owner)}.{address.id}"


def _prefix(owner: str) -> str:
    return f"{CHARACTERS}.{owner_token(owner)}"


def _character_of(stored: Stored) -> Character:
    try:
        message = pb.Character.FromString(stored.value)
        return replace(character_from_message(message), etag=str(stored.revision))
    except (DecodeError, KeyError, ValueError, OverflowError) as error:
        raise LogCorrupted("what is kept of the character cannot be read by this version") from error
