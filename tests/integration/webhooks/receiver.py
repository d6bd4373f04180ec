"""An endpoint of a stranger's: answers as a test wants it to, and checks signatures with a stranger's library."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from standardwebhooks.webhooks import Webhook

BUSY = "HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\n\r\n"


def answer(status: int, *lines: str, body: str = "") -> str:
    """Return an answer as it is written to the wire."""
    head = [f"HTTP/1.1 {status} X", *lines, f"content-length: {len(body.encode())}"]
    return "\r\n".join([*head, "", body])


@dataclass(frozen=True, slots=True)
class Heard:
    """One request.

    Attributes:
        time: When it was there (monotonic).
        path: Where it went.
        headers: Its headers, in lower case.
        body: Its body.
    """

    time: float
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """Its delivery."""
        return self.headers["webhook-id"]

    @property
    def content(self) -> Any:
        """What it tells."""
        return json.loads(self.body)

    def verified(self, secret: str) -> Any:
        """Return what it tells, checked by a library that is not ours. Raises where the signature does not hold."""
        return Webhook(secret).verify(self.body, self.headers)


@dataclass(slots=True)
class Receiver:
    """What listens.

    Attributes:
        port: Where.
        answers: What it answers to the next requests, one after the other; then 204.
        heard: What it was sent.
        go: Cleared: it does not answer.
    """

    port: int = 0
    answers: list[str] = field(default_factory=list)
    heard: list[Heard] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, path: str = "/hook") -> str:
        """Return an address here."""
        return f"http://127.0.0.1:{self.port}{path}"

    async def until(self, count: int, seconds: float = 20.0) -> list[Heard]:
        """Wait until so many requests were heard; return them."""
        async with asyncio.timeout(seconds):
            while len(self.heard) < count:
                self._news.clear()
                await self._news.wait()
        return list(self.heard)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)
            }
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            self.heard.append(Heard(time.monotonic(), head[0].split(" ")[1], headers, body))
            self._news.set()
            await self.go.wait()
            writer.write((self.answers.pop(0) if self.answers else answer(204)).encode())
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """Listen on loopback while the block lasts."""
    receiver = Receiver()
    receiver.go.set()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        receiver.go.set()
        server.close()
