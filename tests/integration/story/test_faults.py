from __future__ import annotations

import asyncio
from contextlib import aclosing
from uuid import uuid4

import pytest

from fabula.engine.ids import address_of
from fabula.engine.ports import Entry, Purpose, Tag
from fabula.errors import LogCorrupted
from tests.integration.story.house import House, bodies, first, owner_of
from tests.integration.story.test_reading import feed

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_one_log_that_cannot_be_read_harms_no_other(idle_house: House) -> None:
    """Reading it says what is the matter; lists, feeds and watches of all others go on, and so does the server."""
    user = idle_house.user()
    sound = await user.start()
    broken = address_of("story", owner_of(user), "broken")
    garbage = [Entry(1, Tag.STATE, b"\xff")]
    await idle_house.journal.events.append(broken, garbage, after=0, append_id=uuid4().hex, purpose=Purpose.QUEUE)

    async with asyncio.timeout(20), aclosing(user.watch(generation_id=sound)) as watch:
        assert ["accepted"] == bodies([await anext(watch)])
        with pytest.raises(LogCorrupted):
            await user.get(broken.id)
        with pytest.raises(LogCorrupted):
            await user.call("CancelGeneration", generation_id=broken.id)
        with pytest.raises(Exception, match="parsing"):
            await first(user.watch(generation_id=broken.id, wait_for_start=True), 2)
        assert [sound] == await user.listed()
        async with aclosing(feed(user)) as news:
            assert sound == (await anext(news)).generation.id
            other = await user.start()
            assert other == (await anext(news)).generation.id
        await user.call("CancelGeneration", generation_id=sound)
        told = [response async for response in watch]

    assert "cancelled" == bodies(told)[-1]


async def test_what_cannot_be_read_can_be_deleted(idle_house: House) -> None:
    """It is good for nothing else."""
    user = idle_house.user()
    broken = address_of("story", owner_of(user), "broken")
    garbage = [Entry(1, Tag.STATE, b"\xff")]
    await idle_house.journal.events.append(broken, garbage, after=0, append_id=uuid4().hex, purpose=Purpose.QUEUE)

    await user.call("DeleteGeneration", generation_id=broken.id)

    assert not await idle_house.journal.events.listing("story", owner_of(user))
