"""The sending side of a WebSocket: by a pipe where the server has one, by plain ASGI messages elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from gateway.dialects import native
from gateway.dialects.native import Native
from gateway.entries import Frame, SharedEntry
from gateway.fan import Form, joined
from gateway.frames import frame_bytes
from gateway.pipe import ClientGone, Pipe, pipe_of

log = structlog.get_logger(__name__)

DOOR = "websocket"

Messages = Callable[[SharedEntry], Iterable[Frame]]
"""What an entry says, message by message."""


class Outlet(Protocol):
    """One socket's."""

    @property
    def pipe(self) -> Pipe | None:
        """The way of finished frames, if there is one."""
        ...

    @property
    def wrote_at(self) -> float:
        """When something was last sent here, on the monotonic clock."""
        ...

    async def send(self, message: Frame) -> None:
        """Send a message; returns once the client's side has taken what came before.

        Raises:
            ClientGone: there is nobody to send to.
        """
        ...

    async def send_entries(self, entries: Sequence[SharedEntry]) -> None:
        """Send entries, in the dialect of the socket; raises as `send`."""
        ...

    async def close(self, code: int, reason: str = "") -> None:
        """Close the socket; nothing happens if it is closed already."""
        ...


def form_of(dialect: Native, *, conflate: bool = False) -> Form:
    """Return the form in which a socket that speaks this dialect gets its entries from a pipe."""
    return _FORMS[dialect.name, conflate]


def _form(dialect: Native, *, conflate: bool) -> Form:
    def encode(entry: SharedEntry) -> bytes:
        return frame_bytes(dialect.encode(native.entry_frame(entry)))

    return Form(f"{dialect.name} in a frame", encode, DOOR, conflate)


_FORMS = {
    (dialect.name, conflate): _form(dialect, conflate=conflate)
    for dialect in native.DIALECTS.values()
    for conflate in (False, True)
}


def _messages(dialect: Native) -> Messages:
    def encode(entry: SharedEntry) -> Frame:
        return dialect.encode(native.entry_frame(entry))

    return lambda entry: (entry.frame(dialect.name, encode),)


_MESSAGES = {dialect.name: _messages(dialect) for dialect in native.DIALECTS.values()}


def outlet_of(websocket: WebSocket, dialect: Native) -> Outlet:
    """Return the outlet of an accepted socket that speaks the native dialect."""
    return outlet_by(websocket, form_of(dialect), _MESSAGES[dialect.name])


def outlet_by(websocket: WebSocket, form: Form, messages: Messages) -> Outlet:
    """Return the outlet of an accepted socket, whatever is spoken on it.

    Args:
        websocket: The socket.
        form: How entries go over a pipe: as finished frames.
        messages: What an entry says, for a server that has no pipes.
    """
    pipe = pipe_of(websocket.scope)
    return PlainOutlet(websocket, messages) if pipe is None else PipedOutlet(websocket, form, pipe)


class _Closing:
    """What both kinds have in common: how they close."""

    __slots__ = ("_websocket", "wrote_at")

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self.wrote_at = time.monotonic()

    async def close(self, code: int, reason: str = "") -> None:
        """Close the socket; nothing happens if it is closed already."""
        if self._websocket.application_state is WebSocketState.CONNECTED:
            try:
                await self._websocket.close(code, reason)
            except (RuntimeError, WebSocketDisconnect, OSError):
                log.debug("closed_by_peer_first")


class PipedOutlet(_Closing):
    """Writes frames to a pipe: no turn has to be waited for, as a frame is written whole."""

    __slots__ = ("_form", "pipe")

    def __init__(self, websocket: WebSocket, form: Form, pipe: Pipe) -> None:
        super().__init__(websocket)
        self.pipe = pipe
        self._form = form

    async def send(self, message: Frame) -> None:
        """Send a message; see `Outlet`."""
        await self._write(frame_bytes(message))

    async def send_entries(self, entries: Sequence[SharedEntry]) -> None:
        """Send entries; see `Outlet`."""
        for data in joined(self._form, entries):
            await self._write(data)

    async def _write(self, data: bytes) -> None:
        await self.pipe.room()
        if data:
            self.pipe.write(data)
            self.wrote_at = time.monotonic()


class PlainOutlet(_Closing):
    """Sends by ASGI messages, one after the other."""

    __slots__ = ("_messages", "_turn")

    pipe = None

    def __init__(self, websocket: WebSocket, messages: Messages) -> None:
        super().__init__(websocket)
        self._messages = messages
        self._turn = asyncio.Lock()

    async def send(self, message: Frame) -> None:
        """Send a message; see `Outlet`."""
        async with self._turn:
            if self._websocket.application_state is not WebSocketState.CONNECTED:
                raise ClientGone
            try:
                if isinstance(message, str):
                    await self._websocket.send_text(message)
                else:
                    await self._websocket.send_bytes(message)
            except (RuntimeError, WebSocketDisconnect):  # the server has closed it below us: no pong, for instance
                raise ClientGone from None
            self.wrote_at = time.monotonic()

    async def send_entries(self, entries: Sequence[SharedEntry]) -> None:
        """Send entries; see `Outlet`."""
        for entry in entries:
            for message in self._messages(entry):
                await self.send(message)
