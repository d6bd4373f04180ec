"""python-socketio's server, with what it leaves open: bounds, refusals in the protocol's words, an end.

Its hooks are methods with a leading underscore; the version is pinned in pyproject.toml for that.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import socketio
import structlog
from engineio import packet as engine_packet
from engineio import payload as engine_payload
from socketio import packet as socket_packet
from starlette.datastructures import Headers
from starlette.types import Scope

from fabula.errors import FabulaError, InvalidRequest
from gateway.answers import problem_of
from gateway.doors.socket_io.client import DOOR, Client, Namespace
from gateway.doors.socket_io.engine import Engine, EngineSocket
from gateway.doors.socket_io.packets import MOST_PACKETS
from gateway.doors.socket_io.queues import Packets
from gateway.doors.socket_io.reading import UNREADABLE, PacketReader
from gateway.doors.socket_io.transports import CLOSE_UNREADABLE, SocketTransport
from gateway.house import House
from gateway.identity import Visitor
from gateway.limits import Bucket, Place, too_many_messages
from gateway.origin import base_for
from gateway.pipe import pipe_of

PING_TIMEOUT_SECONDS = 20.0
"""How long a client may take to answer a ping; the protocol's usual value."""
MOST_NAME_LENGTH = 100
"""So much of the name of an event that there is not is said back."""
CONNECT_SECONDS = 30.0
"""How long somebody may hold a connection without having been let into a namespace."""

log = structlog.get_logger(__name__)
_library_log = logging.getLogger(__name__)
_library_log.setLevel(logging.WARNING)  # below that it writes down every packet, tokens and stories included

engine_payload.Payload.max_decode_packets = MOST_PACKETS


@dataclass(slots=True)
class Session:
    """One Engine.IO session: a client's connection, whatever transports it goes over.

    Attributes:
        id: The library's name for it.
        place: Where it is counted.
        allowance: How much its client may still say.
        transport: Its WebSocket; None while it is polled.
        reader: Reads what its client sends.
        timer: Ends it unless somebody is let into a namespace.
        turn: Held while a packet is dealt with: while transports are changed, packets come by both.
    """

    id: str
    place: Place
    allowance: Bucket
    reader: PacketReader
    transport: SocketTransport | None = None
    timer: asyncio.TimerHandle | None = None
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    clients: dict[str, Client] = field(default_factory=dict)
    _asked: dict[str, object] = field(default_factory=dict)

    def is_asked(self, method: str) -> bool:
        """Say whether a request is being answered: a "GET" for the next packets, or a "POST" that brings some."""
        return method in self._asked

    def begin(self, method: str) -> Callable[[], None]:
        """Take note of a request; return what is to be called when it is answered, and may be called again later."""
        request = self._asked[method] = object()

        def over() -> None:
            if self._asked.get(method) is request:
                del self._asked[method]

        return over

    def let_go(self) -> None:
        """Have nothing more written by fans: the client has to read first, or is gone."""
        for client in self.clients.values():
            client.let_go()

    def stop_timer(self) -> None:
        """Let it last."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class _Manager(socketio.AsyncManager):  # type: ignore[misc]  # the library has no types
    """Knows who is in which namespace. Rooms there are none: what is told by name is told by those who serve it."""

    def basic_enter_room(self, sid: str, namespace: str, room: str | None, eio_sid: str | None = None) -> None:
        """Enter the room of all; that of one's own, which each client has in the library, is spared."""
        if room is None:
            super().basic_enter_room(sid, namespace, room, eio_sid)


class Server(socketio.AsyncServer):  # type: ignore[misc]  # the library has no types
    """One Socket.IO server.

    Args:
        house: The inside of the gateway.
        is_allowed: Says whether a page's origin may use it, by the origin and the request's environment.

    Attributes:
        house: The inside of the gateway.
        known: The namespaces that are served, by name.
        sessions: The connections there are, by the library's names for them.
    """

    manager_initialized: bool

    def __init__(self, house: House, is_allowed: Any) -> None:
        self.house = house
        self.sessions: dict[str, Session] = {}
        self.known: dict[str, Namespace] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        interval = max(1.0, house.settings.keepalive_seconds)
        super().__init__(
            async_mode="asgi",
            client_manager=_Manager(),
            async_handlers=False,  # one after the other: who sends much waits, instead of costing a task each
            namespaces="*",  # who is let into which is said below
            cors_allowed_origins=is_allowed,
            ping_interval=(interval, math.ceil(interval) - interval),  # the library says whole seconds to clients
            ping_timeout=PING_TIMEOUT_SECONDS,
            max_http_buffer_size=house.settings.ws_message_bytes,
            http_compression=False,
            logger=_library_log,
            engineio_logger=_library_log,
        )

    def _engineio_server_class(self) -> type[Engine]:
        return Engine

    # --- connections ---------------------------------------------------------------------------------------------

    def open(self, scope: Scope, transport: SocketTransport) -> EngineSocket:
        """Begin a session over a WebSocket, which has not been accepted. Raises `FabulaError` for who may not come in.

        What the library does for that begins with a copy of the request, which it keeps for as long as the WebSocket.
        """
        engine_socket: EngineSocket = self.eio.begin("websocket")
        try:
            session = self._enter(engine_socket.sid, scope)
        except FabulaError:
            del self.eio.sockets[engine_socket.sid]
            raise
        session.transport, transport.session_id = transport, session.id
        engine_socket.schedule_ping()
        return engine_socket

    async def serve(self, engine_socket: EngineSocket, scope: Scope, transport: SocketTransport) -> None:
        """Serve a WebSocket of a session to its end."""
        pipe, session = pipe_of(scope), self.sessions.get(engine_socket.sid)
        await transport.accept()
        if pipe is not None and session is not None:
            pipe.on_stop = session.let_go
        try:
            await engine_socket.serve(transport, pipe)
        finally:
            if pipe is not None:
                pipe.on_stop = None  # it holds us: what has no rings is freed at once

    async def _handle_eio_connect(self, eio_sid: str, environ: dict[str, Any]) -> str | None:
        """Begin a session that is polled. A text is a refusal."""
        try:
            self._enter(eio_sid, environ["asgi.scope"])
        except FabulaError as error:
            return problem_of(error).message
        return None

    def _enter(self, eio_sid: str, scope: Scope) -> Session:
        """Count a connection, and end it in time if it comes to nothing. Raises `FabulaError`."""
        place = self.house.enter(DOOR, scope)
        session = self.sessions[eio_sid] = Session(eio_sid, place, self.house.allowance(), self._reader())
        self.eio.sockets[eio_sid].allows = partial(self._allows, eio_sid)
        self._start_timer(session)
        if not self.manager_initialized:
            self.manager_initialized = True
            self.manager.initialize()
        # Of the first request no more is kept for as long as the connection lasts.
        headers = Headers(scope=scope)
        self.environ[eio_sid] = {"headers": headers, "base": base_for(headers, scope["scheme"])}
        return session

    def _reader(self) -> PacketReader:
        return PacketReader(self.house.settings.ws_message_bytes)

    def _start_timer(self, session: Session) -> None:
        loop = asyncio.get_running_loop()
        session.stop_timer()
        session.timer = loop.call_later(CONNECT_SECONDS, lambda: self.spawn(self.end(session.id)))

    async def _handle_eio_disconnect(self, eio_sid: str, reason: str) -> None:
        session, engine_socket = self.sessions.pop(eio_sid, None), self.eio.sockets.get(eio_sid)
        if engine_socket is not None:
            engine_socket.queue.release()
        if session is not None:
            session.stop_timer()
            for client in tuple(session.clients.values()):
                client.end()
            self.house.leave(DOOR, session.place)
        await super()._handle_eio_disconnect(eio_sid, reason)

    async def end(self, eio_sid: str, code: int = CLOSE_UNREADABLE, reason: str = "") -> None:
        """End a connection so that its client takes it for lost, and comes back; nothing happens if it is gone."""
        session, engine_socket = self.sessions.get(eio_sid), self.eio.sockets.get(eio_sid)
        if engine_socket is not None:
            # A goodbye in the protocol's words is for who polls; to who has a WebSocket its end says all.
            await engine_socket.close(wait=False, abort=engine_socket.upgraded)
        if session is not None and session.transport is not None:
            await session.transport.close(code, reason)

    # --- messages ------------------------------------------------------------------------------------------------

    async def _handle_eio_message(self, eio_sid: str, data: Any) -> None:
        """Deal with a message once those before it are dealt with."""
        if (session := self.sessions.get(eio_sid)) is not None:
            async with session.turn:
                await self._take(eio_sid, data)

    async def _take(self, eio_sid: str, data: Any) -> None:
        """Read a message; who sends what is no packet of Socket.IO is sent away, as the protocol says."""
        if not await self._allows(eio_sid):
            return
        session = self.sessions.get(eio_sid)
        try:
            packet = None if session is None else session.reader.read(data)
        except UNREADABLE:
            self.house.metrics.errors.labels(DOOR, "UNREADABLE").inc()
            await self.end(eio_sid)
            return
        if packet is None:
            return
        namespace = packet.namespace or "/"
        match packet.packet_type:
            case socket_packet.CONNECT:
                await self._handle_connect(eio_sid, namespace, packet.data)
            case socket_packet.DISCONNECT:
                await self._handle_disconnect(eio_sid, namespace, self.reason.CLIENT_DISCONNECT)
            case socket_packet.EVENT:
                await self._handle_event(eio_sid, namespace, packet.id, packet.data)
            # Nothing is sent from here that a client would have to acknowledge.

    async def _allows(self, eio_sid: str) -> bool:
        """Say whether a client may send one more packet; one that may not is sent away."""
        session = self.sessions.get(eio_sid)
        if session is None or session.allowance.take():
            return True
        self.house.metrics.limit_met("messages")
        error = problem_of(too_many_messages(session.allowance))
        self.house.metrics.errors.labels(DOOR, error.code).inc()
        await self.end(eio_sid, error.close, error.code)
        return False

    async def _handle_connect(self, eio_sid: str, namespace: str, data: dict[str, Any] | None) -> None:
        """Let somebody into a namespace, or say why not."""
        session, served = self.sessions.get(eio_sid), self.known.get(namespace)
        if session is None:
            return
        if namespace in session.clients:
            await self._welcome(eio_sid, namespace)
            return
        if served is None:
            await self._refuse(eio_sid, namespace, {"message": "Invalid namespace"})
            return
        try:
            visitor = await served.admit(self.environ[eio_sid]["headers"], data or {})
            if eio_sid not in self.sessions:
                return  # it has ended meanwhile
            session.place.belong_to(visitor.owner)
        except Exception as error:  # noqa: BLE001 - told to the client
            problem = problem_of(error)
            self.house.metrics.errors.labels(DOOR, problem.code).inc()
            content = {"code": problem.code, "retryable": problem.retryable, "details": problem.details}
            await self._refuse(eio_sid, namespace, {"message": problem.message, "data": content})
            return
        await self._let_in(session, served, visitor, data or {})

    async def _let_in(self, session: Session, served: Namespace, visitor: Visitor, data: dict[str, Any]) -> None:
        await super()._handle_connect(session.id, served.name, data)
        sid = self.manager.sid_from_eio_sid(session.id, served.name)
        if sid is None or session.id not in self.sessions:
            if sid is not None:  # it has ended while its client was being told
                self.manager.basic_disconnect(sid, served.name)
            return
        session.stop_timer()
        client = session.clients[served.name] = Client(
            self, session.id, served.name, visitor, data, base=self.environ[session.id]["base"]
        )
        await served.arrived(client)

    async def _welcome(self, eio_sid: str, namespace: str) -> None:
        """Say again what was said when somebody was let in."""
        content = {"sid": self.manager.sid_from_eio_sid(eio_sid, namespace)}
        await self._send_packet(eio_sid, self.packet_class(socket_packet.CONNECT, data=content, namespace=namespace))

    async def _refuse(self, eio_sid: str, namespace: str, content: dict[str, Any]) -> None:
        packet = self.packet_class(socket_packet.CONNECT_ERROR, data=content, namespace=namespace)
        await self._send_packet(eio_sid, packet)

    async def _handle_disconnect(self, eio_sid: str, namespace: str, reason: str | None = None) -> None:
        session = self.sessions.get(eio_sid)
        if session is not None and (client := session.clients.pop(namespace, None)) is not None:
            client.end()
            if not session.clients:
                self._start_timer(session)
        await super()._handle_disconnect(eio_sid, namespace, reason)

    async def _trigger_event(self, event: str, namespace: str, *args: Any) -> Any:
        """Carry out what a client asks for by an event; what comes and goes is looked after above."""
        if event in self.reserved_events:
            return None
        session = self.sessions.get(self.manager.eio_sid_from_sid(args[0], namespace))
        client = session.clients.get(namespace) if session is not None else None
        handler = self.known[namespace].events.get(event)
        if client is None:
            return self.not_handled
        if handler is None:
            error = InvalidRequest(f"there is no event {event[:MOST_NAME_LENGTH]!r} here")
            return {"success": False, "error": error.message, "code": error.code}
        return await handler(client, args[1] if len(args) > 1 else None)

    # --- sending -------------------------------------------------------------------------------------------------

    def queue_of(self, eio_sid: str) -> Packets | None:
        """Return what waits for a client; None if it is gone."""
        engine_socket = self.eio.sockets.get(eio_sid)
        return None if engine_socket is None or engine_socket.closed else engine_socket.queue

    async def send_text(self, eio_sid: str, text: str) -> None:
        """Send a Socket.IO packet that is encoded already."""
        await self._send_eio_packet(eio_sid, engine_packet.Packet(engine_packet.MESSAGE, text))

    def spawn(self, work: Any) -> asyncio.Task[None]:
        """Begin something beside, which looks after its own errors."""
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
