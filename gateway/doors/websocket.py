"""The WebSocket door: many generations on one socket, in the native dialect.

One task reads the client's frames, one for each subscription pulls from its watch and sends, in turns. A subscription
is a position in a log, not a queue: a client that does not read holds nobody up and costs no memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing, suppress

import structlog
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from fabula.api.gateway.v1 import gateway_pb2
from fabula.errors import FabulaError, InvalidRequest, ResourceExhausted
from gateway.answers import problem_of
from gateway.dialects import native
from gateway.dialects.native import Native, Refused, Unreadable
from gateway.entries import Frame, SharedEntry
from gateway.house import House
from gateway.hub import Watch, Wish
from gateway.identity import Visitor, let_in
from gateway.race import race

log = structlog.get_logger(__name__)

DOOR = "websocket"
MOST_SUBSCRIPTIONS = 64
"""Generations that one socket may watch at a time."""
MOST_REQUESTS = 16
"""Commands of one socket that are carried out at a time; further frames are read when one is done."""
CLOSE_RESTART = 1012
"""Close code: the server is being restarted; come back (IANA WebSocket Close Code registry)."""

_COMMANDS = {"cancel": "CancelGeneration", "pause": "PauseGeneration", "resume": "ResumeGeneration"}


def choose(offered: Sequence[str]) -> tuple[Native, str | None]:
    """Return what is spoken on a socket, and the subprotocol to confirm: the first one offered that is known.

    Raises:
        InvalidRequest: subprotocols are offered, and none is known. A browser would hang up on any other answer.
    """
    for name in offered:
        if name in native.DIALECTS:
            return native.DIALECTS[name], name
    if offered:
        known = ", ".join(native.DIALECTS)
        raise InvalidRequest(f"none of the subprotocols offered is known here; there are: {known}")
    return native.DEFAULT, None


async def open_socket(house: House, websocket: WebSocket) -> None:
    """Serve a WebSocket from its handshake to its end.

    Who may not come in is told so on the open socket: a browser shows its page no other answer than the close code.
    """
    try:
        dialect, subprotocol = choose(websocket.scope["subprotocols"])
    except InvalidRequest as error:
        await websocket.send_denial_response(problem_of(error).as_response())
        return
    await websocket.accept(subprotocol)
    try:
        with house.connection(DOOR):
            visitor = let_in(house.authenticator, websocket.headers, websocket.scope["subprotocols"])
            await Socket(house, websocket, dialect, visitor).run()
    except FabulaError as error:
        problem = problem_of(error)
        house.metrics.errors.labels(DOOR, problem.code).inc()
        outlet = Outlet(websocket)
        await outlet.send(dialect.encode(native.error_frame("", "", problem)))
        await outlet.close(problem.close, problem.code)


class Outlet:
    """The sending side of a socket: takes turns, and knows when it was last used."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket
        self._turn = asyncio.Lock()
        self._used = asyncio.get_running_loop().time()

    async def send(self, frame: Frame) -> None:
        """Send a frame when it is its turn; returns once the client's side has room for more.

        Raises:
            WebSocketDisconnect: the client is gone.
        """
        async with self._turn:
            if self._websocket.application_state is not WebSocketState.CONNECTED:
                raise WebSocketDisconnect
            try:
                if isinstance(frame, str):
                    await self._websocket.send_text(frame)
                else:
                    await self._websocket.send_bytes(frame)
            except RuntimeError:  # the server has closed it below us: too large a message, no pong
                raise WebSocketDisconnect from None
            self._used = asyncio.get_running_loop().time()

    async def close(self, code: int, reason: str = "") -> None:
        """Close the socket; nothing happens if it is closed already."""
        if self._websocket.application_state is WebSocketState.CONNECTED:
            try:
                await self._websocket.close(code, reason)
            except (RuntimeError, WebSocketDisconnect, OSError):
                log.debug("closed_by_peer_first")

    async def keep_alive(self, seconds: float, frame: Frame) -> None:
        """Send a frame whenever the socket has been silent for so long."""
        loop = asyncio.get_running_loop()
        while True:
            silent = loop.time() - self._used
            if silent >= seconds:
                await self.send(frame)
            await asyncio.sleep(max(0.01, seconds - (loop.time() - self._used)))


class Socket:
    """One open WebSocket.

    Args:
        house: The inside of the gateway.
        websocket: The accepted socket.
        dialect: What is spoken on it.
        visitor: Who is at the other end.
    """

    def __init__(self, house: House, websocket: WebSocket, dialect: Native, visitor: Visitor) -> None:
        self._house = house
        self._websocket = websocket
        self._dialect = dialect
        self._visitor = visitor
        self._outlet = Outlet(websocket)
        self._metrics = house.metrics.at(DOOR)
        self._subscriptions: dict[str, asyncio.Task[None]] = {}
        self._requests = asyncio.Semaphore(MOST_REQUESTS)
        self._tasks = asyncio.TaskGroup()

    async def run(self) -> None:
        """Serve the client until it leaves, sends what cannot be read, or the gateway closes."""
        keep_alive = self._dialect.encode(native.keep_alive_frame())
        async with self._tasks:
            with suppress(WebSocketDisconnect):
                await race(
                    self._read(),
                    self._outlet.keep_alive(self._house.settings.keepalive_seconds, keep_alive),
                    self._go_with_the_house(),
                )
            for subscription in self._subscriptions.values():
                subscription.cancel()
            # Commands are not cancelled: who cancels a story and closes the page has cancelled it.

    async def _go_with_the_house(self) -> None:
        await self._house.closing.wait()
        await self._outlet.close(CLOSE_RESTART, "the gateway is being restarted")

    async def _read(self) -> None:
        while True:
            message = await self._websocket.receive()
            if message["type"] == "websocket.disconnect":
                return
            text = message.get("text")
            try:
                await self._obey(self._dialect.decode(message["bytes"] if text is None else text))
            except Unreadable as unreadable:
                await self._outlet.close(unreadable.close, unreadable.reason)
                return
            except Refused as refused:
                await self._tell(refused.frame_id, "", refused.error)

    async def _obey(self, frame: gateway_pb2.ClientFrame) -> None:
        request = frame.WhichOneof("request")
        match request:
            case "subscribe":
                await self._subscribe(frame.frame_id, frame.subscribe)
            case "unsubscribe":
                self._drop(frame.unsubscribe.generation_id)
                await self._send(native.done_frame(frame.frame_id, frame.unsubscribe.generation_id))
            case "cancel" | "pause" | "resume":
                generation_id = getattr(frame, request).generation_id
                await self._requests.acquire()
                self._tasks.create_task(self._command(frame.frame_id, _COMMANDS[request], generation_id))

    async def _subscribe(self, frame_id: str, request: gateway_pb2.Subscribe) -> None:
        generation_id = request.generation_id
        self._drop(generation_id)
        if len(self._subscriptions) >= MOST_SUBSCRIPTIONS:
            error = ResourceExhausted(f"one socket watches at most {MOST_SUBSCRIPTIONS} generations: open another")
            await self._tell(frame_id, generation_id, error)
            return
        wish = Wish(request.after_sequence, request.snapshot, request.conflate, request.wait_for_start)
        task = self._tasks.create_task(self._serve(frame_id, generation_id, wish))
        self._subscriptions[generation_id] = task
        task.add_done_callback(lambda task: self._forget(generation_id, task))

    def _drop(self, generation_id: str) -> None:
        if task := self._subscriptions.pop(generation_id, None):
            task.cancel()

    def _forget(self, generation_id: str, task: asyncio.Task[None]) -> None:
        if self._subscriptions.get(generation_id) is task:
            del self._subscriptions[generation_id]

    async def _serve(self, frame_id: str, generation_id: str, wish: Wish) -> None:
        """Send a generation's events to the end of its run, or until the subscription is dropped."""
        try:
            async with self._house.hub.watch(self._visitor, generation_id, wish) as watch:
                await self._send(native.done_frame(frame_id, generation_id, watch.sequence))
                frame_id = ""  # what follows comes by itself
                await self._send_all(watch)
                await self._send(native.ended_frame(generation_id, watch.sequence))
        except WebSocketDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - one subscription's trouble is not the socket's
            await self._tell(frame_id, generation_id, error)

    async def _send_all(self, watch: Watch) -> None:
        async with aclosing(watch.batches()) as batches:
            async for batch in batches:
                for entry in batch:
                    await self._outlet.send(entry.frame(self._dialect.name, self._encode))
                    self._metrics.sent(entry)

    def _encode(self, entry: SharedEntry) -> Frame:
        return self._dialect.encode(native.entry_frame(entry))

    async def _command(self, frame_id: str, rpc: str, generation_id: str) -> None:
        try:
            client = self._house.client_of(generation_id)
            request = client.kind.request(rpc)(generation_id=generation_id)
            await client.call(rpc, request, self._visitor.caller)
            await self._send(native.done_frame(frame_id, generation_id))
        except WebSocketDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - one command's trouble is not the socket's
            await self._tell(frame_id, generation_id, error)
        finally:
            self._requests.release()

    async def _tell(self, frame_id: str, generation_id: str, error: Exception) -> None:
        problem = problem_of(error)
        self._house.metrics.errors.labels(DOOR, problem.code).inc()
        with suppress(WebSocketDisconnect):
            await self._send(native.error_frame(frame_id, generation_id, problem))

    async def _send(self, frame: gateway_pb2.ServerFrame) -> None:
        await self._outlet.send(self._dialect.encode(frame))
