"""Characters with their faces, as the tests of the whole system ask for them, watch them and judge them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import httpx

from fabula.api.character.v1 import character_pb2 as pb
from fabula.api.generation.v1.generation_pb2 import Event, State
from fabula.engine.ids import address_of
from fabula.errors import Unavailable
from fabula.rpc.auth import LOCAL_OWNER
from fabula.rpc.client import Client, open_channel
from fabula.rpc.kinds import CHARACTER, IMAGE
from tests.e2e.deaths import check_finished_once
from tests.e2e.doors import NOBODY, Door
from tests.e2e.observer import Observer, check_equal, check_log, doors_to, stages, texts_of
from tests.e2e.stories import Api, api_of
from tests.system import System

DESCRIPTION = "a brave knight of forty, afraid of geese"
HISTORY = "generate_history"

FACE_SECONDS = 240.0
"""How long a face may take to come: a killed painter loads torch and its model again."""

_POLL_SECONDS = 0.02


SEEDS = range(3)
"""Of the characters that are made."""


@dataclass(frozen=True, slots=True)
class Undisturbed:
    """What a seed gives where nobody dies.

    Attributes:
        history: Of the character.
        picture: Its face: the bytes of the file.
    """

    history: str
    picture: bytes


@dataclass(frozen=True, slots=True)
class Known:
    """A character that was made while nobody died.

    Attributes:
        id: Its id.
        made: What it is.
        seconds: How long it took, with its face, in company.
    """

    id: str
    made: Undisturbed
    seconds: float


async def start(api: Api, seed: int) -> str:
    """Ask for a character with a face; return its id."""
    response = await api.http.post("/v1/characters", json={"description": DESCRIPTION, "seed": seed})
    assert response.status_code == httpx.codes.ACCEPTED, response.text
    id_: str = response.json()["id"]
    return id_


def face_of(character_id: str) -> str:
    """Return the id of the generation that paints a character's first avatar."""
    return str(address_of(IMAGE.name, LOCAL_OWNER, f"{character_id}.avatar-1").id)


async def begun(api: Api, generation_id: str) -> None:
    """Wait until there is a generation. Whoever is dead meanwhile comes back."""
    async with asyncio.timeout(FACE_SECONDS):
        while True:
            try:
                response = await api.http.get(f"/v1/generations/{generation_id}")
            except httpx.TransportError:
                pass
            else:
                if response.is_success:
                    return
                assert response.status_code in (404, 503), response.text
            await asyncio.sleep(_POLL_SECONDS)


async def kept(api: Api, character_id: str) -> Any:
    """Return a character as the library has it, once its face has ended one way or the other."""
    async with asyncio.timeout(FACE_SECONDS):
        while True:
            response = await api.http.get(f"/v1/characters/{character_id}")
            assert response.is_success, response.text
            character = response.json()
            if character["avatar"]["state"] != "AVATAR_STATE_PENDING":
                return character
            await asyncio.sleep(_POLL_SECONDS)


async def listed(api: Api, path: str, name: str) -> list[str]:
    """Return the ids of all that is listed at an address, over all its pages."""
    found: list[str] = []
    token = ""
    while True:
        response = await api.http.get(path, params={"pageSize": 100, "pageToken": token})
        assert response.is_success, response.text
        found += [one["id"] for one in response.json()[name]]
        if not (token := response.json()["nextPageToken"]):
            return found


@dataclass
class Visitor:
    """Who watches a character at one door, and then its face at the same kind of door.

    Attributes:
        character: Watches the one.
        face: Watches the other.
    """

    character: Observer
    face: Observer

    @property
    def where(self) -> str:
        """The kind of door."""
        return self.character.where

    @property
    def events(self) -> Sequence[Event]:
        """Of both."""
        return [*self.character.events, *self.face.events]

    @property
    def times(self) -> Sequence[float]:
        """When they came."""
        return [*self.character.times, *self.face.times]

    async def watch(self, api: Api) -> None:
        """Watch to the end of both."""
        await self.character.watch()
        await begun(api, self.face.generation_id)
        await self.face.watch()


def visitors(system: System, character_id: str) -> list[Visitor]:
    """Return one watcher for each door."""
    faces = doors_to(IMAGE, system.image_address, system.url)
    return [
        Visitor(_observer(character_id, door), _observer(face_of(character_id), face))
        for door, face in zip(doors_to(CHARACTER, system.character_address, system.url), faces, strict=True)
    ]


def _observer(generation_id: str, door: Door) -> Observer:
    return Observer(generation_id, [door], patience_seconds=FACE_SECONDS)


@dataclass
class Companion:
    """Who watches a character and its face on one stream (WatchCharacter), and comes back by its two cursors.

    Attributes:
        address: Of the character server.
        character_id: Whom.
        character: What was told of the character's generation.
        face: The same of the face's.
        changes: What the library had in the end.
        times: When each event came.
    """

    address: str
    character_id: str
    character: list[Any] = field(default_factory=list)
    face: list[Event] = field(default_factory=list)
    changes: list[pb.Character] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    @property
    def where(self) -> str:
        """The kind of door."""
        return "WatchCharacter"

    @property
    def events(self) -> Sequence[Event]:
        """Of both generations."""
        return [*(response.event for response in self.character), *self.face]

    async def watch(self) -> None:
        """Watch to the end, however often it is cut off."""
        async with asyncio.timeout(FACE_SECONDS):
            while not self.changes:
                try:
                    await self._one_connection()
                except Unavailable:
                    await asyncio.sleep(0.05)

    async def _one_connection(self) -> None:
        request = pb.WatchCharacterRequest(
            character_id=self.character_id,
            after_sequence=self.character[-1].event.sequence if self.character else 0,
            avatar_generation_id=face_of(self.character_id) if self.face else "",
            avatar_after_sequence=self.face[-1].sequence if self.face else 0,
        )
        async with open_channel(self.address) as channel:
            client = Client(CHARACTER, channel)
            async with aclosing(client.stream("WatchCharacter", request, NOBODY)) as stream:
                async for data in stream:
                    self._take(pb.WatchCharacterResponse.FromString(data))

    def _take(self, response: pb.WatchCharacterResponse) -> None:
        match response.WhichOneof("happened"):
            case "character" if response.character.event.sequence:
                self.character.append(response.character)
            case "avatar" if response.avatar.sequence:
                self.face.append(response.avatar)
            case "changed":
                self.changes.append(response.changed)
                return
            case _:  # a place in the queue, a preview: not part of a log
                return
        self.times.append(time.monotonic())


async def undisturbed(system: System, seed: int) -> Known:
    """Have a character made while nobody dies."""
    async with api_of(system) as api:
        id_ = await start(api, seed)
        seen, companion = visitors(system, id_), Companion(system.character_address, id_)
        async with asyncio.TaskGroup() as tasks:
            watch(api, seen, companion, tasks)
        history = await check(api, seen, companion, None)
        times = seen[0].times
        return Known(id_, Undisturbed(history, await picture(api, face_of(id_))), times[-1] - times[0])


def watch(api: Api, seen: Sequence[Visitor], companion: Companion, tasks: asyncio.TaskGroup) -> None:
    """Have a character and its face watched to their end."""
    for visitor in seen:
        tasks.create_task(visitor.watch(api))
    tasks.create_task(companion.watch())


async def check(api: Api, seen: Sequence[Visitor], companion: Companion, expected: Undisturbed | None) -> str:
    """Check that a character and its face came as if nothing had been, once; return its history.

    Args:
        api: Where it is read.
        seen: What was seen at all doors.
        companion: What was seen on one stream.
        expected: What an undisturbed run of the same seed gives; None: not known.
    """
    check_watched(seen, companion)
    character = seen[0].character
    made = character.responses[-1].character
    assert texts_of(character.events)[HISTORY].strip() == made.history
    id_, face = character.generation_id, seen[0].face.generation_id
    found = await kept(api, id_)
    ready = {"state": "AVATAR_STATE_READY", "generationId": face, "readyGenerationId": face, "failure": ""}
    assert ready == found["avatar"]
    assert (id_, made.history) == (found["id"], found["history"])
    assert 1 == (await listed(api, "/v1/characters/library", "characters")).count(id_)
    if expected is not None:
        assert expected.history == made.history, "an undisturbed character of this seed has another history"
        assert expected.picture == await picture(api, face), "an undisturbed character of this seed has another face"
    return str(made.history)


def check_watched(seen: Sequence[Visitor], companion: Companion) -> None:
    """Check that all have seen the very same logs, each event once, no finished stage twice."""
    for observers in ([visitor.character for visitor in seen], [visitor.face for visitor in seen]):
        for observer in observers:
            check_log(observer)
            check_finished_once(observer)
            assert State.STATE_SUCCEEDED == observer.events[-1].state
        assert HISTORY not in stages(observers[0], "stage_restarted"), "what was told was told again"
        check_equal(observers)
    assert seen[0].character.responses == companion.character
    assert seen[0].face.events == companion.face
    [change] = companion.changes
    assert pb.AVATAR_STATE_READY == change.avatar.state


async def picture(api: Api, generation_id: str) -> bytes:
    """Return the finished picture's file."""
    response = await api.http.get(f"/v1/images/{generation_id}")
    assert response.is_success, response.text
    return response.content


def is_told(observer: Observer) -> bool:
    """Whether the history is written; the character is about to be kept, and its face to be asked for."""
    return observer.ended or HISTORY in stages(observer, "stage_finished")


def steps_painted(observer: Observer) -> int:
    """Return how many steps of a face have been painted."""
    return max((event.progress.step for event in observer.events if event.progress.stage == "base_model"), default=0)
