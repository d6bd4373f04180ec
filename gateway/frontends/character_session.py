"""One session as one client is told of it: the character's log, and then the log of its avatar."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import structlog

from fabula.api.character.v1 import character_pb2
from fabula.api.generation.v1 import generation_pb2
from fabula.errors import FabulaError, NotFound, Unauthenticated
from fabula.rpc.client import Patience
from fabula.rpc.kinds import CHARACTER, IMAGE
from gateway.answers import problem_of
from gateway.cursors import Cursor
from gateway.dialects.character_sessions import AVATAR, EVENT, CharacterAvatar, CharacterSessions, is_failure_before
from gateway.doors.socket_io.client import DOOR, Client
from gateway.doors.socket_io.following import Follower, Words
from gateway.entries import SharedEntry
from gateway.frontends.character_places import NO_SESSION, Place, read_place, room_name, session_id_of
from gateway.pipe import ClientGone
from gateway.race import race
from gateway.upstream import OPENING_SECONDS
from gateway.watch import Watch

CURSOR = "character_generation_cursor"

PENDING, FAILED = character_pb2.AVATAR_STATE_PENDING, character_pb2.AVATAR_STATE_FAILED

LOOK_SECONDS = 1.0
"""How often the library is looked into while an avatar has not been begun: it may never be."""

T = TypeVar("T")

log = structlog.get_logger(__name__)


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
        address_of = client.house.doorkeeper.links.addresses_of(client.visitor.owner, client.base)
        self._dialect, self._avatars_dialect = CharacterSessions(address_of), CharacterAvatar(address_of)
        self._run = 0
        self._telling = True  # from the moment that somebody has joined
        self._avatar_may_be_new = False
        self._heard_of = 0

    async def open(self) -> Watch:
        """Open the watch of the character. Raises `NotFound` and what else `Hub.open` does."""
        view = generation_pb2.GENERATION_VIEW_BASIC
        fields = {"generation_id": self._character_id, "view": view}
        generation = (await _answered(lambda: self._ask("GetGeneration", **fields), OPENING_SECONDS)).generation
        self._run = generation.run
        if self._knows_character:
            self.place.character = Cursor(generation.last_sequence)
        try:
            return await self._follower().open()
        except NotFound:
            raise NotFound(NO_SESSION) from None

    def begin(self, watch: Watch) -> None:
        """Tell of the session."""
        task = self._client.begin(self._character_id, self._tell(watch))
        task.add_done_callback(lambda _: watch.close())

    def go_on_to(self, sequence: int) -> None:
        """Tell of what has come after the end, by a retry: the character's log now goes as far as this."""
        self._heard_of = sequence
        if sequence > self.place.character.sequence:
            self._go_on()

    def go_on_with_avatar(self) -> None:
        """Tell of a new avatar."""
        self._avatar_may_be_new = True
        self._go_on()

    def _go_on(self) -> None:
        if not self._telling:
            self._telling = True
            self._client.begin(self._character_id, self._tell(None))

    def _follower(self) -> Follower:
        """Return who tells of the character; once an avatar was told of, the place is within the avatar's log."""
        run, session_id, place = self._run, session_id_of(self._character_id), self.place
        within = str(place.value) if place.avatar_id else ""

        def note(_: SharedEntry, cursor: Cursor) -> tuple[str, dict[str, Any]]:
            return CURSOR, {"sessionId": session_id, "cursor": within or cursor.value}

        def is_over(entry: SharedEntry) -> bool:
            return is_failure_before(run, entry)

        words = Words(
            self._client.namespace, self._dialect,
            f"{self._client.base} from run {run}{f' with cursors {within}' if self._wants_places else ''}",
            note if self._wants_places else None, is_over,
        )  # fmt: skip
        return Follower(self._client, words, self._character_id, place.character)

    def _avatars_follower(self) -> Follower:
        """Return who tells of the avatar."""
        session_id, place = session_id_of(self._character_id), self.place

        def note(entry: SharedEntry, cursor: Cursor) -> tuple[str, dict[str, Any]]:
            return CURSOR, {"sessionId": session_id, "cursor": Place(Cursor(), entry.generation_id, cursor).value}

        words = Words(
            self._client.namespace, self._avatars_dialect,
            f"{self._client.base}{f' with cursors of {session_id}' if self._wants_places else ''}",
            note if self._wants_places else None,
        )  # fmt: skip
        return Follower(self._client, words, place.avatar_id, place.avatar, self._character_id)

    async def _tell(self, watch: Watch | None) -> None:
        try:
            await self._tell_of_character(watch)
            while self._heard_of > self.place.character.sequence or self._avatar_may_be_new:
                await self._tell_of_character(None)
        except ClientGone:
            return
        except NotFound:
            return  # it was discarded
        except Exception as error:  # noqa: BLE001 - the door tells every error
            await self._lost(error)
        finally:
            self._telling = False

    async def _lost(self, error: Exception) -> None:
        """Have the client come back, where that may help; else tell it that it hears no more of this session."""
        problem = problem_of(error)
        self._client.house.metrics.errors.labels(DOOR, problem.code).inc()
        log.warning("character_session_lost", generation_id=self._character_id, code=problem.code)
        if problem.retryable or isinstance(error, Unauthenticated):
            self._client.send_away()  # it comes back, with a fresh token if that is what it needs
            return
        # With an avatar, the character is complete.
        told = _avatar_failure if self.place.avatar_id else _session_failure
        with suppress(ClientGone):
            await self._client.emit(EVENT, told(problem.message, problem.code))

    async def _tell_of_character(self, watch: Watch | None) -> None:
        follower = self._follower()
        if watch is None:
            watch = await _answered(follower.open)
        try:
            await follower.follow(watch)
        finally:
            self.place.character = follower.cursor
        while await self._tell_of_avatar():
            pass

    async def _tell_of_avatar(self) -> bool:
        """Tell of the avatar that the character has or waits for. Returns whether there is another one by now."""
        self._avatar_may_be_new = False
        avatar = await self._avatar()
        if avatar is None or not avatar.generation_id or IMAGE.name not in self._client.house.clients:
            return False
        if avatar.generation_id != self.place.avatar_id:
            self.place.avatar_id, self.place.avatar = avatar.generation_id, Cursor()
        follower = self._avatars_follower()
        async with self._opened(follower, is_waited_for=avatar.state == PENDING) as watch:
            if watch is not None:
                with suppress(NotFound):  # another one is being painted, and this one was removed
                    await follower.follow(watch)
        self.place.avatar = follower.cursor
        self._avatar_may_be_new = False
        now = await self._avatar()
        if now is None or now.generation_id != avatar.generation_id:
            return now is not None
        if watch is None and now.state == FAILED:
            await self._client.emit(EVENT, _avatar_failure(now.failure, "the avatar was never begun"))
        return False

    @asynccontextmanager
    async def _opened(self, follower: Follower, *, is_waited_for: bool) -> AsyncIterator[Watch | None]:
        """Open the watch of an avatar, which may not have been begun; None: it will not be, or it was deleted."""
        watches: list[Watch] = []
        try:
            if is_waited_for:
                await race(self._open_late(follower, watches), self._until_given_up(follower.generation_id))
            else:
                with suppress(NotFound):
                    watches.append(await _answered(follower.open))
            yield watches[0] if watches else None
        finally:
            for watch in watches:
                watch.close()

    async def _open_late(self, follower: Follower, watches: list[Watch]) -> None:
        while not watches:
            try:
                watches.append(await _answered(lambda: follower.open(wait_for_start=True)))
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
            found: Any = await _answered(lambda: self._ask("GetCharacter", character_id=self._character_id))
        except NotFound:
            return None
        avatar: character_pb2.Avatar = found.character.avatar
        return avatar

    async def _ask(self, rpc: str, **fields: Any) -> Any:
        try:
            request = CHARACTER.request(rpc)(**fields)
            service = self._client.house.clients[CHARACTER.name]
            return await service.call(rpc, request, self._client.visitor.caller)
        except NotFound:
            raise NotFound(NO_SESSION) from None


async def _answered(ask: Callable[[], Awaitable[T]], seconds: float | None = None) -> T:
    """Ask until there is an answer: a service that restarts is nothing that front ends have a step for.

    Args:
        ask: Asks once.
        seconds: For how long, after which the error is raised; None: for ever.

    Raises:
        FabulaError: what was answered.
    """
    patience = Patience(seconds)
    while True:
        try:
            return await ask()
        except FabulaError as error:
            if not error.retryable:
                raise
            await patience.wait()


def _avatar_failure(failure: str, details: str) -> dict[str, Any]:
    return {"step": AVATAR, "progress": 0, "message": failure, "data": {"error": failure, "details": details}}


def _session_failure(failure: str, details: str) -> dict[str, Any]:
    return {**_avatar_failure(failure, details), "step": "error"}
