"""Characters where nobody paints: they are made all the same, and none waits for an avatar that never comes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from fabula.api.character.v1 import character_pb2 as pb
from fabula.errors import Conflict, InvalidRequest
from tests.integration.character.house import House, open_house

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(nats_url: str) -> AsyncIterator[House]:
    """A house in an installation without an image service."""
    async with open_house(nats_url, paints=False) as opened:
        yield opened


@pytest.mark.parametrize("wanted", [{}, {"generate_avatar": False}])
async def test_a_character_is_made_without_an_avatar(house: House, wanted: dict[str, Any]) -> None:
    """Its log has no stage for one, the library says that none was asked for, and nothing is queued."""
    ida = house.customer()
    id_ = await ida.start(**wanted)
    character = await ida.result(id_)
    found = await ida.get(id_)

    assert found.request.HasField("generate_avatar")
    assert not found.request.generate_avatar
    assert "queue_avatar" not in [timing.stage for timing in character.timings]
    assert pb.AVATAR_STATE_UNSPECIFIED == (await ida.kept(id_)).avatar.state
    assert [] == await house.tasks(id_)


async def test_an_avatar_that_is_asked_for_is_refused(house: House) -> None:
    """At once, and with what to do."""
    ida = house.customer()
    with pytest.raises(InvalidRequest, match="leave it out, or say false") as refusal:
        await ida.start(generate_avatar=True)
    assert "character.generate_avatar" == refusal.value.violations[0][0]

    id_ = await ida.start()
    await ida.result(id_)
    with pytest.raises(Conflict, match="FABULA_GENERATORS"):
        await ida.call("RegenerateAvatar", character_id=id_)
