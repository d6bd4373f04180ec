"""Has avatars painted: carries out what is noted for them (`avatars`), whatever dies meanwhile.

Each worker has one keeper. They need not agree: whatever they do, doing it twice is harmless.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

import structlog

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.api.image.v1 import image_pb2
from fabula.engine.ports import Address, GenerationId, Stored
from fabula.errors import AlreadyExists, Conflict, FabulaError, LogCorrupted, NotFound, Unauthenticated, Unavailable
from fabula.rpc.client import Client, Patience
from fabula.rpc.codec import ProtoCodec
from fabula.rpc.issuer import Issuer
from fabula.rpc.kinds import CHARACTER
from fabula.rpc.stores import Stores
from services.character.avatars import AVATARS, AvatarTask, settle, task_of
from services.character.portrait import portrait_of
from services.character.sheet import Avatar, AvatarState, Character
from services.character.shelf import Shelf

LOOK_SECONDS = 0.5
"""How often a keeper looks for what is to be done, unless it is told."""

AWAY_SECONDS = 5.0
"""How long it waits at most before it looks again while the image service is away: each time twice as long."""

CALLS_AT_ONCE = 8
"""Calls to the image service at a time, watches apart."""

WATCHED_AT_ONCE = 500
"""Avatars that a keeper sees to at a time; the others wait their turn in the records."""

_ENDS = {
    gen.STATE_SUCCEEDED: "",
    gen.STATE_FAILED: "the image service could not paint it",
    gen.STATE_CANCELLED: "it was cancelled at the image service",
}
"""Why there is no avatar, by the state in which its generation has ended."""

_log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Job:
    """What is being done: the record's revision, and who does it."""

    revision: int
    work: asyncio.Task[None]


class AvatarKeeper:
    """Sees to the avatars of all characters.

    Args:
        stores: Where characters, their logs and the tasks are kept.
        codec: The events of characters.
        images: To the image service.
        issuer: Speaks for the characters' owners.
        look_seconds: How often it looks for tasks.
    """

    def __init__(
        self, stores: Stores, codec: ProtoCodec, images: Client, issuer: Issuer, look_seconds: float = LOOK_SECONDS
    ) -> None:
        self._stores = stores
        self._codec = codec
        self._shelf = Shelf(stores.records)
        self._images = images
        self._issuer = issuer
        self._look_seconds = look_seconds
        self._woken = asyncio.Event()
        self._calling = asyncio.Semaphore(CALLS_AT_ONCE)
        self._away = False
        self._told: set[str] = set()
        self._jobs: dict[str, _Job] = {}
        self._unread: dict[str, int] = {}

    def wake(self) -> None:
        """Look now: something has been noted."""
        self._woken.set()

    async def run(self) -> None:
        """Carry out what is noted, until cancelled. What is under way then is taken up again by whoever runs next."""
        pause = self._look_seconds
        async with asyncio.TaskGroup() as tasks:
            while True:
                self._woken.clear()
                was_away, self._away = self._away, False
                pause = min(2 * pause, AWAY_SECONDS) if was_away else self._look_seconds
                try:
                    await self._look(tasks, CALLS_AT_ONCE if was_away else WATCHED_AT_ONCE)
                except FabulaError as error:
                    _log.warning("avatars_not_read", reason=error.message)
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._woken.wait()

    async def _look(self, tasks: asyncio.TaskGroup, most: int) -> None:
        """Begin what is noted and not under way, up to so many; end what has been replaced."""
        kept = await self._stores.records.all(AVATARS)
        for key, job in list(self._jobs.items()):
            if job.work.done() or key not in kept or kept[key].revision > job.revision:
                job.work.cancel()
                del self._jobs[key]
        for key, stored in kept.items():
            if key in self._jobs or len(self._jobs) >= WATCHED_AT_ONCE or most <= 0:
                continue
            task = self._task(key, stored)
            if task is not None and not task.settled:
                most -= 1
                self._jobs[key] = _Job(stored.revision, tasks.create_task(self._contained(task, stored.revision)))

    def _task(self, key: str, stored: Stored) -> AvatarTask | None:
        """Return the task in a record; None, and a line in the log, once, where it cannot be read."""
        try:
            return task_of(stored.value)
        except LogCorrupted as error:
            if self._unread.get(key) != stored.revision:
                self._unread[key] = stored.revision
                _log.error("avatar_task_corrupted", key=key, reason=error.message)
            return None

    async def _contained(self, task: AvatarTask, revision: int) -> None:
        """Carry a task out. Where that fails it stays, and is tried again at the next look."""
        try:
            await self._carry_out(task)
            await settle(self._stores.records, task, revision)
        except FabulaError as error:
            self._away = self._away or isinstance(error, Unavailable)
            self._tell(task, error)
        except Exception:  # noqa: BLE001 - one avatar's fault must not end the others'
            _log.exception("avatar_failed", character_id=task.character_id)

    def _tell(self, task: AvatarTask, error: FabulaError) -> None:
        """Log why an avatar waits: once for each reason, until the image service answers again."""
        if error.message not in self._told:
            self._told.add(error.message)
            _log.warning("avatar_waits", character_id=task.character_id, reason=error.message)

    async def _carry_out(self, task: AvatarTask) -> None:
        await self._remove(task, task.remove)
        if not task.request_id:
            return
        failure = await self._paint(task)
        if failure is None or not await self._note(task, failure):
            await self._remove(task, (task.generation_id,))
            return
        await self._remove(task, task.remove)  # the one that was shown until now

    async def _paint(self, task: AvatarTask) -> str | None:
        """Have a character painted; return why that failed (empty: it did not), None if nobody wants it any more."""
        if (character := await self._wanting(task)) is None:
            return None
        if character.avatar.state is not AvatarState.PENDING:  # another keeper has noted its end
            return character.avatar.failure
        trace_id = task.trace_id or await self._trace_id(task)
        try:
            await self._start(task, character, trace_id)
            if await self._wanting(task) is None:  # discarded at that very moment
                return None
            return await self._end(task, trace_id)
        except FabulaError as error:
            # A secret that does not hold there is a fault of the installation, not of this avatar: it waits for both.
            if error.retryable or isinstance(error, Unauthenticated):
                raise
            return error.message or error.code

    async def _start(self, task: AvatarTask, character: Character, trace_id: str) -> None:
        details = character.details
        if details is None:
            raise NotFound("the character is in the library no more", id=task.character_id, resource="character")
        image = image_pb2.ImageRequest(prompt=portrait_of(details))
        if task.first:
            image.seed = character.seed
        request = image_pb2.StartGenerationRequest(request_id=task.request_id, image=image)
        with suppress(AlreadyExists):  # begun before the character was changed; or deleted since: then watching tells
            await self._call(task, "StartGeneration", request, trace_id)

    async def _end(self, task: AvatarTask, trace_id: str) -> str:
        """Watch a generation to its end; return why it has failed, empty if it has not."""
        request = image_pb2.WatchProgressRequest(generation_id=task.generation_id, snapshot=True, conflate=True)
        patience = Patience()
        while True:
            # A new caller for each connection: tokens are short-lived, waiting is not.
            caller, heard = self._issuer.caller(task.owner, trace_id), False
            try:
                async with aclosing(self._images.watch(request, caller, patience=0)) as events:
                    async for response in events:
                        patience.reset()
                        heard = True
                        if response.event.state in _ENDS:
                            return _failure(response)
            except NotFound:
                return "the picture was deleted before it was painted"
            except Unauthenticated:
                if not heard:  # else the token has expired while the picture was waited for
                    raise
            except FabulaError as error:
                if not error.retryable:
                    raise
                await patience.wait()

    async def _note(self, task: AvatarTask, failure: str) -> bool:
        """Note an avatar's end with its character; return whether that shows it."""

        def note(before: Character | None) -> Character:
            if before is None:
                raise NotFound("the character was discarded", id=task.character_id, resource="character")
            avatar = before.avatar
            if avatar.generation_id != task.generation_id or avatar.state is not AvatarState.PENDING:
                return before
            if failure:
                return replace(before, avatar=replace(avatar, state=AvatarState.FAILED, failure=failure))
            ready = Avatar(AvatarState.READY, task.generation_id, task.generation_id)
            return replace(before, avatar=ready)

        try:
            noted = await self._shelf.change(_address(task), note)
        except NotFound:
            return False
        _log.info("avatar_ended", character_id=task.character_id, state=noted.avatar.state, reason=noted.avatar.failure)
        return task.generation_id in (noted.avatar.generation_id, noted.avatar.ready_generation_id)

    async def _remove(self, task: AvatarTask, generation_ids: tuple[str, ...]) -> None:
        """Delete generations of the image service; while something is painted, not the one that is shown."""
        shown = ""
        if task.request_id and (character := await self._shelf.get(_address(task))) is not None:
            shown = character.avatar.ready_generation_id
        for id_ in generation_ids:
            if id_ != shown:
                await self._remove_one(task, id_)

    async def _remove_one(self, task: AvatarTask, generation_id: str) -> None:
        patience = Patience()
        while True:
            try:
                with suppress(Conflict, LogCorrupted):  # it has ended another way, or nobody can tell any more
                    cancel = image_pb2.CancelGenerationRequest(generation_id=generation_id)
                    await self._call(task, "CancelGeneration", cancel, task.trace_id)
                delete = image_pb2.DeleteGenerationRequest(generation_id=generation_id)
                await self._call(task, "DeleteGeneration", delete, task.trace_id)
            except NotFound:
                return
            except Conflict:  # a worker is at it still
                await patience.wait()
            else:
                return

    async def _call(self, task: AvatarTask, rpc: str, request: Any, trace_id: str) -> None:
        """Make a call on behalf of the character's owner. Few at a time, and none to a service known to be away."""
        async with self._calling:
            if self._away:
                raise Unavailable("the image service is away")
            await self._images.call(rpc, request, self._issuer.caller(task.owner, trace_id))
            self._told.clear()

    async def _wanting(self, task: AvatarTask) -> Character | None:
        """Return the character, if this is the avatar that it is to have, or has."""
        character = await self._shelf.get(_address(task))
        wanted = character is not None and task.generation_id in (
            character.avatar.generation_id,
            character.avatar.ready_generation_id,
        )
        return character if wanted else None

    async def _trace_id(self, task: AvatarTask) -> str:
        """Return the trace of the character's own generation; empty where that is deleted or cannot be read."""
        with suppress(LogCorrupted):
            if (first := await self._stores.log.first(_address(task))) is not None:
                return self._codec.decode(first.entries[0]).trace_id
        return ""


@asynccontextmanager
async def keeping(keeper: AvatarKeeper) -> AsyncIterator[None]:
    """Let a keeper work while the block lasts."""
    async with asyncio.TaskGroup() as tasks:
        working = tasks.create_task(keeper.run())
        yield
        working.cancel()


def _address(task: AvatarTask) -> Address:
    return Address(CHARACTER.name, task.owner, GenerationId(task.character_id))


def _failure(response: Any) -> str:
    """Return why a generation that has ended brought no picture; empty if it did."""
    event = response.event
    if event.state == gen.STATE_FAILED:
        body = event.WhichOneof("body")
        failure = getattr(getattr(event, body), "failure", None) if body else None
        return (failure.message if failure is not None else "") or _ENDS[event.state]
    return _ENDS[event.state]
