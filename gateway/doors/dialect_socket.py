"""The door of plain WebSockets in any dialect: one generation for each socket, from its handshake to its end.

Who may not watch is refused at the handshake, with an HTTP status: their socket is never open. What clients say on the
socket is bounded, and answered where it calls for an answer. After the last message the socket is closed with 1000.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import Protocol

from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from fabula.errors import FabulaError, Unauthenticated
from fabula.rpc.auth import EXPIRED
from fabula.rpc.expiry import on_expiry
from gateway.answers import problem_of
from gateway.cursors import Cursor, read_cursor
from gateway.doors.client_messages import SHARE, answer_to
from gateway.doors.outlet import Outlet, outlet_by
from gateway.doors.speech import DOOR, Speech, text_of
from gateway.entries import SharedEntry
from gateway.house import House
from gateway.identity import TOKEN_SUBPROTOCOL, Visitor
from gateway.limits import too_many_messages
from gateway.pipe import ClientGone, Pipe
from gateway.watch import Watch

CLOSE_NORMAL = 1000
CLOSE_WRONG_TYPE = 1003
"""Close code: a binary message, where text is spoken (RFC 6455, section 7.4.1)."""
CLOSE_RESTART = 1012
"""Close code: the server is being restarted; come back (IANA WebSocket Close Code registry)."""

MOST_REASON_BYTES = 123
"""Longest reason of a close frame (RFC 6455, section 5.5)."""


@dataclass(frozen=True, slots=True)
class Program:
    """What is told on one socket.

    Attributes:
        speech: In whose words.
        open: Opens the watch, once the socket is open; it may take its time, and raise `FabulaError`. With the watch
            it returns what is told before: where the generation stands; None for nothing.
        open_anew: Opens it where the generation stands, for a client that has not kept up; None: it gets everything.
    """

    speech: Speech
    open: Callable[[], Awaitable[tuple[SharedEntry | None, Watch]]]
    open_anew: Callable[[], Awaitable[Watch]] | None = None


class Family(Protocol):
    """A family of front ends whose sockets stand at this door."""

    def admit(self, visitor: Visitor, name: str, after: Cursor | None) -> AbstractAsyncContextManager[Program]:
        """Say what is told on a socket, for as long as it is open.

        Args:
            visitor: Who opens it.
            name: The last part of its address.
            after: How far the client says it has been told; None: it is new.

        Raises:
            FabulaError: the socket is not to be opened.
        """
        ...


class DialectDoor:
    """Answers the WebSockets of a family, as an ASGI application.

    Args:
        house: The inside of the gateway.
        prefix: Their address, without its last part.
        family: Whose they are.
    """

    def __init__(self, house: House, prefix: str, family: Family) -> None:
        self._house = house
        self._family = family
        self.prefix = prefix

    def serves(self, scope: Scope) -> bool:
        """Say whether a connection is for this door."""
        path: str = scope["path"]
        return scope["type"] == "websocket" and path.startswith(self.prefix) and len(path) > len(self.prefix)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a WebSocket."""
        websocket = WebSocket(scope, receive, send)
        name = scope["path"].removeprefix(self.prefix)
        try:
            self._house.doorkeeper.rule.check(websocket.headers)
            after = websocket.query_params.get("after")
            cursor = read_cursor(after) if after else None
            with self._house.connection(DOOR, scope) as place:
                visitor = await self._house.doorkeeper.let_in_to_read(websocket)
                place.belong_to(visitor.owner)
                async with self._family.admit(visitor, name, cursor) as program:
                    await websocket.accept(subprotocol_of(scope["subprotocols"]))
                    await DialectSocket(self._house, websocket, visitor, program).run()
        except FabulaError as error:
            problem = problem_of(error)
            self._house.metrics.errors.labels(DOOR, problem.code).inc()
            await websocket.send_denial_response(problem.as_response())


def subprotocol_of(offered: Sequence[str]) -> str | None:
    """Return the subprotocol to confirm; a browser that offers any hangs up if none is.

    These families know none of their own, so it is the first one that is no token; a token, if there is nothing else.
    """
    names = [name for name in offered if not name.startswith(TOKEN_SUBPROTOCOL)]
    return next(iter((*names, *offered)), None)


class DialectSocket:
    """One open socket. Implements `gateway.watch.Recipient` and `gateway.caretaker.Connection`.

    Args:
        house: The inside of the gateway.
        websocket: The accepted socket.
        visitor: Who is at the other end.
        program: What is told there.
    """

    __slots__ = ("_behind", "_house", "_outlet", "_program", "_since", "_task", "_tasks", "_timer", "_visitor",
                 "_watch", "_websocket", "form")  # fmt: skip

    def __init__(self, house: House, websocket: WebSocket, visitor: Visitor, program: Program) -> None:
        self._house = house
        self._websocket = websocket
        self._visitor = visitor
        self._program = program
        self._outlet: Outlet = outlet_by(websocket, program.speech.form, program.speech.messages)
        self._since = time.time()
        self._tasks = asyncio.TaskGroup()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._watch: Watch | None = None
        self._behind = False
        self.form = program.speech.form

    @property
    def pipe(self) -> Pipe | None:
        """The way of finished frames, if there is one."""
        return self._outlet.pipe

    @property
    def wrote_at(self) -> float:
        """When something was last sent, on the monotonic clock."""
        return max(self._outlet.wrote_at, 0.0 if self._watch is None else self._watch.wrote_at)

    async def keep_alive(self) -> None:
        """Nothing: the server's pings say that it is there; what a contract wants beside them has its own time."""

    async def dismiss(self) -> None:
        """Ask the client to come back later."""
        await self._outlet.close(CLOSE_RESTART, "the gateway is being restarted")

    async def run(self) -> None:
        """Tell what there is to tell, until it is all told, or the client leaves, or has to."""
        if self.pipe is not None:
            self.pipe.on_stop = self._let_go
        self._house.caretaker.begin(self)
        try:
            async with self._tasks:
                self._task = self._tasks.create_task(self._serve())
                self._look_later(self._program.speech.silent_seconds)
                try:
                    with on_expiry(self._visitor.expires, self._expire):
                        await self._hear()
                finally:
                    self._drop()
        finally:
            self._house.caretaker.end(self)

    # --- telling -------------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        """Send what there is, until the fan carries the watch, or the run has ended and all is sent."""
        try:
            if self._behind:
                await self._skip()
            if self._watch is None:
                first, self._watch = await self._program.open()
                if first is not None:
                    await self.send((first,))
            if await self._watch.run(self):
                await self._outlet.close(CLOSE_NORMAL, "the generation has ended")
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001 - told to the client
            await self._refuse(error)

    async def _skip(self) -> None:
        """Leave out what the client has not taken, where what comes later replaces it."""
        self._behind = False
        if self._program.open_anew is not None and self.pipe is not None and self._watch is not None:
            await self.pipe.room()
            self._watch.close()
            self._watch = await self._program.open_anew()

    async def send(self, entries: Sequence[SharedEntry]) -> None:
        """Send entries of the watch. Raises `ClientGone`."""
        await self._outlet.send_entries(entries)
        said = [entry for entry in entries if self.form.of(entry)]
        self._house.metrics.at(DOOR).sent(said, self._since)

    def resume(self) -> None:
        """Read on, in a task: the client has to read before more is written to it, or the run has ended."""
        if self.pipe is not None and not self.pipe.closed:
            self._behind = self.pipe.full
            self._task = self._tasks.create_task(self._serve())

    def _let_go(self) -> None:
        if self._watch is not None:
            self._watch.let_go()

    def _drop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
        if self._watch is not None:
            self._watch.close()

    async def _refuse(self, error: Exception) -> None:
        """Close the socket for a reason."""
        problem = problem_of(error)
        self._house.metrics.errors.labels(DOOR, problem.code).inc()
        reason = problem.message.encode()[:MOST_REASON_BYTES].decode(errors="ignore")
        await self._outlet.close(problem.close, reason)

    def _expire(self) -> None:
        self._drop()
        self._tasks.create_task(self._refuse(Unauthenticated(EXPIRED)))

    # --- signs of life -------------------------------------------------------------------------------------------

    def _look_later(self, seconds: float) -> None:
        if self._program.speech.sign_of_life:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._look)

    def _look(self) -> None:
        """Give a sign of life if nothing was heard for long enough; look again when it may be time."""
        allowed = self._program.speech.silent_seconds
        left = self.wrote_at + allowed - time.monotonic()
        if left <= 0 and (self.pipe is None or not self.pipe.full):
            self._tasks.create_task(self._say(self._program.speech.sign_of_life))
        self._look_later(left if left > 0 else allowed)

    async def _say(self, message: str) -> None:
        with suppress(ClientGone):
            await self._outlet.send(message)

    # --- hearing -------------------------------------------------------------------------------------------------

    async def _hear(self) -> None:
        """Hear what the client says, until it has gone, or says what is not allowed."""
        allowance = self._house.allowance(SHARE)
        while (message := await self._websocket.receive())["type"] != "websocket.disconnect":
            text = message.get("text")
            if text is None:
                await self._outlet.close(CLOSE_WRONG_TYPE, "text messages are spoken here")
                return
            if not allowance.take():
                self._house.metrics.limit_met("messages")
                await self._refuse(too_many_messages(allowance))
                return
            answer = answer_to(text)
            if answer is not None:
                await self._say(text_of(answer))
