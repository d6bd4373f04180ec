"""Clients of families A, D and E: plain WebSockets that say what they hear, and event streams by POST."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import websockets
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.integration.gateway.clients import Gateway, SseEvent, _events

PATIENCE_SECONDS = 20.0


@dataclass(slots=True)
class Told:
    """A plain WebSocket."""

    socket: ClientConnection

    async def next(self) -> Any:
        """Return the next message."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return json.loads(await self.socket.recv())

    async def take(self, count: int) -> list[Any]:
        """Return the next messages."""
        return [await self.next() for _ in range(count)]

    async def rest(self) -> list[Any]:
        """Return all messages until the socket is closed."""
        messages = []
        try:
            while True:
                messages.append(await self.next())
        except ConnectionClosed:
            return messages

    async def closed(self) -> tuple[int, str]:
        """Return the close code and the reason, when it is closed."""
        await self.rest()
        return self.socket.close_code or 0, self.socket.close_reason or ""

    async def say(self, message: Any) -> None:
        """Send a message: text or bytes as they are, anything else as JSON."""
        await self.socket.send(message if isinstance(message, str | bytes) else json.dumps(message))


@asynccontextmanager
async def told(gateway: Gateway, address: str, token: str = "", **options: Any) -> AsyncIterator[Told]:
    """Open a WebSocket."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    options = {"compression": None, "max_size": None, "additional_headers": headers, **options}
    async with websockets.connect(f"ws://{gateway.host}{address}", **options) as socket:
        yield Told(socket)


async def refusal(gateway: Gateway, address: str, token: str = "", **options: Any) -> tuple[int, Any]:
    """Return the status and the JSON with which a WebSocket's handshake is refused."""
    try:
        async with told(gateway, address, token, **options):
            raise AssertionError("it was let in")
    except InvalidStatus as refused:
        return refused.response.status_code, json.loads(refused.response.body or b"null")


@asynccontextmanager
async def streamed(
    gateway: Gateway, body: Any, token: str = "", address: str = "/run/stream", **headers: str
) -> AsyncIterator[tuple[httpx.Response, AsyncIterator[SseEvent]]]:
    """Open an event stream by POST; by GET where there is no body."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    if token:
        names["authorization"] = f"Bearer {token}"
    method = "GET" if body is None else "POST"
    async with gateway.http.stream(method, address, json=body, headers=names) as response:
        yield response, (event async for event in _events(response) if event.name)
