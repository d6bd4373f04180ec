"""A broadcast by python-socketio under uvicorn, as its documentation has it: all clients in one room, `emit` to it."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import socketio
import uvicorn
import uvloop

from bench.peers.trigger import listen

ROOM = "story"


async def serve(port: int, trigger_port: int, message: str) -> None:
    """Serve until ended."""
    server = socketio.AsyncServer(async_mode="asgi")

    async def connect(sid: str, _environ: Any) -> None:
        await server.enter_room(sid, ROOM)

    async def broadcast() -> None:
        await server.emit("event", message, room=ROOM)

    server.on("connect", connect)
    await listen(trigger_port, broadcast)
    config = uvicorn.Config(
        socketio.ASGIApp(server), port=port, loop="none", log_level="error", access_log=False, backlog=4096
    )
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
