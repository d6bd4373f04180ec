"""One session as one client is told of it: the character's log, and then the log of its avatar."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from typing import Any

from fabula.api.character.v1 import character_pb2
from fabula.errors import NotFound
from fabula.rpc.kinds import CHARACTER, IMAGE
from gateway.answers import problem_of
from gateway.cursors import Cursor
from gateway.dialects.character_sessions import AVATAR, CHARACTER_AVATAR, CHARACTER_SESSIONS, EVENT
from gateway.doors.socket_io.client import DOOR, Client
from gateway.doors.socket_io.following import Follower
from gateway.frontends.character_places import NO_SESSION, Place, read_place, room_name, session_id_of
from gateway.pipe import ClientGone
from gateway.race import race
from gateway.watch import Watch

CURSOR = "character_generation_cursor"

PENDING, FAILED = character_pb2.AVATAR_STATE_PENDING, character_pb2.AVATAR_STATE_FAILED

LOOK_SECONDS = 1.0
"""How often the library is looked into while an avatar has not been begun: it may never be."""


class CharacterSession:
    """One session as one client is told of it.

    Args:
        client: The client.
        character_id: Whose session.
        after: The place that the client says it has; None: it does not care for places.

    Raises:
        InvalidRequest: the place is none.
    """

    def __init__(self, client: Client, character_id: str, after: object) -> None:
        self._client = client
        self._character_id = character_id
        self._wants_places = after is not None
        cursor, avatar_id, avatar = (Cursor(), "", Cursor()) if after is None else read_place(after)
        self._knows_character = bool(avatar_id)
        self.place = Place(cursor, avatar_id, avatar)
        self.room = room_name(client.visitor.owner, character_id)

    async def open(self) -> Watch:
        """Open the watch of the character. Raises `NotFound` and what else `Hub.open` does."""
        if self._knows_character:
            generation = await self._ask("GetGeneration", generation_id=self._character_id)
            self.place.character = Cursor(generation.generation.last_sequence)
        try:
            return await self._follower().open()
        except NotFound:
            raise NotFound(NO_SESSION) from None

    def begin(self, watch: Watch) -> None:
        """Tell of the session."""
        task = self._client.begin(self._character_id, self._tell(watch))
        task.add_done_callback(lambda _: watch.close())

    def go_on(self) -> None:
        """Tell of what has come after the end, unless the telling goes on."""
        if not self._client.does(self._character_id):
            self._client.begin(self._character_id, self._tell(None))

    def _follower(self) -> Follower:
        async def note(cursor: Cursor) -> None:
            self.place.character = cursor
            await self._tell_place()

        return Follower(self._client, CHARACTER_SESSIONS, self._character_id, self.place.character, note)

    async def _tell_place(self) -> None:
        if self._wants_places:
            content = {"sessionId": session_id_of(self._character_id), "cursor": self.place.value}
            await self._client.emit(CURSOR, content)

    async def _tell(self, watch: Watch | None) -> None:
        try:
            follower = self._follower()
            with closing(watch or await follower.open()) as opened:
                await opened.run(follower)
            self.place.character = follower.cursor
            while await self._tell_of_avatar():
                pass
        except ClientGone:
            return
        except NotFound:
            return  # it was discarded
        except Exception as error:  # noqa: BLE001 - told to the client
            problem = problem_of(error)
            self._client.house.metrics.errors.labels(DOOR, problem.code).inc()
            await self._trouble(problem.message, problem.code)

    async def _trouble(self, message: str, code: str) -> None:
        content = {"step": "error", "progress": 0, "message": message, "data": {"error": message, "details": code}}
        try:
            await self._client.emit(EVENT, content)
        except ClientGone:
            return

    async def _tell_of_avatar(self) -> bool:
        """Tell of the avatar that the character has or waits for. Returns whether there is another one by now."""
        avatar = await self._avatar()
        if avatar is None or not avatar.generation_id or IMAGE.name not in self._client.house.clients:
            return False
        if avatar.generation_id != self.place.avatar_id:
            self.place.avatar_id, self.place.avatar = avatar.generation_id, Cursor()
        follower = Follower(
            self._client, CHARACTER_AVATAR, avatar.generation_id, self.place.avatar, self._note_of_avatar
        )
        async with self._opened(follower, is_waited_for=avatar.state == PENDING) as watch:
            if watch is not None:
                with suppress(NotFound):  # another one is being painted, and this one was removed
                    await watch.run(follower)
        self.place.avatar = follower.cursor
        now = await self._avatar()
        if now is None or now.generation_id != avatar.generation_id:
            return now is not None
        if watch is None and now.state == FAILED:
            await self._client.emit(EVENT, _failed_avatar(now.failure))
        return False

    async def _note_of_avatar(self, cursor: Cursor) -> None:
        self.place.avatar = cursor
        await self._tell_place()

    @asynccontextmanager
    async def _opened(self, follower: Follower, *, is_waited_for: bool) -> AsyncIterator[Watch | None]:
        """Open the watch of an avatar, which may not have been begun; None: it will not be, or it was deleted."""
        watches: list[Watch] = []
        try:
            if is_waited_for:
                await race(self._open_late(follower, watches), self._until_given_up(follower.generation_id))
            else:
                with suppress(NotFound):
                    watches.append(await follower.open())
            yield watches[0] if watches else None
        finally:
            for watch in watches:
                watch.close()

    async def _open_late(self, follower: Follower, watches: list[Watch]) -> None:
        while not watches:
            try:
                watches.append(await follower.open(wait_for_start=True))
            except NotFound:  # the image service has lost its patience
                await asyncio.sleep(LOOK_SECONDS)

    async def _until_given_up(self, avatar_id: str) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            avatar = await self._avatar()
            if avatar is None or avatar.generation_id != avatar_id or avatar.state == FAILED:
                return

    async def _avatar(self) -> character_pb2.Avatar | None:
        """Return the character's avatar as it now is; None where there is no character any more."""
        try:
            found: Any = await self._ask("GetCharacter", character_id=self._character_id)
        except NotFound:
            return None
        avatar: character_pb2.Avatar = found.character.avatar
        return avatar

    async def _ask(self, rpc: str, **fields: str) -> Any:
        try:
            request = CHARACTER.request(rpc)(**fields)
            service = self._client.house.clients[CHARACTER.name]
            return await service.call(rpc, request, self._client.visitor.caller)
        except NotFound:
            raise NotFound(NO_SESSION) from None


def _failed_avatar(failure: str) -> dict[str, Any]:
    data = {"error": failure, "details": "the avatar was never begun"}
    return {"step": AVATAR, "progress": 0, "message": failure, "data": data}
