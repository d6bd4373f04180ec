"""Avatars over two real servers and workers: painted, noted, asked for again, and removed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from fabula.api.character.v1 import character_pb2 as pb
from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.errors import InvalidRequest, NotFound, Unavailable
from fabula.rpc.client import Caller
from services.character.avatars import painting, queue
from services.character.shelf import Shelf, key_of
from tests.integration.character.house import KEEP, Customer, House, address_of
from tests.integration.character.studio import Studio, open_studio
from tests.integration.image import house as image_house
from tests.unit.image.sketches import Sketcher

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
READY, FAILED, PENDING = pb.AVATAR_STATE_READY, pb.AVATAR_STATE_FAILED, pb.AVATAR_STATE_PENDING


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(nats_url: str) -> AsyncIterator[Studio]:
    """Both services, and a keeper."""
    async with open_studio(nats_url) as studio:
        yield studio


@pytest.fixture(scope="module")
def house(opened: Studio) -> House:
    """The one of characters."""
    return opened.house


@pytest.fixture
def studio(opened: Studio) -> Iterator[Studio]:
    """The same, with a model as new."""
    yield opened
    opened.model.go.set()
    fresh = Sketcher()
    for name in fresh.__slots__:
        setattr(opened.model, name, getattr(fresh, name))


async def gone(viewer: image_house.Customer, generation_id: str) -> None:
    """Wait until a generation of the image service is deleted."""
    async with asyncio.timeout(30):
        while True:
            try:
                await viewer.get(generation_id)
            except NotFound:
                return
            await asyncio.sleep(0.02)


async def test_character_gets_its_face(studio: Studio, house: House, ida: Customer) -> None:
    """On its owner's behalf and in its trace; nobody else sees it, and nothing is left to be done."""
    traced = Customer(ida.client, Caller(ida.caller.token, f"00-{TRACE}-00f067aa0ba902b7-01"), ida.owner)
    character = await traced.made("a brave knight of forty")
    avatar = await studio.avatar(ida, character.id, READY)

    image = await studio.viewer(ida).get(avatar.generation_id)
    log = await studio.images.log(studio.viewer(ida), avatar.generation_id)
    assert (character.avatar.generation_id, avatar.generation_id) == (avatar.generation_id, avatar.ready_generation_id)
    assert (gen.STATE_SUCCEEDED, character.seed) == (image.generation.state, image.request.seed)
    assert image.request.prompt.startswith(f"A portrait of {character.details.first_name}, ")
    assert character.details.physical_description in image.request.prompt
    assert {TRACE} == {event.trace_id for event in log}
    with pytest.raises(NotFound):
        await studio.viewer(house.customer()).get(avatar.generation_id)
    await studio.settled(character.id)


async def test_failed_avatar_never_fails_the_character(studio: Studio, ida: Customer) -> None:
    """It is noted with its reason; here somebody has cancelled it."""
    studio.model.hold_at = 1
    character = await ida.made()
    viewer = studio.viewer(ida)
    await viewer.until(character.avatar.generation_id, lambda _: True, wait_for_start=True)
    await viewer.call("CancelGeneration", generation_id=character.avatar.generation_id)

    avatar = await studio.avatar(ida, character.id, FAILED)
    assert ("it was cancelled at the image service", "") == (avatar.failure, avatar.ready_generation_id)
    assert gen.STATE_SUCCEEDED == (await ida.get(character.id)).generation.state
    await studio.settled(character.id)


async def test_keeper_that_nobody_believes_spoils_nothing(studio: Studio, ida: Customer) -> None:
    """One with another secret waits; one with the right one paints."""
    async with studio.keeper("another secret that no server here knows of"):
        for _ in range(3):
            character = await ida.made()
            assert READY == (await studio.avatar(ida, character.id, READY, FAILED)).state


async def test_discarding_removes_the_face_in_mid_painting(studio: Studio, ida: Customer) -> None:
    """And again where it is there already."""
    studio.model.hold_at = 1
    character = await ida.made()
    viewer, id_ = studio.viewer(ida), character.avatar.generation_id
    await viewer.until(id_, lambda one: one.event.state == gen.STATE_RUNNING, wait_for_start=True)
    await ida.call("DiscardCharacter", character_id=character.id)
    await gone(viewer, id_)
    studio.model.go.set()
    studio.model.hold_at = 0

    other = await ida.made()
    await studio.avatar(ida, other.id, READY)
    await ida.call("DiscardCharacter", character_id=other.id)
    await gone(viewer, other.avatar.generation_id)
    for discarded in (character, other):
        await studio.settled(discarded.id)


async def test_discarding_what_a_janitor_has_begun_to_drop_removes_the_face(
    studio: Studio, house: House, ida: Customer
) -> None:
    """It was interrupted, and nobody finds the character any more: what it knew of its avatar is not lost."""
    character = await ida.made()
    ready = await studio.avatar(ida, character.id, READY)
    await studio.settled(character.id)
    shelf, address = Shelf(house.journal.records), address_of(ida, character.id)
    before = await shelf.get(address)
    assert before is not None
    await shelf.begin_to_drop(address, before)

    await ida.call("DiscardCharacter", character_id=character.id)
    await gone(studio.viewer(ida), ready.ready_generation_id)


async def test_task_of_a_character_that_is_gone_paints_nothing(studio: Studio, house: House, ida: Customer) -> None:
    """A stage that was slow to die may have noted it late."""
    character = await ida.made()
    await studio.avatar(ida, character.id, READY)
    await studio.settled(character.id)
    await ida.call("DiscardCharacter", character_id=character.id)
    await studio.settled(character.id)
    late = painting(address_of(ida, character.id), "late")
    await queue(house.journal.records, late)
    await studio.settled(character.id)
    with pytest.raises(NotFound):
        await studio.viewer(ida).get(late.generation_id)


async def test_unsaved_characters_are_dropped_in_time(studio: Studio, house: House, ida: Customer) -> None:
    """With generation and avatar; saved ones stay, and those whose time has not come."""
    old, saved = await ida.made("a fox"), await ida.made("an owl")
    for one in (old, saved):
        await studio.avatar(ida, one.id, READY)
    await ida.call("SaveCharacter", character_id=saved.id)

    await studio.janitor().sweep()
    assert [saved.id, old.id] == await ida.listed()
    await studio.janitor(lambda: datetime.now(UTC) + KEEP + timedelta(minutes=1)).sweep()

    assert [saved.id] == await ida.listed()
    with pytest.raises(NotFound):
        await ida.get(old.id)
    await gone(studio.viewer(ida), old.avatar.generation_id)
    assert READY == (await ida.kept(saved.id)).avatar.state


async def test_interrupted_drop_is_ended_by_the_next_sweep(studio: Studio, house: House, ida: Customer) -> None:
    """From the moment that it has begun nobody finds the character."""
    character = await ida.made()
    await studio.avatar(ida, character.id, READY)
    shelf, where = Shelf(house.journal.records), address_of(ida, character.id)
    kept = await shelf.get(where)
    assert kept is not None
    await shelf.begin_to_drop(where, kept)
    assert [] == await ida.listed()
    with pytest.raises(NotFound):
        await ida.kept(character.id)

    await studio.janitor().sweep()
    with pytest.raises(NotFound):
        await ida.get(character.id)
    await gone(studio.viewer(ida), character.avatar.generation_id)
    assert await house.journal.records.get(key_of(where)) is None


async def test_watcher_waits_no_longer_than_it_says(studio: Studio, house: House, ida: Customer) -> None:
    """The deadline of a watch ends what was opened on its behalf."""
    studio.model.hold_at = 1
    character = await ida.made()
    caller = replace(ida.caller, deadline=asyncio.get_running_loop().time() + 1.0)
    with pytest.raises(Unavailable):
        await studio.watched(replace(ida, caller=caller), character.id)


async def test_new_face_stands_once_it_is_there(studio: Studio, ida: Customer) -> None:
    """Until then the old one does; asking twice with one request id is asking once, also much later."""
    character = await ida.made()
    first = await studio.avatar(ida, character.id, READY)
    studio.model.hold_at = 1
    ask = {"character_id": character.id, "request_id": "again-1"}
    asked = (await ida.call("RegenerateAvatar", **ask)).character
    await studio.viewer(ida).until(asked.avatar.generation_id, lambda _: True, wait_for_start=True)

    assert (PENDING, first.generation_id) == (asked.avatar.state, asked.avatar.ready_generation_id)
    assert await studio.viewer(ida).pictures(first.generation_id)
    assert asked == (await ida.call("RegenerateAvatar", **ask)).character
    studio.model.go.set()
    second = await studio.avatar(ida, character.id, READY)
    assert first.generation_id != second.generation_id == second.ready_generation_id == asked.avatar.generation_id
    await gone(studio.viewer(ida), first.generation_id)

    await ida.call("RegenerateAvatar", character_id=character.id, request_id="again-2")
    third = await studio.avatar(ida, character.id, READY)
    assert third == (await ida.call("RegenerateAvatar", **ask)).character.avatar
    await gone(studio.viewer(ida), second.generation_id)


async def test_face_is_painted_after_one_that_failed(studio: Studio, ida: Customer) -> None:
    """Of what the character is by now; what had failed is removed."""
    studio.model.failing = [(1, InvalidRequest("the picture came out black"))]
    character = await ida.made()
    failed = await studio.avatar(ida, character.id, FAILED)
    kept = await ida.kept(character.id)
    ann = pb.Details(first_name="Ann", gender="woman", species="human", profession="cook", age=30)
    await ida.call("UpdateCharacter", character_id=character.id, etag=kept.etag, details=ann)
    await ida.call("RegenerateAvatar", character_id=character.id)
    ready = await studio.avatar(ida, character.id, READY)

    image = await studio.viewer(ida).get(ready.generation_id)
    assert ("the picture came out black", "") == (failed.failure, ready.failure)
    assert "A portrait of Ann, a human woman, cook." == image.request.prompt
    await gone(studio.viewer(ida), failed.generation_id)


async def test_avatar_of_another_is_not_asked_for(studio: Studio, house: House, ida: Customer) -> None:
    """Nor watched: the character is as unknown as none."""
    character = await ida.made()
    otto = house.customer()
    with pytest.raises(NotFound, match="no such character"):
        await otto.call("RegenerateAvatar", character_id=character.id)
    for id_ in (character.id, "character-1", f"{character.id[:-4]}0000"):
        with pytest.raises(NotFound, match="no such character"):
            await studio.watched(otto, id_)


async def test_watcher_sees_the_character_and_then_its_face(studio: Studio, ida: Customer) -> None:
    """All events of both, in order, previews too, and in the end what the library has; the stream ends."""
    studio.model.hold_at = 8
    id_ = await ida.start()
    watching = asyncio.create_task(studio.watched(ida, id_))
    await asyncio.wait_for(studio.model.reached.wait(), 30)
    await asyncio.sleep(0.2)
    studio.model.go.set()
    seen = await watching

    kinds = [one.WhichOneof("happened") for one in seen]
    avatar = seen[-1].changed.avatar
    assert sorted(kinds, key=["character", "avatar", "changed"].index) == kinds
    assert (1, READY, await ida.kept(id_)) == (kinds.count("changed"), avatar.state, seen[-1].changed)
    assert list(range(1, 1 + kinds.count("character"))) == [
        one.character.event.sequence for one in seen if one.HasField("character")
    ]
    painted = [one.avatar for one in seen if one.HasField("avatar")]
    log = await studio.images.log(studio.viewer(ida), avatar.generation_id)
    assert [event.sequence for event in log] == [event.sequence for event in painted if event.sequence]
    assert "preview" in {event.WhichOneof("body") for event in painted}

    cursor = {"after_sequence": kinds.count("character"), "avatar_generation_id": avatar.generation_id}
    rest = await studio.watched(ida, id_, **cursor, avatar_after_sequence=log[-3].sequence)
    assert [log[-2].sequence, log[-1].sequence] == [one.avatar.sequence for one in rest[:-1]]
    assert seen[-1] == rest[-1]
    other = {**cursor, "avatar_generation_id": "image-1", "avatar_after_sequence": 1000}
    assert len(log) + 1 == len(await studio.watched(ida, id_, **other))


async def test_watch_ends_where_no_face_comes(studio: Studio, house: House, ida: Customer) -> None:
    """With none asked for, one that failed before it was begun, and a generation that is gone."""
    plain = await ida.start(generate_avatar=False)
    assert {"character"} == {one.WhichOneof("happened") for one in await studio.watched(ida, plain)}

    character = await ida.made()
    await studio.avatar(ida, character.id, READY)
    await ida.call("DeleteGeneration", generation_id=character.id)
    await studio.settled(character.id)
    await studio.viewer(ida).call("DeleteGeneration", generation_id=character.avatar.generation_id)
    assert ["changed"] == [one.WhichOneof("happened") for one in await studio.watched(ida, character.id)]
    again = (await ida.call("RegenerateAvatar", character_id=character.id)).character
    assert READY == (await studio.watched(ida, again.id))[-1].changed.avatar.state
