"""WatchCharacter: a character's events, and then its avatar's, which another service tells."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

from fabula.api.character.v1 import character_pb2 as pb
from fabula.api.image.v1 import image_pb2
from fabula.engine.ports import Address
from fabula.errors import NotFound
from fabula.rpc.client import Client
from fabula.rpc.kinds import CHARACTER
from fabula.rpc.stores import Call, Stores, StreamMethod, address_of_own
from services.character.codec import character_to_message
from services.character.sheet import AvatarState, Character
from services.character.shelf import Shelf

LOOK_SECONDS = 0.25
"""How often the library is looked into when an avatar's generation has ended: a keeper notes that at once."""

IDLE_LOOK_SECONDS = 1.0
"""The same while nothing comes from the image service."""

LOOKS_IN_VAIN = 3
"""After so many without an event, a failed avatar is taken for one that was never begun."""


class CharacterWatch:
    """Answers WatchCharacter.

    Args:
        stores: Where things are kept.
        watch: WatchProgress of characters.
        images: To the image service.
    """

    def __init__(self, stores: Stores, watch: StreamMethod, images: Client) -> None:
        self._shelf = Shelf(stores.records)
        self._watch = watch
        self._images = images

    async def watch(self, call: Call, request: Any) -> AsyncGenerator[bytes, None]:
        """WatchCharacter."""
        async with aclosing(self._character(call, request)) as events:
            async for data in events:
                event = pb.WatchProgressResponse.FromString(data)
                yield pb.WatchCharacterResponse(character=event).SerializeToString()
        address = address_of_own(CHARACTER.name, call, request.character_id)
        shown, cursor = request.avatar_generation_id, request.avatar_after_sequence
        while (character := await self._shelf.get(address)) is not None:
            avatar = character.avatar
            if avatar.state is AvatarState.NONE:
                return
            after = cursor if avatar.generation_id == shown else 0
            async with aclosing(self._avatar(call, address, avatar.generation_id, after)) as events:
                async for event in events:
                    shown, cursor = avatar.generation_id, event.sequence or cursor
                    yield pb.WatchCharacterResponse(avatar=event).SerializeToString()
            ended = await self._ended(address, avatar.generation_id)
            if ended is not None and ended.avatar.generation_id == avatar.generation_id:
                yield pb.WatchCharacterResponse(changed=character_to_message(ended)).SerializeToString()
                return

    async def _character(self, call: Call, request: Any) -> AsyncGenerator[bytes, None]:
        """Yield the events of the character's generation; none where that was deleted, and the character stays."""
        id_ = request.character_id
        progress = pb.WatchProgressRequest(generation_id=id_, after_sequence=request.after_sequence)
        try:
            async with aclosing(self._watch(call, progress)) as events:
                async for data in events:
                    yield data
        except NotFound:
            kept = None
            with suppress(NotFound):
                kept = await self._shelf.get(address_of_own(CHARACTER.name, call, id_))
            if kept is None:
                raise NotFound("there is no such character", id=id_, resource="character") from None

    async def _avatar(self, call: Call, address: Address, generation_id: str, after: int) -> AsyncGenerator[Any, None]:
        """Yield the events of an avatar's generation, from before it is begun to its end."""
        while True:
            request = image_pb2.WatchProgressRequest(
                generation_id=generation_id, after_sequence=after, wait_for_start=True
            )
            try:
                async with (
                    aclosing(self._images.watch(request, call.caller)) as responses,
                    aclosing(self._while_wanted(responses, address, generation_id)) as wanted,
                ):
                    async for response in wanted:
                        after = response.event.sequence or after
                        yield response.event
            except NotFound:  # deleted, or waited for so long that the image service has lost its patience
                if await self._pending(address, generation_id) is not None:
                    await asyncio.sleep(IDLE_LOOK_SECONDS)
                    continue
            return

    async def _while_wanted(
        self, responses: AsyncGenerator[Any, None], address: Address, generation_id: str
    ) -> AsyncGenerator[Any, None]:
        """Yield what comes, until nothing comes any more though the avatar has failed, or is another by now."""
        looks = 0
        while True:
            coming = asyncio.ensure_future(anext(responses, None))
            try:
                while not (await asyncio.wait({coming}, timeout=IDLE_LOOK_SECONDS))[0]:
                    character = await self._shelf.get(address)
                    looks = looks + 1 if _is_over(character, generation_id) else 0
                    if looks >= LOOKS_IN_VAIN:
                        return
                response = coming.result()
            finally:
                if not coming.done():
                    coming.cancel()
                    await asyncio.wait({coming})
            if response is None:
                return
            looks = 0
            yield response

    async def _ended(self, address: Address, generation_id: str) -> Character | None:
        """Wait until the library says how an avatar has ended; None if it does so no more."""
        while True:
            if await self._pending(address, generation_id) is None:
                return await self._shelf.get(address)
            await asyncio.sleep(LOOK_SECONDS)

    async def _pending(self, address: Address, generation_id: str) -> Character | None:
        """Return the character, while this avatar is what it waits for."""
        character = await self._shelf.get(address)
        if character is None or character.avatar.generation_id != generation_id:
            return None
        return character if character.avatar.state is AvatarState.PENDING else None


def _is_over(character: Character | None, generation_id: str) -> bool:
    if character is None or character.avatar.generation_id != generation_id:
        return True
    return character.avatar.state is AvatarState.FAILED
