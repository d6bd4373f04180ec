"""The smallest WebSocket endpoint under uvicorn: accepts, and waits for messages; all settings are the default ones."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import uvicorn
import uvloop


async def endpoint(_scope: Any, receive: Any, send: Any) -> None:
    """Hold a socket until it is closed."""
    await receive()
    await send({"type": "websocket.accept"})
    while (await receive())["type"] != "websocket.disconnect":
        pass


async def serve(port: int) -> None:
    """Serve until ended."""
    config = uvicorn.Config(
        endpoint, port=port, loop="none", lifespan="off", log_level="error", access_log=False, backlog=4096
    )
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))
