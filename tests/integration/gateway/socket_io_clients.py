"""Clients of the Socket.IO servers that speak the protocols by hand: what comes and goes is seen packet by packet."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import websockets
from websockets.asyncio.client import ClientConnection

from gateway.doors.socket_io.door import SocketIoDoor
from tests.integration.gateway.clients import Gateway

STORIES = "/socket.io/"
CHARACTERS = "/api/v1/ws/"
QUERY = "?EIO=4&transport="
PATIENCE_SECONDS = 20.0


@dataclass(slots=True)
class Packets:
    """A connection of which packets are read one by one; pings are answered on the way.

    Attributes:
        socket: The WebSocket.
        handshake: What the server said at first.
    """

    socket: ClientConnection
    handshake: dict[str, Any] = field(default_factory=dict)

    async def send(self, packet: str) -> None:
        """Send an Engine.IO packet."""
        await self.socket.send(packet)

    async def raw(self) -> str:
        """Return the next packet, whatever it is."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            packet = await self.socket.recv()
        assert isinstance(packet, str)
        return packet

    async def next(self) -> str:
        """Return the next packet that is no ping and no NOOP."""
        while (packet := await self.raw()) in {"2", "6"}:
            if packet == "2":
                await self.send("3")
        return packet

    async def connect(self, namespace: str = "/", auth: dict[str, Any] | None = None) -> str:
        """Ask to be let into a namespace; return the answer."""
        await self.send(f"40{_in(namespace)}{json.dumps(auth) if auth is not None else ''}")
        return await self.next()

    async def emit(self, event: str, content: Any, namespace: str = "/", ack: int | None = None) -> None:
        """Send an event, with a number if an acknowledgement is wanted."""
        number = "" if ack is None else ack
        await self.send(f"42{_in(namespace)}{number}{json.dumps([event, content])}")

    async def event(self) -> tuple[str, Any]:
        """Return the name and the content of the next event."""
        packet = await self.next()
        assert packet.startswith("42"), packet
        name, content = json.loads(packet[packet.index("[") :])
        return name, content

    async def events(self, count: int) -> list[tuple[str, Any]]:
        """Return the next events."""
        return [await self.event() for _ in range(count)]

    async def ask(self, event: str, content: Any, namespace: str = "/") -> tuple[Any, list[tuple[str, Any]]]:
        """Send an event; return its acknowledgement, and the events that came before it."""
        await self.emit(event, content, namespace, ack=7)
        before: list[tuple[str, Any]] = []
        while True:
            packet = await self.next()
            arguments = json.loads(packet[packet.index("[") :])
            if packet.startswith("43"):
                return arguments[0], before
            before.append((arguments[0], arguments[1]))

    async def rest(self) -> str:
        """Return all that comes until the server closes, as one text."""
        seen: list[str] = []
        with suppress(websockets.ConnectionClosed):
            while True:
                seen.append(await self.next())
        return "\n".join(seen)

    async def closed(self) -> int:
        """Wait until the server has closed; return with which code."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.socket.wait_closed()
        return self.socket.close_code or 0


def _in(namespace: str) -> str:
    return "" if namespace == "/" else f"{namespace},"


@asynccontextmanager
async def packets(gateway: Gateway, path: str = STORIES, query: str = "", **options: Any) -> AsyncIterator[Packets]:
    """Open a WebSocket, past the handshake unless it belongs to a session."""
    address = f"ws://{gateway.host}{path}{QUERY}websocket{query}"
    async with websockets.connect(address, compression=None, max_size=None, **options) as socket:
        opened = Packets(socket)
        if not query:
            first = await opened.raw()
            assert first.startswith("0")
            opened.handshake = json.loads(first[1:])
        yield opened


@dataclass(slots=True)
class Polling:
    """A session over HTTP long-polling."""

    http: httpx.AsyncClient
    path: str
    handshake: dict[str, Any]

    @property
    def address(self) -> str:
        """Where its packets are fetched and sent."""
        return f"{self.path}{QUERY}polling&sid={self.handshake['sid']}"

    async def send(self, body: str) -> httpx.Response:
        """Send packets."""
        return await self.http.post(self.address, content=body.encode())

    async def poll(self) -> httpx.Response:
        """Fetch the next packets."""
        return await self.http.get(self.address)

    async def fetched(self, count: int) -> list[str]:
        """Fetch packets until there are so many that are no pings."""
        found: list[str] = []
        while len(found) < count:
            response = await self.poll()
            assert 200 == response.status_code, response.text
            found += [packet for packet in response.text.split("\x1e") if packet not in {"2", "6"}]
        return found


async def polling(gateway: Gateway, path: str = STORIES) -> Polling:
    """Open a session over HTTP long-polling."""
    response = await gateway.http.get(f"{path}{QUERY}polling")
    assert 200 == response.status_code, response.text
    assert response.text.startswith("0")
    return Polling(gateway.http, path, json.loads(response.text[1:]))


def doors(gateway: Gateway, path: str = STORIES) -> Any:
    """Return the Socket.IO server at an address."""
    found = [each for each in gateway.house.caretaker._connections if isinstance(each, SocketIoDoor)]
    return next(each for each in found if f"{each._path}/" == path).server
