"""The sending side of server-sent events, whatever dialect they are in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from starlette.types import Receive, Send

from gateway.answers import Problem, problem_of
from gateway.entries import SharedEntry
from gateway.house import House
from gateway.pipe import Pipe
from gateway.race import race

RETRY_MILLISECONDS = 1000
"""How long an EventSource waits before it connects again."""

HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would gather events before it passes them on
)
COMMENT = b": still here\n\n"


def event_text(name: str, data: str, cursor: int | str = 0) -> str:
    """Return one event as it stands in the stream; without a cursor it has no id, and the client keeps the last."""
    line = f"id: {cursor}\n" if cursor else ""
    return f"{line}event: {name}\ndata: {data}\n\n"


def opening_text(cursor: int | str) -> str:
    """Return what comes at once: how soon to reconnect, and the cursor, so that even an early loss keeps it."""
    line = f"id: {cursor}\n" if cursor else ""
    return f"retry: {RETRY_MILLISECONDS}\n{line}\n"


class OpenStream:
    """One open stream. Implements `caretaker.Connection`, and what all have in common as `watch.Recipient`.

    Args:
        house: The inside of the gateway.
        door: What its events are counted under.
        receive: ASGI's.
        send: ASGI's.

    Attributes:
        expired: Set when the client's token holds no longer.
        gone: Whether the client has left.
    """

    pipe: Pipe | None = None

    def __init__(self, house: House, door: str, receive: Receive, send: Send) -> None:
        self._house = house
        self._door = door
        self._receive = receive
        self._asgi_send = send
        self._turn = asyncio.Lock()
        self._since = time.time()
        self._dismissed = asyncio.Event()
        self.expired = asyncio.Event()
        self.gone = False
        self._wrote_at = time.monotonic()

    @property
    def wrote_at(self) -> float:
        """When something was last sent, on the monotonic clock."""
        return self._wrote_at

    async def begin(self, opening: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Send the status, the headers, and what comes at once."""
        more = [(name.lower().encode(), value.encode()) for name, value in (headers or {}).items()]
        await self._asgi_send({"type": "http.response.start", "status": 200, "headers": [*HEADERS, *more]})
        await self.write(opening)

    async def go_on(self, telling: Coroutine[Any, Any, None]) -> None:
        """Send what `telling` has to, until it ends, the client leaves, its token expires or the gateway closes."""
        self._house.caretaker.begin(self)
        try:
            await race(telling, self._until_gone(), self._dismissed.wait(), self.expired.wait())
        finally:
            self._house.caretaker.end(self)

    async def end(self) -> None:
        """Send the end."""
        await self._asgi_send({"type": "http.response.body", "body": b"", "more_body": False})

    async def write(self, data: bytes) -> None:
        """Send bytes, once there is room for them."""
        async with self._turn:
            await self._asgi_send({"type": "http.response.body", "body": data, "more_body": True})
            self._wrote_at = time.monotonic()

    def count(self, entries: Sequence[SharedEntry]) -> None:
        """Note that entries were sent."""
        self._house.metrics.at(self._door).sent(entries, self._since)

    def problem(self, error: BaseException) -> Problem:
        """Return what to tell of an error, and note that it is told."""
        problem = problem_of(error)
        self._house.metrics.errors.labels(self._door, problem.code).inc()
        return problem

    def resume(self) -> None:
        """Never needed: without a pipe the fan does not carry it."""

    async def keep_alive(self) -> None:
        """Give a sign of life."""
        await self.write(COMMENT)

    async def dismiss(self) -> None:
        """End the stream: the client comes back with its cursor."""
        self._dismissed.set()

    async def _until_gone(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True
