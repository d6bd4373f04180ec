"""The library over gRPC: what becomes of characters once they are made."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.engine.events import LogLevel, LogLine
from fabula.errors import AlreadyExists, Conflict, InvalidRequest, NotFound, Superseded, Unauthenticated, Unavailable
from fabula.journal.embedded import EmbeddedServer
from fabula.journal.records import JetStreamRecords
from fabula.rpc.client import Caller
from fabula.rpc.kinds import CHARACTER
from services.character.avatars import AVATARS, AvatarTask
from services.character.shelf import key_of
from tests.integration.character.house import Customer, House, address_of, open_house, picture_file

pytestmark = pytest.mark.asyncio(loop_scope="module")

DETAILS = {"first_name": "Ann", "gender": "woman", "species": "human", "profession": "cook"}


async def test_characters_are_listed_read_changed_and_saved(ida: Customer) -> None:
    """Each rpc of the library, once through."""
    fox, knight = (await ida.made("a red fox named Fritz")), (await ida.made("a knight named Gisela"))
    assert [knight.id, fox.id] == await ida.listed()
    assert [fox.id] == await ida.listed(query="FRITZ fox")
    first = await ida.call("ListCharacters", page_size=1)
    assert [fox.id] == await ida.listed(page_size=1, page_token=first.next_page_token)

    changed = (await ida.call("UpdateCharacter", character_id=fox.id, etag=fox.etag, details=DETAILS)).character
    assert ("Ann", fox.history, False) == (changed.details.first_name, changed.history, changed.etag == fox.etag)
    saved = (await ida.call("SaveCharacter", character_id=fox.id)).character
    assert (True, False) == (saved.saved, saved.HasField("expire_time"))
    assert saved == await ida.kept(fox.id)
    assert [fox.id] == await ida.listed(saved=True)
    assert [knight.id] == await ida.listed(saved=False)
    assert fox == (await ida.get(fox.id)).character, "the generation tells it as it was made"


@pytest.mark.parametrize("rpc", ["GetCharacter", "UpdateCharacter", "SaveCharacter", "DiscardCharacter"])
async def test_anothers_character_is_as_unknown_as_none(house: House, ida: Customer, rpc: str) -> None:
    """The answers are the same, and nothing happens to it."""
    character = await ida.made()
    otto = house.customer()
    more = {"etag": character.etag, "history": "mine"} if rpc == "UpdateCharacter" else {}
    answers = set()
    for id_ in (character.id, f"{character.id[:-4]}0000", "character-1", f"story-{character.id[10:]}", "*", "a.>", "ü"):
        with pytest.raises(NotFound) as refusal:
            await otto.call(rpc, character_id=id_, **more)
        answers.add((refusal.value.message, *(value for key, value in refusal.value.details.items() if key != "id")))
        assert id_ == refusal.value.details["id"]

    assert 1 == len(answers)
    assert [] == await otto.listed()
    assert character == await ida.kept(character.id)


async def test_callers_without_a_token_are_refused(ida: Customer) -> None:
    """At the library, too."""
    with pytest.raises(Unauthenticated):
        await ida.client.call("ListCharacters", CHARACTER.request("ListCharacters")(), Caller())


async def test_change_of_what_has_changed_is_aborted(ida: Customer) -> None:
    """With the status that says so; the change that was first stands."""
    character = await ida.made()
    await ida.call("UpdateCharacter", character_id=character.id, etag=character.etag, history="first")

    for etag in (character.etag, "x", "999999"):
        with pytest.raises(Superseded) as refusal:
            await ida.call("UpdateCharacter", character_id=character.id, etag=etag, history="second")
        cause = refusal.value.__cause__
        assert isinstance(cause, grpc.aio.AioRpcError)
        assert grpc.StatusCode.ABORTED is cause.code()

    assert "first" == (await ida.kept(character.id)).history


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"details": {**DETAILS, "first_name": ""}}, "details.first_name"),
        ({"details": {**DETAILS, "first_name": " \u0007"}}, "details.first_name"),
        ({"details": {**DETAILS, "age": 100_001}}, "details.age"),
        ({"details": {**DETAILS, "traits": ["x"] * 13}}, "details.traits"),
        ({"history": "x" * 20_001}, "history"),
        ({"etag": ""}, "etag"),
    ],
)
async def test_change_beyond_the_bounds_is_refused(ida: Customer, fields: dict[str, Any], where: str) -> None:
    """Naming the field."""
    character = await ida.made()

    with pytest.raises(InvalidRequest) as refusal:
        await ida.call("UpdateCharacter", **{"character_id": character.id, "etag": character.etag, **fields})

    assert where in {field for field, _ in refusal.value.violations}
    assert character == await ida.kept(character.id)


async def test_no_change_of_many_at_once_is_lost(ida: Customer) -> None:
    """Each reads, changes and tries again when it is aborted; in the end all changes are there, and the saving."""
    character = await ida.made()

    async def add(mark: str) -> None:
        for _ in range(200):
            found = await ida.kept(character.id)
            try:
                fields = {"character_id": found.id, "etag": found.etag, "history": f"{found.history} {mark}"}
                await ida.call("UpdateCharacter", **fields)
            except Superseded:
                continue
            return
        raise AssertionError("it never came to its turn")

    marks = {f"mark{number}" for number in range(8)}
    await asyncio.gather(*map(add, marks), ida.call("SaveCharacter", character_id=character.id))

    kept = await ida.kept(character.id)
    assert marks == {word for word in kept.history.split() if word.startswith("mark")}
    assert kept.saved


async def test_character_outlives_its_generation(house: House, ida: Customer) -> None:
    """What was uploaded goes with the generation; the character goes when it is discarded."""
    character = await ida.made(picture={"data": picture_file()})
    await ida.call("DeleteGeneration", generation_id=character.id)

    assert [] == await house.blobs(character.id)
    assert character == await ida.kept(character.id)
    await ida.call("SaveCharacter", character_id=character.id)
    await ida.call("DiscardCharacter", character_id=character.id)
    assert [] == await ida.listed()


async def test_discarding_removes_character_and_generation(house: House, ida: Customer) -> None:
    """Twice as once; the id is not given again, and the avatar is noted for removal."""
    id_ = await ida.start(request_id="knight-1", picture={"data": picture_file()})
    character = await ida.result(id_)

    for _ in range(2):
        await ida.call("DiscardCharacter", character_id=id_)

    for rpc, fields in (("GetCharacter", {"character_id": id_}), ("GetGeneration", {"generation_id": id_})):
        with pytest.raises(NotFound):
            await ida.call(rpc, **fields)
    with pytest.raises(NotFound):
        await ida.call("SaveCharacter", character_id=id_)
    assert [] == await ida.listed()
    assert [] == await house.blobs(id_)
    with pytest.raises(AlreadyExists):
        await ida.start(request_id="knight-1", picture={"data": picture_file()})
    assert [AvatarTask(ida.owner, id_, remove=(character.avatar.generation_id,))] == await house.tasks(id_)


async def test_character_without_an_avatar_leaves_nothing_to_be_done(house: House, ida: Customer) -> None:
    """When it is discarded."""
    character = await ida.made(generate_avatar=False)
    await ida.call("DiscardCharacter", character_id=character.id)

    assert [] == await house.tasks(character.id)


async def test_character_in_the_making_is_not_discarded(house: House, ida: Customer) -> None:
    """It must be cancelled first; then the generation goes, though there never was a character."""
    house.maker.hold_before = 2
    id_ = await ida.start()
    await asyncio.wait_for(house.maker.held.wait(), 20)
    with pytest.raises(Conflict, match="cancel it first"):
        await ida.call("DiscardCharacter", character_id=id_)
    with pytest.raises(NotFound):
        await ida.kept(id_)
    await ida.call("CancelGeneration", generation_id=id_)
    await ida.reaches(id_, gen.STATE_CANCELLED)

    await ida.call("DiscardCharacter", character_id=id_)
    with pytest.raises(NotFound):
        await ida.get(id_)


async def test_character_that_cannot_be_read_can_be_discarded(house: House, ida: Customer) -> None:
    """It is good for nothing else, and keeps no other from the list."""
    broken, fine = await ida.made("a fox"), await ida.made("an owl")
    await house.journal.records.put(key_of(address_of(ida, broken.id)), b"\xff\xff")

    assert [fine.id] == await ida.listed()
    await ida.call("DiscardCharacter", character_id=broken.id)
    with pytest.raises(NotFound):
        await ida.kept(broken.id)


class _NoAvatars(JetStreamRecords):
    """Records that take nothing for avatars."""

    def __init__(self, records: JetStreamRecords) -> None:
        super().__init__(records._link, records._pager)

    async def put(self, key: str, value: bytes, *, after: int | None = None, ttl_seconds: int | None = None) -> int:
        """Write, or refuse."""
        if key.startswith(AVATARS):
            raise Unavailable("the store is full")
        return await super().put(key, value, after=after, ttl_seconds=ttl_seconds)


@pytest.mark.parametrize("changed", [False, True])
async def test_stage_that_is_done_again_leaves_what_its_owner_has_changed(tmp_path: Path, *, changed: bool) -> None:
    """What it has put there itself it replaces; the character stays one."""
    async with EmbeddedServer(tmp_path) as nats, open_house(nats.url, working=False) as house:
        ida = house.customer()
        async with house.working(_NoAvatars):
            id_ = await ida.start()
            failed = await ida.reaches(id_, gen.STATE_FAILED)
        assert ("queue_avatar", "UNAVAILABLE") == (
            failed.generation.progress.stage,
            failed.generation.failure.code,
        )
        first = await ida.kept(id_)
        if changed:
            await ida.call("UpdateCharacter", character_id=id_, etag=first.etag, history="Mine.")
        house.maker.name = "held/2"
        async with house.working():
            await ida.call("RetryGeneration", generation_id=id_, from_stage="generate_details")
            await ida.until(id_, lambda one: one.event.run == 2 and one.event.state == gen.STATE_SUCCEEDED)
        log = await house.log(ida, id_)
        kept = await ida.kept(id_)
        tasks = await house.tasks(id_)
        listed = await ida.listed()

    assert (("Mine.", "held/1") if changed else (first.history, "held/2")) == (kept.history, kept.maker)
    assert (first.create_time, first.avatar) == (kept.create_time, kept.avatar)
    warned = [body for body in (event.body for event in log) if isinstance(body, LogLine) and "stays" in body.message]
    assert ([LogLevel.WARNING] if changed else []) == [line.level for line in warned]
    assert [first.avatar.generation_id] == [task.generation_id for task in tasks]
    assert [id_] == listed
