"""Server-sent events by FastAPI under uvicorn, as is usual: a queue for each client, a generator that empties it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

import uvicorn
import uvloop
from fastapi import FastAPI
from starlette.responses import StreamingResponse

from bench.peers.trigger import listen


async def serve(port: int, trigger_port: int, message: str) -> None:
    """Serve until ended."""
    app, queues = FastAPI(), set[asyncio.Queue[str]]()

    async def events(queue: asyncio.Queue[str]) -> AsyncIterator[str]:
        try:
            yield "retry: 1000\n\n"
            while True:
                yield await queue.get()
        finally:
            queues.discard(queue)

    async def endpoint() -> StreamingResponse:
        queue: asyncio.Queue[str] = asyncio.Queue()
        queues.add(queue)
        return StreamingResponse(events(queue), media_type="text/event-stream")

    async def broadcast() -> None:
        for queue in queues:
            queue.put_nowait(message)

    app.add_api_route("/events", endpoint)
    await listen(trigger_port, broadcast)
    config = uvicorn.Config(app, port=port, loop="none", log_level="error", access_log=False, backlog=4096)
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
