"""Stands before the Engine.IO server: lets through what it reads without stumbling, and watches over sessions' ends.

What is refused is refused in the words of the Engine.IO protocol, revision 4; the numbers are those of its reference
server.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import parse_qs

import structlog
from engineio import exceptions as engine_exceptions
from engineio import packet as engine_packet
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from fabula.errors import FabulaError
from gateway.answers import problem_of
from gateway.doors.socket_io.client import DOOR
from gateway.doors.socket_io.engine import EngineSocket
from gateway.doors.socket_io.packets import CLOSE, NOOP, SEPARATOR, packets_of
from gateway.doors.socket_io.server import Server, Session
from gateway.doors.socket_io.transports import CLOSE_NORMAL, CLOSE_POLICY, SocketTransport
from gateway.race import race

UPGRADE_SECONDS = 10.0
"""How long a client may take to change from polling to its WebSocket."""

log = structlog.get_logger(__name__)

UNKNOWN_TRANSPORT = (0, "Transport unknown")
UNKNOWN_SESSION = (1, "Session ID unknown")
BAD_METHOD = (2, "Bad handshake method")
BAD_REQUEST = (3, "Bad request")
UNSUPPORTED_VERSION = (5, "Unsupported protocol version")

Refusal = tuple[int, str]


class Gate:
    """An ASGI application: the Engine.IO server of one Socket.IO server, guarded.

    Args:
        server: The Socket.IO server.
    """

    def __init__(self, server: Server) -> None:
        self._server = server

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Serve one request or WebSocket. There is no frame of this for each that is open."""
        query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode("latin-1")).items()}
        if scope["type"] == "websocket":
            return self._websocket(query, scope, receive, send)
        if scope["method"] == "OPTIONS":
            return self._server.handle_request(scope, receive, send)  # type: ignore[no-any-return]
        return self._http(query, scope, receive, send)

    def _refusal(self, query: dict[str, str], method: str, transport: str) -> Refusal | None:
        """Return why a request cannot be served, if it cannot."""
        if query.get("transport") != transport or "j" in query:
            return UNKNOWN_TRANSPORT
        if query.get("EIO") != "4":
            return UNSUPPORTED_VERSION
        if "sid" in query:
            return None if query["sid"] in self._server.sessions else UNKNOWN_SESSION
        return None if method == "GET" else BAD_METHOD

    def _no_room(self, scope: Scope) -> Response | None:
        """Return why somebody new may not come in, if they may not: the library would say so in few words."""
        try:
            with self._server.house.connection(DOOR, scope):
                return None  # there is room: the connection itself is counted when it stands
        except FabulaError as error:
            return self._told(error)

    def _told(self, error: FabulaError) -> Response:
        problem = problem_of(error)
        self._server.house.metrics.errors.labels(DOOR, problem.code).inc()
        return problem.as_response()

    # --- long-polling --------------------------------------------------------------------------------------------

    async def _http(self, query: dict[str, str], scope: Scope, receive: Receive, send: Send) -> None:
        send = _kept_nowhere(send)
        refusal: Refusal | Response | None = self._refusal(query, scope["method"], "polling")
        session = self._server.sessions.get(query.get("sid", ""))
        if refusal is None and session is None:
            refusal = self._no_room(scope)
        elif refusal is None and session is not None:
            if self._is_upgraded(session):
                refusal = BAD_REQUEST
            elif await self._is_late(session):
                refusal = UNKNOWN_SESSION
        if refusal is not None:
            await _answer(refusal, scope, receive, send)
        elif session is None:
            await self._server.handle_request(scope, receive, send)
        elif scope["method"] == "GET":
            await self._poll(session, scope, receive, send)
        elif scope["method"] == "POST":
            await self._post(session, scope, receive, send)
        else:
            await _answer(BAD_METHOD, scope, receive, send)

    async def _poll(self, session: Session, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand out what waits. What a client that has hung up was to get is lost, and so is its session."""
        if session.is_asked("GET"):
            await self._server.end(session.id)
            await _answer(BAD_REQUEST, scope, receive, send)
            return
        first = await receive()
        over = session.begin("GET")
        try:
            await race(self._hand_out(session, scope, _replaying(first), _telling(send, over)), _until_gone(receive))
        finally:
            over()

    async def _hand_out(self, session: Session, scope: Scope, receive: Receive, send: Send) -> None:
        engine_socket = self._server.eio.sockets.get(session.id)
        if engine_socket is not None and not engine_socket.closed:
            await self._server.handle_request(scope, receive, send)
        else:  # it has ended since the request was let in, which is answered as if it had waited
            await _readable(Response(NOOP, media_type="text/plain"), scope)(scope, receive, send)

    async def _is_late(self, session: Session) -> bool:
        """Say whether a client has left a ping unanswered for too long; its session is over then."""
        engine_socket = self._server.eio.sockets.get(session.id)
        try:
            return engine_socket is None or not await engine_socket.check_ping_timeout()
        except engine_exceptions.SocketIsClosedError:
            return True

    async def _post(self, session: Session, scope: Scope, receive: Receive, send: Send) -> None:
        """Take what a client sends; of two bodies at once nobody could say which was first."""
        if session.is_asked("POST"):
            await self._server.end(session.id)
            await _answer(BAD_REQUEST, scope, receive, send)
            return
        over = session.begin("POST")
        try:
            await self._take(session, scope, receive, _telling(send, over))
        finally:
            over()

    async def _take(self, session: Session, scope: Scope, receive: Receive, send: Send) -> None:
        """Take a body: all of it, or nothing if a part cannot be read."""
        body = await self._body(Request(scope, receive))
        packets = None if body is None else packets_of(body)
        if body is None or packets is None:
            self._server.house.metrics.errors.labels(DOOR, "UNREADABLE").inc()
            await self._server.end(session.id)
            await _answer(BAD_REQUEST, scope, receive, send)
            return
        data = SEPARATOR.join(packets).encode()
        headers = [(name, value) for name, value in scope["headers"] if name.lower() != b"content-length"]
        scope = {**scope, "headers": [*headers, (b"content-length", str(len(data)).encode())]}
        request = {"type": "http.request", "body": data, "more_body": False}
        engine_socket = self._server.eio.sockets.get(session.id)
        if engine_socket is None or engine_socket.closed:  # since the request was let in
            await _answer(UNKNOWN_SESSION, scope, receive, send)
            return
        await self._server.handle_request(scope, _replaying(request), _in_small_letters(send))
        if CLOSE in packets:
            engine_socket.queue.put_nowait(engine_packet.Packet(engine_packet.NOOP))  # ends the poll that waits

    async def _body(self, request: Request) -> str | None:
        """Return a body; None if it is too large, is no text, or ends early."""
        body, most = bytearray(), self._server.eio.max_http_buffer_size
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    return None
            return body.decode()
        except (ClientDisconnect, UnicodeDecodeError):
            return None

    # --- WebSocket -----------------------------------------------------------------------------------------------

    async def _websocket(self, query: dict[str, str], scope: Scope, receive: Receive, send: Send) -> None:
        refusal: Refusal | Response | None = self._refusal(query, "GET", "websocket")
        session = self._server.sessions.get(query.get("sid", ""))
        if refusal is None and session is not None and (session.transport is not None or self._is_upgraded(session)):
            await _close(scope, receive, send)
            return
        transport = SocketTransport(receive, send)
        try:
            engine_socket = None if refusal is not None else self._taken_over(session, scope, transport)
        except FabulaError as error:
            refusal = self._told(error)
        if refusal is not None or engine_socket is None:
            await _deny(refusal or UNKNOWN_SESSION, scope, receive, send)
            return
        timer = None
        if session is not None:
            timer = asyncio.get_running_loop().call_later(
                UPGRADE_SECONDS, self._give_up_upgrade, engine_socket, transport
            )
        try:
            await self._server.serve(engine_socket, scope, transport)
        except Exception:
            log.warning("socket_io_connection_failed", exc_info=True)
        finally:
            if timer is not None:
                timer.cancel()
            await transport.close(CLOSE_NORMAL)
            await self._end_of(transport)

    def _taken_over(self, session: Session | None, scope: Scope, transport: SocketTransport) -> EngineSocket | None:
        """Return the session that a WebSocket is for: a new one, or one that was polled. Raises `FabulaError`."""
        if session is None:
            return self._server.open(scope, transport)
        session.transport, transport.session_id = transport, session.id
        return self._server.eio.sockets.get(session.id)  # type: ignore[no-any-return]

    def _give_up_upgrade(self, engine_socket: EngineSocket, transport: SocketTransport) -> None:
        if engine_socket.closing or not engine_socket.upgraded:
            self._server.spawn(transport.close(CLOSE_NORMAL, "no upgrade"))

    async def _end_of(self, transport: SocketTransport) -> None:
        """See that nothing is left of a WebSocket that has ended: no session, or one that can be polled again."""
        session = self._server.sessions.get(transport.session_id)
        engine_socket = self._server.eio.sockets.get(transport.session_id)
        if session is None or engine_socket is None:
            if engine_socket is not None and engine_socket.closed and engine_socket.upgraded:
                del self._server.eio.sockets[transport.session_id]
            return
        if engine_socket.upgraded or not engine_socket.connected:
            await engine_socket.close(wait=False, abort=True)
            self._server.eio.sockets.pop(session.id, None)
        else:
            engine_socket.upgrading, session.transport = False, None

    def _is_upgraded(self, session: Session) -> bool:
        engine_socket = self._server.eio.sockets.get(session.id)
        return engine_socket is None or bool(engine_socket.upgraded)


def _replaying(first: Message) -> Receive:
    async def receive() -> Message:
        return first

    return receive


def _kept_nowhere(send: Send) -> Send:
    """Have no cache keep an answer: each is good once."""

    async def sends(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message["headers"]))
            headers["Cache-Control"] = "no-store"
            message = {**message, "headers": headers.raw}
        await send(message)

    return sends


def _telling(send: Send, over: Callable[[], None]) -> Send:
    """Have it told before an answer's last bytes go: the client may ask again before whoever sent them has returned."""

    async def sends(message: Message) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body"):
            over()
        await send(message)

    return sends


def _in_small_letters(send: Send) -> Send:
    """Have "OK" said as the protocol has it: "ok"."""

    async def sends(message: Message) -> None:
        if message.get("body") == b"OK":
            message = {**message, "body": b"ok"}
        await send(message)

    return sends


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _response(refusal: Refusal | Response, scope: Scope) -> Response:
    """Return a refusal as an answer."""
    if isinstance(refusal, Response):
        return _readable(refusal, scope)
    code, message = refusal
    return _readable(
        Response(json.dumps({"code": code, "message": message}), 400, media_type="application/json"), scope
    )


def _readable(response: Response, scope: Scope) -> Response:
    """Let the page that asked read an answer: it is of an allowed origin, others have been refused before."""
    origin = Headers(scope=scope).get("origin")
    if origin is not None:
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Credentials"] = "true"
        response.headers["Vary"] = "Origin"
    return response


async def _answer(refusal: Refusal | Response, scope: Scope, receive: Receive, send: Send) -> None:
    await _response(refusal, scope)(scope, receive, send)


async def _deny(refusal: Refusal | Response, scope: Scope, receive: Receive, send: Send) -> None:
    websocket = WebSocket(scope, receive, send)
    with suppress(RuntimeError):
        await websocket.receive()  # the handshake, which is answered as plain HTTP
        await websocket.send_denial_response(_response(refusal, scope))


async def _close(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse a second WebSocket of a session: it is closed, as the protocol says, and the first one stays."""
    websocket = WebSocket(scope, receive, send)
    with suppress(RuntimeError, WebSocketDisconnect):
        await websocket.accept()
        await websocket.close(CLOSE_POLICY, "this session has a WebSocket")
