"""One Socket.IO server at one address."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from fabula.errors import PermissionDenied
from gateway.doors.socket_io.client import Namespace
from gateway.doors.socket_io.gate import Gate
from gateway.doors.socket_io.server import Server
from gateway.doors.socket_io.transports import CLOSE_RESTART
from gateway.house import House
from gateway.identity import Visitor
from gateway.origin import OriginGuard, OriginRule

DISMISS_SECONDS = 1.0
"""How long a client may take to hear that it should come back later; then its connection is cut with the others."""


class SocketIoDoor:
    """An ASGI application. The caretaker looks after it as one connection: Engine.IO gives its own signs of life.

    Args:
        house: The inside of the gateway.
        rule: Whose pages may use it.
        path: Where it is, e.g. "/socket.io"; the slash that clients put behind it may be there or not.
    """

    def __init__(self, house: House, rule: OriginRule, path: str) -> None:
        self._rule = rule
        self._path = path
        self.server = Server(house, self._is_allowed)
        self._app = OriginGuard(Gate(self.server), rule)
        house.caretaker.begin(self)

    def serve(self, namespace: Namespace) -> None:
        """Serve a namespace from now on."""
        self.server.known[namespace.name] = namespace

    def serves(self, scope: Scope) -> bool:
        """Say whether a request or WebSocket is for this door."""
        return scope["path"].removesuffix("/") == self._path  # type: ignore[no-any-return]

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request or WebSocket."""
        return self._app(scope, receive, send)

    def _is_allowed(self, _origin: str, environ: dict[str, Any]) -> bool:
        try:
            self._rule.check(Headers(scope=environ["asgi.scope"]))
        except PermissionDenied:
            return False
        return True

    @property
    def wrote_at(self) -> float:
        """Now: nobody has to be given a sign of life."""
        return time.monotonic()

    async def keep_alive(self) -> None:
        """Nothing: see `wrote_at`."""

    async def dismiss(self) -> None:
        """End all connections so that clients come back."""
        ends = [self.server.end(eio_sid, CLOSE_RESTART, "restart") for eio_sid in tuple(self.server.sessions)]
        if ends:
            tasks = [asyncio.ensure_future(end) for end in ends]
            _, late = await asyncio.wait(tasks, timeout=DISMISS_SECONDS)
            for task in late:
                task.cancel()
        await self.server.shutdown()


async def visitor_of(house: House, headers: Headers, auth: dict[str, Any]) -> Visitor:
    """Tell who is at the other end: by the token in what came with the request to be let in, else by the headers.

    Raises:
        FabulaError: as `Doorkeeper.let_in_by`.
    """
    token = auth.get("token")
    text = token.strip() if isinstance(token, str) else ""
    if text[:7].lower() == "bearer ":
        text = text[7:].strip()
    return await house.doorkeeper.let_in_by(text, headers)
