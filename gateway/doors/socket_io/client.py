"""A user who has been let into a namespace, and what a namespace has to be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Protocol

from engineio import exceptions as engine_exceptions
from starlette.datastructures import Headers

from fabula.errors import Unauthenticated
from fabula.rpc.auth import EXPIRED
from fabula.rpc.expiry import Expiry
from gateway.answers import problem_of
from gateway.doors.socket_io.queues import Packets
from gateway.doors.socket_io.transports import CLOSE_RESTART
from gateway.house import House
from gateway.identity import Visitor
from gateway.pipe import ClientGone, Pipe

DOOR = "socket.io"
"""What metrics call this door."""


class Sender(Protocol):
    """The server, as its clients see it."""

    house: House

    def queue_of(self, eio_sid: str) -> Packets | None:
        """Return what waits for a client; None if it is gone."""
        ...

    async def send_text(self, eio_sid: str, text: str) -> None:
        """Send a Socket.IO packet that is encoded already."""
        ...

    async def end(self, eio_sid: str, code: int, reason: str) -> None:
        """End a connection so that its client comes back."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin something beside."""
        ...


class Ride(Protocol):
    """What a client is told that may be carried by a fan."""

    def let_go(self) -> None:
        """Go on alone, if the fan carries it: there is no room for more, or nobody."""
        ...

    def drop(self) -> None:
        """Tell nothing more, from now on."""
        ...


class Client:
    """A user at one namespace of one connection.

    Args:
        server: The server.
        eio_sid: The connection.
        namespace: The namespace.
        visitor: Who it is.
        auth: What came with the request to be let in.
        base: What goes before addresses of ours; see `gateway.origin.base_for`.

    Attributes:
        ended: Whether it is gone; what was waited for meanwhile is done for nobody.
        on_end: Called once when it is gone.
        keeps: What the namespace keeps for it.
    """

    __slots__ = (
        "_eio_sid",
        "_expiry",
        "_rides",
        "_server",
        "_tasks",
        "auth",
        "base",
        "ended",
        "keeps",
        "namespace",
        "on_end",
        "visitor",
    )

    def __init__(
        self, server: Sender, eio_sid: str, namespace: str, visitor: Visitor, auth: dict[str, Any], *, base: str = ""
    ) -> None:
        self._server = server
        self._eio_sid = eio_sid
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._rides: dict[str, Ride] = {}
        self.namespace = namespace
        self.visitor = visitor
        self.auth = auth
        self.base = base
        self.ended = False
        self.on_end: Callable[[], None] | None = None
        self.keeps: object = None
        # Who comes back shows a fresh token, or is told that this one holds no longer.
        self._expiry = Expiry(self._expire)
        self._expiry.set(visitor.expires)

    @property
    def house(self) -> House:
        """The inside of the gateway."""
        return self._server.house

    @property
    def pipe(self) -> Pipe | None:
        """The way of finished frames; None while the client is polled, and once it is gone."""
        queue = self._server.queue_of(self._eio_sid)
        return None if queue is None else queue.pipe

    async def emit(self, event: str, content: dict[str, Any]) -> None:
        """Send an event once there is room for it. Raises `ClientGone`."""
        await self.send(packet_text(self.namespace, event, content))

    async def send(self, text: str) -> None:
        """Send a packet that is encoded already, once there is room for it. Raises `ClientGone`."""
        queue = self._server.queue_of(self._eio_sid)
        if queue is None:
            raise ClientGone
        await queue.room()
        if queue.released:
            raise ClientGone
        try:
            await self._server.send_text(self._eio_sid, text)
        except engine_exceptions.SocketIsClosedError:
            raise ClientGone from None

    def begin(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Do something for this client beside; what goes by the same name is ended. For who is gone nothing is done."""
        self.stop(name)
        task = self._server.spawn(work)
        if self.ended:
            task.cancel()
            return task
        self._tasks[name] = task
        task.add_done_callback(lambda done: self._forget(name, done))
        return task

    def carry(self, name: str, ride: Ride) -> None:
        """Take note of what may be carried by a fan, of what was begun by this name; there is one at a time."""
        self._rides[name] = ride

    def carry_no_more(self, name: str, ride: Ride) -> None:
        """Take note that it is over."""
        if self._rides.get(name) is ride:
            del self._rides[name]

    def let_go(self) -> None:
        """Have nothing more written by fans: the client has to read first, or is gone."""
        for ride in tuple(self._rides.values()):
            ride.let_go()

    def stop(self, name: str) -> bool:
        """End what was begun by this name: nothing of it is written from now on. Returns whether there was any."""
        if (ride := self._rides.pop(name, None)) is not None:
            ride.drop()
        task = self._tasks.pop(name, None)
        if task is not None:
            task.cancel()
        return task is not None

    def does(self, name: str) -> bool:
        """Say whether what was begun by this name goes on."""
        return name in self._tasks

    @property
    def busy(self) -> int:
        """How much is being done for this client."""
        return len(self._tasks)

    def _forget(self, name: str, done: asyncio.Task[None]) -> None:
        if self._tasks.get(name) is done:
            del self._tasks[name]

    def send_away(self) -> None:
        """Have its connection ended so that it comes back, and is looked at anew.

        Beside, and not as something that is done for it: that ends with the connection.
        """
        if not self.ended:
            self._server.spawn(self._server.end(self._eio_sid, CLOSE_RESTART, "come back"))

    def _expire(self) -> None:
        if not self.ended:
            problem = problem_of(Unauthenticated(EXPIRED))
            self._server.spawn(self._server.end(self._eio_sid, problem.close, problem.code))

    def end(self) -> None:
        """Do nothing more for this client: it is gone."""
        self.ended = True
        self._expiry.cancel()
        for name in tuple(self._tasks):
            self.stop(name)
        if self.on_end is not None:
            on_end, self.on_end = self.on_end, None
            on_end()


Handler = Callable[[Client, Any], Awaitable[dict[str, Any]]]
"""Carries out an event, by its first argument; what it returns goes back to who wants an acknowledgement."""


class Namespace(Protocol):
    """What is served under one name."""

    @property
    def name(self) -> str:
        """The name, e.g. "/stories"."""
        ...

    @property
    def events(self) -> Mapping[str, Handler]:
        """What clients may ask for."""
        ...

    async def admit(self, headers: Headers, auth: dict[str, Any]) -> Visitor:
        """Tell who wants to come in. Raises `FabulaError` to who may not."""
        ...

    async def arrived(self, client: Client) -> None:
        """Take note that somebody was let in, and knows it."""
        ...


def packet_text(namespace: str, event: str, content: dict[str, Any]) -> str:
    """Return an event as a Socket.IO packet (protocol revision 5, "Packet encoding")."""
    where = "" if namespace == "/" else f"{namespace},"
    return f"2{where}{json.dumps([event, content], ensure_ascii=False, separators=(',', ':'))}"
