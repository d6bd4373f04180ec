from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from typing import Any

import pytest

from fabula.api.story.v1 import story_pb2 as pb
from fabula.errors import NotFound, Unavailable
from fabula.rpc.auth import Authenticator
from fabula.rpc.client import Caller, Client, open_channel
from fabula.rpc.kinds import STORY
from fabula.rpc.server import Listen
from fabula.runtime import server
from services.story.contract import StoryContract
from tests.integration.story.house import SECRET, House, User, bodies, free_port, running, sequences, story

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_watch_outlives_its_server(house: House, user: User) -> None:
    """The server goes in mid-story and another one comes: the client's watch tells 1 to N, each once."""
    script = house.script(hold_before=3)
    listen = Listen(port=free_port(), drain_seconds=0.5)
    part = server(StoryContract(), listen, Authenticator(SECRET))
    told: asyncio.Queue[Any] = asyncio.Queue()

    async with open_channel(f"127.0.0.1:{listen.port}") as channel:
        client = Client(STORY, channel)

        async def watch(id_: str) -> list[Any]:
            seen = []
            async for response in client.watch(pb.WatchProgressRequest(generation_id=id_), user.caller):
                seen.append(response)
                told.put_nowait(response)
            return seen

        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            async with running(part, house.settings):
                id_ = await user.start(story(script.premise))
                watching = tasks.create_task(watch(id_))
                await told.get()
            await script.held.wait()
            script.go.set()
            await user.log(id_)  # by the other server: the story ends while this one is away
            async with running(part, house.settings):
                seen = [response for response in await watching if response.event.sequence]

    assert list(range(1, len(seen) + 1)) == sequences(seen)
    assert "succeeded" == bodies(seen)[-1]


async def test_patience_comes_to_an_end() -> None:
    """Where nobody answers for so long, the watch says so."""
    async with open_channel(f"127.0.0.1:{free_port()}") as channel:
        watch = Client(STORY, channel).watch(pb.WatchProgressRequest(generation_id="story-1"), Caller(), patience=0.3)
        with pytest.raises(Unavailable):
            async with asyncio.timeout(10):
                await anext(aiter(watch))


async def test_a_refusal_is_not_tried_again(user: User) -> None:
    """What the service refuses ends the watch at once."""
    request = pb.WatchProgressRequest(generation_id="story-00000000-0000-4000-8000-000000000000")

    with pytest.raises(NotFound):
        async with asyncio.timeout(5):
            await anext(aiter(user.client.watch(request, user.caller)))


async def test_a_watch_that_is_left_harms_nobody(house: House, user: User) -> None:
    """A disconnect is never a cancel."""
    script = house.script(hold_before=2)
    id_ = await user.start(story(script.premise))
    for _ in range(3):
        async with aclosing(user.watch(generation_id=id_)) as watch:
            assert await anext(watch)
    with suppress(TimeoutError):
        async with asyncio.timeout(0.05), aclosing(user.watch(generation_id=id_, after_sequence=10**6)) as watch:
            async for _ in watch:
                pass
    await script.held.wait()
    script.go.set()

    assert "succeeded" == bodies(await user.log(id_))[-1]
