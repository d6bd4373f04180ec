"""A broadcast by FastAPI under uvicorn, as its documentation has it: a manager that sends to one socket after another.

https://fastapi.tiangolo.com/advanced/websockets/#handling-disconnections-and-multiple-clients
"""

from __future__ import annotations

import asyncio
import sys

import uvicorn
import uvloop
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from bench.peers.trigger import listen


class ConnectionManager:
    """Word for word that of the documentation."""

    def __init__(self) -> None:
        self.active_connections: list[WebSocket] = []

    async def connect(self, websocket: WebSocket) -> None:
        """Accept a socket."""
        await websocket.accept()
        self.active_connections.append(websocket)

    def disconnect(self, websocket: WebSocket) -> None:
        """Forget a socket."""
        self.active_connections.remove(websocket)

    async def broadcast(self, message: str) -> None:
        """Send to all."""
        for connection in self.active_connections:
            await connection.send_text(message)


async def serve(port: int, trigger_port: int, message: str) -> None:
    """Serve until ended."""
    app, manager = FastAPI(), ConnectionManager()

    async def endpoint(websocket: WebSocket) -> None:
        await manager.connect(websocket)
        try:
            while True:
                await websocket.receive_text()
        except WebSocketDisconnect:
            manager.disconnect(websocket)

    app.add_api_websocket_route("/ws", endpoint)
    await listen(trigger_port, lambda: manager.broadcast(message))
    config = uvicorn.Config(app, port=port, loop="none", log_level="error", access_log=False, backlog=4096)
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
