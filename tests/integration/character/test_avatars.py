"""Avatars over two real servers and workers: painted, noted, asked for again, and removed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from fabula.api.character.v1 import character_pb2 as pb
from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.errors import NotFound
from fabula.rpc.client import Caller
from services.character.avatars import painting, queue
from tests.integration.character.house import KEEP, Customer, House, address_of
from tests.integration.character.studio import Studio, open_studio
from tests.integration.image import house as image_house
from tests.unit.image.sketches import Sketcher

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
READY, FAILED = pb.AVATAR_STATE_READY, pb.AVATAR_STATE_FAILED


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(nats_url: str, house: House) -> AsyncIterator[Studio]:
    """Both services, and a keeper."""
    async with open_studio(nats_url, house) as studio:
        yield studio


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
