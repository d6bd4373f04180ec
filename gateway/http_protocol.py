"""uvicorn's HTTP, with limits: how large heads may be, and how long a client may take to send and to read.

Each scope has a pipe to the client: between the head of an answer in chunks and its end, whole chunks may be written to
it, besides what the application sends. uvicorn and h11 keep nothing between chunks.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import h11
from starlette.responses import Response
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol

from gateway.answers import Problem, http_problem
from gateway.bodies import MOST_DISCARDED_BYTES
from gateway.guard import BODY_BYTES_PER_SECOND, LONGEST_ADDRESS, Guard, StallWatch
from gateway.pipe import EXTENSION, Pipe
from gateway.protocols import PipedWebSocket
from gateway.strict_http import handshake_fault, strict
from gateway.strict_websocket import LINGER_SECONDS

MOST_HEADERS = 128
"""Fields of a head, as many as the WebSocket library reads."""
LONGEST_HEADER = 8000
"""Bytes of a field of a WebSocket's handshake: the library that reads it takes little more."""
EVENTS_AT_ONCE = 64
"""So many parts of requests are read of one connection before others have their turn. A body may come in chunks of one
byte each, which cost as much as large ones: tens of thousands of them fit into what is received at once."""


class _Connection(h11.Connection):
    """Refuses heads that are too large: h11's own bound does not hold for those that come in one piece.

    Attributes:
        most_bytes: How large heads may be.
        turn: How many events may still be told in this turn.
    """

    most_bytes = 0
    turn = EVENTS_AT_ONCE

    def next_event(self) -> Any:
        if self.turn <= 0:
            return h11.NEED_DATA
        self.turn -= 1
        event = super().next_event()
        if isinstance(event, h11.Request):
            self._check(event)
            return strict(event)
        return event

    def _check(self, request: h11.Request) -> None:
        if len(request.target) > LONGEST_ADDRESS:
            raise h11.RemoteProtocolError("the address is too long", error_status_hint=414)
        sizes = [len(name) + len(value) + 4 for name, value in request.headers]
        socket = any(name == b"upgrade" for name, _ in request.headers)
        if (
            len(request.target) + sum(sizes) > self.most_bytes
            or len(sizes) > MOST_HEADERS
            or (socket and max(sizes) > LONGEST_HEADER)
        ):
            raise h11.RemoteProtocolError("the headers are too large", error_status_hint=431)


class _Flow(FlowControl):
    """Reads no more of a connection for as long as its turn is over, whoever wants to."""

    _held = _unwanted = False

    def pause_reading(self) -> None:
        self._unwanted = True
        super().pause_reading()

    def resume_reading(self) -> None:
        self._unwanted = False
        if not self._held:
            super().resume_reading()

    def hold(self) -> None:
        """Read no more until `release`."""
        self._held = True
        self.read_paused = True
        self._transport.pause_reading()

    def release(self) -> None:
        """Read on, unless nobody wants to."""
        self._held = False
        if not self._unwanted:
            super().resume_reading()


class GuardedHttp(H11Protocol):
    """One TCP connection, until it becomes a WebSocket.

    A head has a time from its first byte on, or from the connection's beginning; a body one that grows with what has
    come of it. Neither can be held off by sending byte after byte.
    """

    conn: _Connection

    def __init__(self, *, guard: Guard, **rest: Any) -> None:
        super().__init__(**rest)
        settings = guard.settings
        self._guard = guard
        self._timer: asyncio.TimerHandle | None = None
        self._phase: object = None
        self._since = 0.0
        self._body_bytes = 0
        self._stall: StallWatch | None = None
        self._lost = False
        self._deaf = False
        self._next_turn: asyncio.Handle | None = None
        self.conn = _Connection(h11.SERVER, settings.max_head_bytes)
        self.conn.most_bytes = settings.max_head_bytes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # type: ignore[override, unused-ignore]
        """Let a client in, or tell it that there are too many."""
        super().connection_made(transport)  # type: ignore[arg-type, unused-ignore]
        self.flow: _Flow = _Flow(self.transport)
        self._pipe = Pipe(self.transport.write)
        self._stall = StallWatch(self.transport, self._guard.settings.stalled_seconds, self._stalled)
        if self._guard.enter(transport):
            self._watch()
        else:
            self._refuse(Problem("RESOURCE_EXHAUSTED", "too many connections are open: try again later", 503, 1013))

    def data_received(self, data: bytes) -> None:
        """Take what has come; begin or end the time of what is coming."""
        if self._deaf or self.transport.is_closing():
            return
        if self.conn.their_state is h11.SEND_BODY:
            self._body_bytes += len(data)
            if self._body_bytes > MOST_DISCARDED_BYTES and self.cycle.response_complete:
                self.transport.close()  # it was answered long ago, without its body
                return
        super().data_received(data)
        self._watch()

    def handle_events(self) -> None:
        """Begin with a request; its application is called when this has returned."""
        if self._next_turn is not None:  # it goes on then
            self.flow.hold()
            return
        self.conn.turn = EVENTS_AT_ONCE
        super().handle_events()
        if self.conn.turn <= 0 and not self._deaf and not self.transport.is_closing() and not self._upgraded:
            self.flow.hold()
            self._next_turn = self.loop.call_soon(self._go_on)
        if self.scope is not None and self.scope["http_version"] == "1.1":  # there were no chunks before
            self.scope.setdefault("extensions", {})[EXTENSION] = self._pipe  # type: ignore[assignment, index, unused-ignore]

    def _go_on(self) -> None:
        """Read on in what has come; only then what comes next."""
        self._next_turn = None
        if not self._deaf and not self.transport.is_closing():
            self.handle_events()
            self._watch()
        if self._next_turn is None and not self.transport.is_closing():
            self.flow.release()

    def on_response_complete(self) -> None:
        """Go on to the next request."""
        super().on_response_complete()
        self._see_it_read()
        self._watch()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Hand the connection over."""
        if fault := handshake_fault(event, self.conn):
            self._refuse(http_problem(400, fault))
            return
        self._stop()
        self._stall = None  # it holds us: what has no rings is freed at once
        super().handle_websocket_upgrade(event)
        if not isinstance(self.transport.get_protocol(), PipedWebSocket):  # uvicorn's own says not when it has ended
            self._guard.leave(self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self._stop()
        if self._next_turn is not None:
            self._next_turn.cancel()
            self._next_turn = None
        self._lost = True
        self._pipe.close()
        if self._stall is not None:
            self._stall.end()
            self._stall = None
        self._guard.leave(self.transport)
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def pause_writing(self) -> None:
        """The client does not read as fast as we write."""
        super().pause_writing()
        self._pipe.stop()
        self._see_it_read()

    def resume_writing(self) -> None:
        """It has read."""
        super().resume_writing()
        self._pipe.go_on()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, or too large a one. Called where the error is handled."""
        error = sys.exc_info()[1]
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        if status in (414, 431):
            self._guard.on_limit("head_bytes")
            most = LONGEST_ADDRESS if status == 414 else self._guard.settings.max_head_bytes
            what = "address" if status == 414 else "headers"
            self._refuse(http_problem(status, f"the request's {what} are too large: at most {most} bytes"))
        else:
            self._refuse(http_problem(400, msg), in_stages=True)

    # --- times ---------------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Give what is coming its time, unless it has one."""
        state: object = self.conn.their_state
        idle = state is h11.IDLE and self.timeout_keep_alive_task is not None  # uvicorn's timer runs
        phase = None if idle or self._deaf or self.transport.is_closing() or self._upgraded else state
        if phase is self._phase:
            return
        self._stop()
        loop_time = self.loop.time()
        if phase is h11.IDLE:
            self._phase, self._since = phase, loop_time
            self._timer = self.loop.call_later(self._guard.settings.head_seconds, self._late, "head")
        elif phase is h11.SEND_BODY:
            self._phase, self._since, self._body_bytes = phase, loop_time, 0
            self._timer = self.loop.call_later(self._guard.settings.body_seconds, self._look_at_body)

    @property
    def _upgraded(self) -> bool:
        return self.transport.get_protocol() is not self

    def _stop(self) -> None:
        self._phase = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look_at_body(self) -> None:
        allowed = self._guard.settings.body_seconds
        left = self._since + allowed + self._body_bytes / BODY_BYTES_PER_SECOND - self.loop.time()
        if self.flow.read_paused:  # it is we who do not read
            left = allowed
            self._since = self.loop.time()
        if left > 0:
            self._timer = self.loop.call_later(left, self._look_at_body)
        else:
            self._late("body")

    def _late(self, part: str) -> None:
        self._guard.on_limit(f"{part}_seconds")
        self._refuse(http_problem(408, f"the request's {part} took too long to arrive: send it again, faster"))

    def _see_it_read(self) -> None:
        if self._stall is not None and not self._lost and self.transport.get_write_buffer_size():
            self._stall.begin()

    def _stalled(self) -> None:
        self._guard.on_limit("stalled_seconds")
        self.transport.abort()  # what waits would never be taken; who follows a stream comes back with its cursor

    # --- answers -------------------------------------------------------------------------------------------------

    def _refuse(self, problem: Problem, *, in_stages: bool = False) -> None:
        """Answer in place of the application, if it has not begun to, and close.

        In stages who is still sending hears the answer, which a reset would overtake (RFC 9112, section 9.6).
        """
        self._stop()
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not self.transport.is_closing():
            self._pipe.close()
            if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                self._write(problem.as_response({"Connection": "close"}))
            if in_stages and self.transport.can_write_eof():
                self._deaf = True
                self.transport.write_eof()
                self.flow.resume_reading()
                self._timer = self.loop.call_later(LINGER_SECONDS, self.transport.abort)
            else:
                self.transport.close()
            self._see_it_read()

    def _write(self, response: Response) -> None:
        status, reason = response.status_code, b""
        head = h11.Response(status_code=status, headers=response.raw_headers, reason=reason)
        for event in (head, h11.Data(data=bytes(response.body)), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event))
