"""The rpcs of the library: characters that were made are read, listed, changed, saved and discarded.

The library is the records (`shelf`). A generation that is deleted leaves its character there; discarding a character
removes both.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from fabula.api.character.v1 import character_pb2 as pb
from fabula.engine.ports import Address
from fabula.errors import InvalidRequest, LogCorrupted, NotFound, Superseded
from fabula.rpc import removal
from fabula.rpc.codec import ProtoCodec
from fabula.rpc.kinds import CHARACTER
from fabula.rpc.stores import Call, Stores, address_of_own
from services.character import avatars, bounds
from services.character.clock import Clock, now
from services.character.codec import character_to_message, details_from_message
from services.character.domain import Details
from services.character.sheet import Avatar, AvatarState, Character
from services.character.shelf import Shelf
from services.character.texts import plain, plain_line

PENDING = AvatarState.PENDING

DEFAULT_PAGE = 20
LARGEST_PAGE = 100

PAGE_BYTES = 2 * 1024 * 1024
"""A page ends with the character that reaches this size: by default clients of gRPC take 4 MiB at once."""


class Library:
    """Answers the rpcs of the library.

    Args:
        stores: Where things are kept.
        codec: The events of characters.
        clock: Tells the time.
    """

    def __init__(self, stores: Stores, codec: ProtoCodec, clock: Clock = now) -> None:
        self._stores = stores
        self._codec = codec
        self._shelf = Shelf(stores.records)
        self._clock = clock

    async def get(self, call: Call, request: Any) -> pb.GetCharacterResponse:
        """GetCharacter."""
        character = _found(await self._shelf.get(_address(call, request)), request.character_id)
        return pb.GetCharacterResponse(character=character_to_message(character))

    async def list(self, call: Call, request: Any) -> pb.ListCharactersResponse:
        """ListCharacters."""
        words = request.query.casefold().split()
        saved = request.saved if request.HasField("saved") else None
        scope = _scope(call.owner, words, saved)
        wanted = [one for one in await self._shelf.all(call.owner) if _matches(one, words, saved)]
        rest = _behind(sorted(wanted, key=_place, reverse=True), request.page_token, scope)
        page = _page(rest, min(request.page_size or DEFAULT_PAGE, LARGEST_PAGE))
        token = f"{scope}.{_micros(rest[len(page) - 1])}.{rest[len(page) - 1].id}" if len(page) < len(rest) else ""
        return pb.ListCharactersResponse(characters=page, next_page_token=token)

    async def update(self, call: Call, request: Any) -> pb.UpdateCharacterResponse:
        """UpdateCharacter."""
        address = _address(call, request)
        before = _found(await self._shelf.get(address), request.character_id)
        if request.etag != before.etag:
            raise _changed(before.id)
        details, history = _new_details(request, before), _new_history(request, before)
        after = replace(before, details=details, history=history)
        if after != before:
            try:
                after = replace(after, update_time=self._clock())
                after = await self._shelf.put(address, after, after=before.etag)
            except Superseded:
                raise _changed(before.id) from None
        return pb.UpdateCharacterResponse(character=character_to_message(after))

    async def save(self, call: Call, request: Any) -> pb.SaveCharacterResponse:
        """SaveCharacter."""

        def save(before: Character | None) -> Character:
            found = _found(before, request.character_id)
            if found.saved:
                return found
            return replace(found, saved=True, expire_time=None, update_time=self._clock())

        kept = await self._shelf.change(_address(call, request), save)
        return pb.SaveCharacterResponse(character=character_to_message(kept))

    async def discard(self, call: Call, request: Any) -> pb.DiscardCharacterResponse:
        """DiscardCharacter. The character goes last of all, so that who is interrupted can do it again."""
        address = _address(call, request)
        try:
            await removal.remove(self._stores, self._codec, address)
        except NotFound:
            raise _not_found(request.character_id) from None
        character = None
        with suppress(LogCorrupted):  # what cannot be read is good for nothing but to be removed
            character = await self._shelf.kept(address)  # one that a janitor has begun to drop still knows its avatar
        await avatars.queue_removal(self._stores.records, address, character.avatar if character else Avatar())
        await self._shelf.discard(address)
        return pb.DiscardCharacterResponse()

    async def regenerate_avatar(self, call: Call, request: Any) -> pb.RegenerateAvatarResponse:
        """RegenerateAvatar."""
        address, records = _address(call, request), self._stores.records
        attempt = avatars.attempt_of(request.request_id or str(uuid.uuid4()))
        task = avatars.painting(address, attempt, call.trace_id)
        replaced = Avatar()

        def link(before: Character | None) -> Character:
            nonlocal replaced
            found = _found(before, request.character_id)
            if found.avatar.generation_id == task.generation_id:
                return found
            replaced = found.avatar
            return replace(found, avatar=replace(replaced, state=PENDING, generation_id=task.generation_id, failure=""))

        if await avatars.was_asked(records, task):
            kept = _found(await self._shelf.get(address), request.character_id)
        else:
            kept = await self._shelf.change(address, link)
            if kept.avatar.state is PENDING:
                remove = tuple(id_ for id_ in (replaced.generation_id, kept.avatar.ready_generation_id) if id_)
                wanted = partial(self._shelf.waits_for, address, task.generation_id)
                await avatars.queue(records, replace(task, remove=remove), wanted)
            await avatars.note_asked(records, task)
        return pb.RegenerateAvatarResponse(character=character_to_message(kept))


def _address(call: Call, request: Any) -> Address:
    try:
        return address_of_own(CHARACTER.name, call, request.character_id)
    except NotFound:
        raise _not_found(request.character_id) from None


def _found(character: Character | None, id_: str) -> Character:
    if character is None:
        raise _not_found(id_)
    return character


def _not_found(id_: str) -> NotFound:
    """Return the error for an id that is nobody's, or another's: the two are told alike."""
    return NotFound("there is no such character", id=id_, resource="character")


def _changed(id_: str) -> Superseded:
    return Superseded("the character has changed since it was read: read it again, and change what it is now", id=id_)


def _new_details(request: Any, before: Character) -> Details | None:
    """Return who it is from now on. What the proto's rules let pass may still be empty without white space."""
    if not request.HasField("details"):
        return before.details
    asked = details_from_message(request.details)
    changes: dict[str, Any] = {name: plain_line(getattr(asked, name)) for name in bounds.LONGEST}
    changes["traits"] = tuple(trait for trait in map(plain_line, asked.traits) if trait)
    details = replace(asked, **changes)
    if wrong := bounds.problems(details):
        raise InvalidRequest(wrong[0][1], tuple((f"details.{name}", problem) for name, problem in wrong))
    return details


def _new_history(request: Any, before: Character) -> str:
    return plain(request.history) if request.HasField("history") else before.history


def _matches(character: Character, words: Iterable[str], saved: bool | None) -> bool:
    details = character.details
    if saved is not None and character.saved is not saved:
        return False
    if details is None:
        return not words
    told = (details.first_name, details.last_name, details.species, details.profession, details.physical_description)
    text = "\n".join(told).casefold()
    return all(word in text for word in words)


def _page(characters: Sequence[Character], size: int) -> list[pb.Character]:
    """Return the first of these, as many as a page holds."""
    page: list[pb.Character] = []
    size_bytes = 0
    for character in characters[:size]:
        page.append(character_to_message(character))
        size_bytes += page[-1].ByteSize()
        if size_bytes >= PAGE_BYTES:
            break
    return page


def _behind(characters: Sequence[Character], token: str, scope: str) -> Sequence[Character]:
    """Return what follows the page that gave this token. Its scope tells a token of this list from any other."""
    if not token:
        return characters
    of, _, place = token.partition(".")
    micros, _, id_ = place.partition(".")
    if of != scope or not (micros.isascii() and micros.isdigit()):
        problem = "not a page token of this list: give the one that came with the page before, and the same query"
        raise InvalidRequest(problem, (("page_token", problem),))
    return [one for one in characters if _place(one) < (int(micros), id_)]


def _place(character: Character) -> tuple[int, str]:
    """Return what a character is sorted by; no two have the same."""
    return _micros(character), character.id


def _micros(character: Character) -> int:
    return round(character.create_time.timestamp() * 1e6)


def _scope(owner: str, words: Sequence[str], saved: bool | None) -> str:
    return hashlib.sha256(f"{owner}\0{words}\0{saved}".encode()).hexdigest()[:16]
