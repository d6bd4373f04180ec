"""Looks after open connections: one task for all gives signs of life to silent ones, and asks all to go in the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, Self

import structlog

log = structlog.get_logger(__name__)

LOOKS = 20
"""How often connections are looked at in the time after which a silent one is given a sign of life.

So that those who came at different times are not all served in one turn.
"""


class Connection(Protocol):
    """A long connection."""

    @property
    def wrote_at(self) -> float:
        """When something was last sent, on the monotonic clock."""
        ...

    async def keep_alive(self) -> None:
        """Give a sign of life; nothing happens if the client is gone."""
        ...

    async def dismiss(self) -> None:
        """Ask the client to come back later; nothing happens if it is gone."""
        ...


class Caretaker:
    """Looks after connections while they are open. An async context manager.

    Args:
        silent_seconds: How long a connection may be silent.
    """

    def __init__(self, silent_seconds: float) -> None:
        self._silent_seconds = silent_seconds
        self._connections: set[Connection] = set()
        self._busy: dict[Connection, asyncio.Task[None]] = {}
        self._tasks = asyncio.TaskGroup()
        self._looking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin."""
        await self._tasks.__aenter__()
        self._looking = self._tasks.create_task(self._look())
        return self

    async def __aexit__(self, *exc: object) -> None:
        """End; what is still being sent to clients is given up."""
        for task in (self._looking, *self._busy.values()):
            if task is not None:
                task.cancel()
        await self._tasks.__aexit__(None, None, None)

    def begin(self, connection: Connection) -> None:
        """Look after a connection from now on."""
        self._connections.add(connection)

    def end(self, connection: Connection) -> None:
        """Look after a connection no more."""
        self._connections.discard(connection)

    def dismiss_all(self) -> None:
        """Ask all clients to come back later; the asking goes on in the background."""
        for connection in tuple(self._connections):
            self._tasks.create_task(_alone(connection.dismiss))

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(self._silent_seconds / LOOKS)
            silent_since = time.monotonic() - self._silent_seconds
            for connection in tuple(self._connections):
                if connection.wrote_at <= silent_since and connection not in self._busy:
                    self._begin_keep_alive(connection)

    def _begin_keep_alive(self, connection: Connection) -> None:
        task = self._tasks.create_task(_alone(connection.keep_alive))
        self._busy[connection] = task
        task.add_done_callback(lambda _: self._busy.pop(connection))


async def _alone(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do something for one connection, whose trouble is not the others'."""
    try:
        await work()
    except Exception:
        log.exception("connection_not_looked_after")
