"""Clients of the gateway as tests use them: frames over a WebSocket, events of a stream."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import websockets
from websockets.asyncio.client import ClientConnection
from websockets.typing import Subprotocol

from gateway.house import House
from gateway.server import DrainingServer
from tests.scripted_service import until

JSON = "fabula.v1.json"
PROTO = "fabula.v1.proto"


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One server-sent event."""

    name: str
    data: Any
    id: str | None


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway."""

    house: House
    server: DrainingServer
    http: httpx.AsyncClient

    @property
    def host(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.house.settings.http_port}"

    async def end(self) -> None:
        """Stop the gateway now, and return when it listens no more."""
        self.server.stop()
        await until(lambda: self.house.closing.is_set() and not self.server.server_state.connections)

    @asynccontextmanager
    async def socket(self, *subprotocols: str, query: str = "", **options: Any) -> AsyncIterator[Socket]:
        """Open a WebSocket; JSON is spoken unless asked otherwise."""
        names = [Subprotocol(name) for name in subprotocols or (JSON,)]
        options = {"compression": None, "max_size": None, **options}
        async with websockets.connect(f"ws://{self.host}/v1/ws{query}", subprotocols=names, **options) as connection:
            yield Socket(connection)

    @asynccontextmanager
    async def events(
        self, generation_id: str, query: str = "", **headers: str
    ) -> AsyncIterator[tuple[httpx.Response, AsyncIterator[SseEvent]]]:
        """Open an event stream."""
        async with self.stream(f"/v1/generations/{generation_id}/events{query}", **headers) as opened:
            yield opened

    @asynccontextmanager
    async def stream(self, path: str, **headers: str) -> AsyncIterator[tuple[httpx.Response, AsyncIterator[SseEvent]]]:
        """Open an event stream at any address."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.stream("GET", path, headers=names) as response:
            yield response, _events(response)


@dataclass(slots=True)
class Socket:
    """A WebSocket that speaks the native dialect in JSON."""

    connection: ClientConnection

    async def send(self, **frame: Any) -> None:
        """Send a frame."""
        await self.connection.send(json.dumps(frame))

    async def subscribe(self, generation_id: str, **wish: Any) -> dict[str, Any]:
        """Subscribe, and return the answer."""
        await self.send(frameId="s", subscribe={"generationId": generation_id, **wish})
        while True:
            frame = await self.next()
            if frame.get("frameId") == "s":
                return frame

    async def next(self) -> dict[str, Any]:
        """Return the next frame."""
        frame: dict[str, Any] = json.loads(await self.connection.recv())
        return frame

    async def until_end(self) -> list[dict[str, Any]]:
        """Return all frames up to `ended` or an error, that one included."""
        frames = [await self.next()]
        while not {"ended", "error"} & frames[-1].keys():
            frames.append(await self.next())
        return frames

    async def take(self, count: int) -> list[dict[str, Any]]:
        """Return the next events."""
        return [await self.next() for _ in range(count)]


def sequences(frames: Sequence[dict[str, Any]]) -> list[int]:
    """Return the sequences of the events among these frames."""
    return [frame["event"]["sequence"] for frame in frames if "event" in frame]


async def _events(response: httpx.Response) -> AsyncIterator[SseEvent]:
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif fields:
            data = json.loads(fields["data"]) if "data" in fields else None
            yield SseEvent(fields.get("event", ""), data, fields.get("id"))
            fields = {}
