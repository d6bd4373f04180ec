"""python-engineio's server and sessions, without what they begin for each client.

The library has a task for each client that writes, one for each packet that is waited for, and one that sleeps until
the next ping. Here packets are written at once, and a timer does for the pings. Its hooks are methods with a leading
underscore; the version is pinned in pyproject.toml for that.

Source: Engine.IO protocol, revision 4 (sections "Handshake", "Heartbeat" and "Upgrade").
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import engineio
from engineio import async_socket
from engineio import exceptions as engine_exceptions
from engineio import packet as engine_packet
from engineio.async_drivers.asgi import WebSocket as PlainSocket

from gateway.doors.socket_io.packets import PONG, PROBE, UPGRADE
from gateway.doors.socket_io.queues import PacketPipe, PacketQueue, Packets
from gateway.doors.socket_io.transports import CLOSE_NORMAL, SocketTransport
from gateway.pipe import Pipe


class EngineSocket(async_socket.AsyncSocket):  # type: ignore[misc]  # the library has no types
    """One session.

    Attributes:
        queue: The way to its client.
        allows: Says whether its client may send one more packet that is no message, and ends the session if not.
    """

    queue: Packets
    allows: Callable[[], Awaitable[bool]] | None = None
    closing: bool
    connected: bool
    upgraded: bool
    upgrading: bool
    last_ping: float | None

    def __init__(self, server: Engine, sid: str) -> None:
        super().__init__(server, sid)
        self._transport: SocketTransport | None = None
        self._timer: asyncio.TimerHandle | None = None

    # --- heartbeat -----------------------------------------------------------------------------------------------

    def schedule_ping(self) -> None:
        """Ask after a while whether the client is there, if it has answered before."""
        if self.last_ping and not self.closed:
            self.last_ping = None
            self._set_timer(self.server.ping_interval, self._ping)

    def _ping(self) -> None:
        if self.closing:
            return
        self.last_ping = time.time()
        self.queue.put_nowait(engine_packet.Packet(engine_packet.PING))
        self._set_timer(self.server.ping_timeout, self._lost)

    def _lost(self) -> None:
        """The client has not answered."""
        self.last_ping = None  # else nothing can be sent, not even a goodbye
        self.server.start_background_task(self.close, wait=False, reason=self.server.reason.PING_TIMEOUT)

    def _set_timer(self, seconds: float, then: Callable[[], None]) -> None:
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, then)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def close(
        self,
        wait: bool = True,  # noqa: ARG002 - the library's
        abort: bool = False,
        reason: str | None = None,
    ) -> None:
        """End the session; with a goodbye, unless `abort`, behind which its WebSocket is closed.

        Nobody waits until the goodbye has been fetched: a client that is not known any more cannot fetch it.
        """
        await super().close(wait=False, abort=abort, reason=reason)
        self._stop_timer()
        if self._transport is not None:
            self.server.start_background_task(self._transport.close, CLOSE_NORMAL)

    # --- WebSocket -----------------------------------------------------------------------------------------------

    async def serve(self, transport: SocketTransport, pipe: Pipe | None) -> None:
        """Read what comes by an accepted WebSocket, until it ends or, of a polled session, does not take over.

        Args:
            transport: The WebSocket.
            pipe: The pipe to its client. Without it the library does all.
        """
        if pipe is None:
            plain = PlainSocket(None, None)
            plain.asgi_receive, plain.asgi_send = transport.receive, transport.send
            await self._websocket_handler(plain)
            return
        if self.connected and not await self._takes_over(transport):
            return
        if self.closing:  # it has ended while its client changed
            return
        self.connected = self.upgraded = True
        self.upgrading = False
        self._transport = transport
        self._write_to(pipe)
        try:
            await self._read(transport)
        finally:
            self._transport = None  # it holds us: what has no rings is freed at once

    def _write_to(self, pipe: Pipe) -> None:
        before, self.queue = self.queue, PacketPipe(pipe)
        assert isinstance(before, PacketQueue)  # noqa: S101 - what it was made with
        before.leave_to(self.queue)

    async def _takes_over(self, transport: SocketTransport) -> bool:
        """Go through the upgrade of a polled session: packets are held until the client says that it has changed."""
        self.upgrading = True
        if await transport.packet() != PROBE:
            return False
        await transport.send({"type": "websocket.send", "text": f"{PONG}{PROBE[1:]}"})
        await self.queue.put(engine_packet.Packet(engine_packet.NOOP))  # ends the poll that waits
        return await transport.packet() == UPGRADE

    async def receive(self, packet: engine_packet.Packet) -> None:
        """Deal with a packet. Messages are counted where they are read, all others here."""
        if packet.packet_type == engine_packet.MESSAGE or self.allows is None or await self.allows():
            await super().receive(packet)

    async def _read(self, transport: SocketTransport) -> None:
        while (data := await transport.packet()) is not None and len(data) <= self.server.max_http_buffer_size:
            try:
                await self.receive(engine_packet.Packet(encoded_packet=data))
            except engine_exceptions.SocketIsClosedError:
                return
            except engine_exceptions.UnknownPacketError:
                continue


class Engine(engineio.AsyncServer):  # type: ignore[misc]  # the library has no types
    """The sessions of one Socket.IO server."""

    start_service_task: bool

    def create_queue(self, *_args: Any, **_options: Any) -> PacketQueue:
        """Return the queue of a new session."""
        return PacketQueue()

    def begin(self, transport: str) -> EngineSocket:
        """Begin a session: its first packet, which says all there is to know of it, waits for its client."""
        if self.start_service_task:
            self.start_service_task = False
            self.service_task_handle = self.start_background_task(self._service_task)
        sid = self.generate_id()
        engine_socket = self.sockets[sid] = EngineSocket(self, sid)
        content = {
            "sid": sid,
            "upgrades": self._upgrades(sid, transport),
            "pingTimeout": int(self.ping_timeout * 1000),
            "pingInterval": int(self.ping_interval + self.ping_interval_grace_period) * 1000,
            "maxPayload": self.max_http_buffer_size,
        }
        engine_socket.queue.put_nowait(engine_packet.Packet(engine_packet.OPEN, content))
        return engine_socket

    async def _handle_connect(self, environ: dict[str, Any], transport: str, jsonp_index: int | None = None) -> Any:
        """Begin a session that is polled; one with a WebSocket is begun by `Server.open`."""
        engine_socket = self.begin(transport)
        refusal = await self._trigger_event("connect", engine_socket.sid, environ, run_async=False)
        if refusal is not None and refusal is not True:
            del self.sockets[engine_socket.sid]
            return self._unauthorized(refusal or None)
        engine_socket.schedule_ping()
        engine_socket.connected = True
        try:
            return self._ok(await engine_socket.poll(), jsonp_index=jsonp_index)
        except engine_exceptions.QueueEmpty:
            return self._bad_request()
