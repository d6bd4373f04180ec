"""What callers of services get, apart from the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast

from fabula.api.story.v1 import story_pb2
from fabula.rpc.client import Caller, Client
from fabula.rpc.kinds import STORY


class OneEvent(Client):
    """A client whose streams have one event and no end; counts those that are open."""

    open = 0

    async def stream(self, _rpc: str, _request: Any, _caller: Caller) -> AsyncGenerator[bytes, None]:
        """Yield an event, then wait to be closed."""
        self.open += 1
        try:
            yield story_pb2.WatchProgressResponse().SerializeToString()
            await asyncio.Event().wait()
        finally:
            self.open -= 1


async def test_a_watch_that_is_closed_closes_its_stream_at_once() -> None:
    """Not some time later, when the garbage is collected."""
    client = OneEvent(STORY, cast("Any", None))
    watch = client.watch(story_pb2.WatchProgressRequest(), Caller())
    await anext(watch)
    assert 1 == client.open
    await watch.aclose()

    assert 0 == client.open
