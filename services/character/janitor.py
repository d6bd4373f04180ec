"""Drops characters that nobody has saved in time, and mends what an interruption has left of an avatar."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

import structlog

from fabula.engine.ports import Address
from fabula.errors import FabulaError, NotFound, Superseded
from fabula.rpc import removal
from fabula.rpc.codec import ProtoCodec
from fabula.rpc.stores import Stores
from services.character.avatars import AVATARS, is_task, key_of, queue_removal
from services.character.clock import Clock, now
from services.character.sheet import AvatarState, Character
from services.character.shelf import Shelf

SWEEP_SECONDS = 600.0
"""From one sweep to the next: each reads all characters there are."""

INTERRUPTED = "asking for it was interrupted: ask for another one"

_log = structlog.get_logger(__name__)


class Janitor:
    """Looks through everybody's characters, again and again. Several at once do no harm.

    Args:
        stores: Where characters and their logs are kept.
        codec: The events of characters.
        clock: Tells the time.
    """

    def __init__(self, stores: Stores, codec: ProtoCodec, clock: Clock = now) -> None:
        self._stores = stores
        self._codec = codec
        self._shelf = Shelf(stores.records)
        self._clock = clock
        self._lost: dict[Address, str] = {}

    async def run(self, seconds: float = SWEEP_SECONDS) -> None:
        """Sweep every so many seconds, until cancelled."""
        while True:
            try:
                await self.sweep()
            except FabulaError as error:
                _log.warning("characters_not_swept", reason=error.message)
            except Exception:  # noqa: BLE001 - the worker goes on making characters
                _log.exception("sweep_failed")
            await asyncio.sleep(seconds)

    async def sweep(self) -> None:
        """Look at each character once."""
        everybodys = await self._shelf.everybodys()
        tasks = {key for key, stored in (await self._stores.records.all(AVATARS)).items() if is_task(stored.value)}
        lost: dict[Address, str] = {}
        for address, character in everybodys:
            waits = character.details is not None and character.avatar.state is AvatarState.PENDING
            try:
                if self._is_over(character):
                    await self._drop(address, character)
                elif waits and key_of(address.owner, address.id) not in tasks:
                    lost[address] = character.etag
                    if self._lost.get(address) == character.etag:
                        await self._give_up(address, character)
            except FabulaError as error:  # the next sweep tries again
                _log.warning("character_not_swept", character_id=address.id, reason=error.message)
        self._lost = lost

    def _is_over(self, character: Character) -> bool:
        if character.details is None:  # begun to drop, and interrupted
            return True
        return not character.saved and character.expire_time is not None and character.expire_time <= self._clock()

    async def _drop(self, address: Address, character: Character) -> None:
        """Remove a character, its generation and its avatar. It goes last, so that an interruption is mended."""
        if character.details is not None:
            try:
                await self._shelf.begin_to_drop(address, character)
            except Superseded:  # saved or changed at that moment: the next sweep looks again
                return
        with suppress(NotFound):
            await removal.remove(self._stores, self._codec, address)
        await queue_removal(self._stores.records, address, character.avatar)
        await self._shelf.discard(address)
        _log.info("character_expired", character_id=address.id)

    async def _give_up(self, address: Address, character: Character) -> None:
        """Say that an avatar does not come: who asked for it has died before it was noted what is to be done."""
        avatar = replace(character.avatar, state=AvatarState.FAILED, failure=INTERRUPTED)
        with suppress(Superseded):
            await self._shelf.put(address, replace(character, avatar=avatar), after=character.etag)


@asynccontextmanager
async def sweeping(janitor: Janitor, seconds: float = SWEEP_SECONDS) -> AsyncIterator[None]:
    """Let a janitor work while the block lasts."""
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(janitor.run(seconds))
        yield
        working.cancel()
