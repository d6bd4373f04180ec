"""Callers that leave while a stream waits for them to read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any

import grpc
import pytest

from fabula.rpc.auth import Authenticator
from fabula.rpc.edge import Edge
from fabula.rpc.kinds import STORY

MESSAGE = b"x" * 200_000


async def test_a_caller_who_leaves_without_reading_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """The stream ends, what it held is given back, and nothing is logged: that happens all day."""
    writing, ended = asyncio.Event(), asyncio.Event()

    async def endless(_call: Any, _request: Any) -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield MESSAGE
                writing.set()
        finally:
            ended.set()

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Edge(STORY, {}, {"WatchProgress": endless}, Authenticator(None)).handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    request = STORY.request("WatchProgress")(request_id="any").SerializeToString()
    with caplog.at_level(logging.WARNING):
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            call = channel.unary_stream(STORY.path("WatchProgress"), None, None)(request)
            await call.read()
            await asyncio.wait_for(writing.wait(), 10)
            await asyncio.sleep(0.1)  # until there is no room any more
            call.cancel()
        await asyncio.wait_for(ended.wait(), 10)
        await server.stop(None)

    assert [] == [record.getMessage() for record in caplog.records]
