"""The way of finished bytes to one client, with a bound.

What is written goes to the transport at once. Once the transport holds more than its high-water mark (64 KiB with
uvicorn) the pipe is full, until the client has read: a writer that waits for room before it writes leaves behind no
more than that mark and what it wrote last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, cast

EXTENSION = "fabula.pipe"
"""Where an ASGI scope holds the pipe to its client, in its `extensions`, if the server has one."""


class ClientGone(Exception):
    """The client is gone, or its connection is being closed."""


class Pipe:
    """One client's.

    Args:
        write: Hands bytes to the transport; never waits, never raises while the pipe is open.

    Attributes:
        write: The same; only to be called while the pipe is open, and by who writes much, while there is room.
        on_stop: Called when the pipe is full or closed: who writes without asking has to stop.
    """

    __slots__ = ("_closed", "_room", "on_stop", "write")

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self.write = write
        self.on_stop: Callable[[], None] | None = None
        self._closed = False
        self._room: asyncio.Event | None = None

    @property
    def closed(self) -> bool:
        """Whether nothing may be written any more."""
        return self._closed

    @property
    def full(self) -> bool:
        """Whether the client has to read before more is written."""
        return self._room is not None

    async def room(self) -> None:
        """Wait until the pipe is not full. Returns without giving way if it is not.

        Raises:
            ClientGone: there is nobody to write to.
        """
        while self._room is not None and not self._closed:
            await self._room.wait()
        if self._closed:
            raise ClientGone

    def stop(self) -> None:
        """Take the pipe for full. Called by the protocol that owns the transport."""
        if self._room is None:
            self._room = asyncio.Event()
            self._tell()

    def go_on(self) -> None:
        """Take the pipe for free again. Called by the protocol that owns the transport."""
        if self._room is not None:
            self._room.set()
            self._room = None

    def close(self) -> None:
        """Write nothing any more. Called before a close frame is sent, and when the connection is lost."""
        if not self._closed:
            self._closed = True
            if self._room is not None:
                self._room.set()
            self._tell()

    def _tell(self) -> None:
        if self.on_stop is not None:
            self.on_stop()


def pipe_of(scope: Mapping[str, Any]) -> Pipe | None:
    """Return the pipe to the client of an ASGI scope, if its server has one."""
    return cast("Pipe | None", scope.get("extensions", {}).get(EXTENSION))
