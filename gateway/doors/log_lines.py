"""The door of readable logs: what there is as JSON or as lines of JSON, and live as server-sent events.

A line's id is the native sequence, so that a cursor taken here is good at any other door.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from fabula.api.gateway.v1 import gateway_pb2
from fabula.errors import InvalidRequest, NotFound, Unauthenticated, Unavailable
from fabula.rpc.auth import EXPIRED
from fabula.rpc.expiry import on_expiry
from fabula.rpc.kinds import kind_of
from fabula.rpc.log_records import LEVELS
from gateway.collection import collection_of
from gateway.cursors import SEQUENCE_SCHEMA, read_sequence
from gateway.dialects import native
from gateway.doors.event_stream import OpenStream, event_text, opening_text
from gateway.entries import TERMINAL_STATES, SharedEntry
from gateway.fan import Form, joined
from gateway.house import House
from gateway.hub import Wish
from gateway.identity import TICKET, Visitor
from gateway.log_lines import line_of, teller_of
from gateway.operations import SWITCH, TICKET_PARAMETER, Operation, Parameter
from gateway.queries import flag, only
from gateway.race import race
from gateway.single_calls import answer
from gateway.upstream import Upstream
from gateway.watch import Watch

DOOR = "log_events"
MOST_LINES = 1000
"""Lines of one answer in JSON."""
READING_SECONDS = 60.0
"""How long reading them may take."""
LINES, EVENT_STREAM = "application/x-ndjson", "text/event-stream"
EVENTS = {"line": "LogRecord", "reset": "ResetFrame", "ended": "Ended", "problem": "Error"}
"""The messages that are events of a stream, by the names that they have there."""


class LogDoor:
    """Answers `GET …/{id}/log` and `GET …/{id}/log/events`, as an ASGI application.

    Args:
        house: The inside of the gateway.
        kind: Of which generations; empty: of any.
        live: Whether lines are told as they come, whatever the client accepts.
    """

    def __init__(self, house: House, kind: str = "", *, live: bool = False) -> None:
        self._house = house
        self._kind = kind
        self._live = live

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; what cannot be read is refused before anything is sent."""
        request = Request(scope, receive)
        accepted = request.headers.get("accept", "")
        live = self._live or EVENT_STREAM in accepted
        if not live and LINES not in accepted:
            await answer(await self._read(request, await self._let_in(request)))(scope, receive, send)
            return
        with self._house.connection(DOOR, scope) as place:  # first: a ticket that is taken is good no more
            visitor = await self._let_in(request)
            place.belong_to(visitor.owner)
            await (self._tell if live else self._send_lines)(request, visitor, send)

    async def _let_in(self, request: Request) -> Visitor:
        generation_id = request.path_params["id"]
        visitor = await self._house.doorkeeper.let_in_to_read(request, generation_id)
        kind = kind_of(generation_id)
        if self._kind and (kind is None or kind.name != self._kind):
            raise NotFound("there is no such generation", id=generation_id)
        return visitor

    async def _read(self, request: Request, visitor: Visitor) -> gateway_pb2.ReadLogResponse:
        least, wish = _wish(request)
        return await (await self._page(visitor, request.path_params["id"], wish)).read(least)

    async def _send_lines(self, request: Request, visitor: Visitor, send: Send) -> None:
        """Send all lines; cut off where the token expires, as their status is sent already."""
        least, wish = _wish(request)
        page = await self._page(visitor, request.path_params["id"], wish)
        expired = asyncio.Event()
        with on_expiry(visitor.expires, expired.set):
            await race(page.as_lines(least)(request.scope, request.receive, send), expired.wait())

    async def _page(self, visitor: Visitor, generation_id: str, wish: Wish) -> _Page:
        house = self._house
        client = house.client_of(generation_id)
        upstream = Upstream(client, generation_id, visitor.caller, house.metrics, visitor.expires)
        generation = await upstream.generation()
        last = generation.last_sequence
        after = last if wish.snapshot and not wish.after_sequence else wish.after_sequence
        if after > last:
            problem = f"is ahead of the log, which ends at {last}: read it anew"
            raise InvalidRequest(f"after {problem}", (("after", problem),))
        return _Page(upstream, after, last, generation.state in TERMINAL_STATES)

    async def _tell(self, request: Request, visitor: Visitor, send: Send) -> None:
        if request.method == "HEAD":
            raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "GET"})  # its answer never ends
        house, generation_id = self._house, request.path_params["id"]
        least, wish = _wish(request)
        with closing(await house.hub.open(visitor, generation_id, wish)) as watch:
            if watch.empty:
                await Response(status_code=204)(request.scope, request.receive, send)
                return
            stream = _Stream(house, request.receive, send, least)
            with on_expiry(visitor.expires, stream.expired.set):
                await stream.run(generation_id, watch)


def _wish(request: Request) -> tuple[str, Wish]:
    """Return how important lines have to be, and what of the log is wanted. `Last-Event-ID` goes before `?after=`."""
    query = request.query_params
    only(query, ("after", "level", "snapshot", TICKET))
    after = read_sequence(query.get("after"))
    last = read_sequence(request.headers.get("last-event-id"), "Last-Event-ID")
    least = query.get("level", "").upper()
    if least and least not in LEVELS:
        problem = f"must be one of: {', '.join(LEVELS)}"
        raise InvalidRequest(f"level {problem}", (("level", problem),))
    snapshot = flag("snapshot", query.get("snapshot"))
    return least, Wish((after if last is None else last) or 0, snapshot=snapshot)


@dataclass(frozen=True, slots=True)
class _Page:
    """What there is of a log now, behind a cursor.

    Attributes:
        upstream: Where it comes from.
        after: The cursor.
        last: Where the log ends.
        ended: Whether the run has ended there.
    """

    upstream: Upstream
    after: int
    last: int
    ended: bool

    async def entries(self) -> AsyncGenerator[SharedEntry, None]:
        """Yield the entries."""
        if self.after == self.last:
            return
        async with aclosing(self.upstream.read(self.after)) as batches:
            async for batch in batches:
                for entry in batch:
                    assert isinstance(entry, SharedEntry)  # noqa: S101 - what `Upstream` yields
                    yield entry
                    if entry.sequence >= self.last:
                        return

    async def read(self, least: str) -> gateway_pb2.ReadLogResponse:
        """Return the lines, as many as one answer holds. Raises `Unavailable` where the service is lost meanwhile."""
        response, sequence = gateway_pb2.ReadLogResponse(), self.after
        try:
            async with asyncio.timeout(READING_SECONDS), aclosing(self.entries()) as entries:
                async for entry in entries:
                    line = line_of(entry, least)
                    if line is not None and len(response.lines) == MOST_LINES:
                        response.more = True
                        break
                    sequence = entry.sequence
                    if line is not None:
                        response.lines.append(line)
        except TimeoutError:
            raise Unavailable("the log could not be read in good time: try again") from None
        response.sequence, response.ended = sequence, self.ended and not response.more
        return response

    def as_lines(self, least: str) -> Response:
        """Return all lines, each as JSON, as they are read."""

        async def lines() -> AsyncGenerator[str, None]:
            async with aclosing(self.entries()) as entries:
                async for entry in entries:
                    if (line := line_of(entry, least)) is not None:
                        yield f"{native.json_of(line, whole=True)}\n"  # as in the answer that is one JSON

        return StreamingResponse(lines(), media_type=LINES, headers={"Cache-Control": "no-store"})


class _Stream(OpenStream):
    """One open stream of lines."""

    def __init__(self, house: House, receive: Receive, send: Send, least: str) -> None:
        super().__init__(house, DOOR, receive, send)
        self.form = _form(least)

    async def run(self, generation_id: str, watch: Watch) -> None:
        """Send all there is to send, until the run ends, the client leaves or the gateway closes."""
        await self.begin(opening_text(watch.sequence).encode())
        await self.go_on(self._tell(generation_id, watch))
        if self.expired.is_set():
            await self.write(self._problem(generation_id, Unauthenticated(EXPIRED)))
        await self.end()

    async def _tell(self, generation_id: str, watch: Watch) -> None:
        try:
            await watch.run(self)
        except Exception as error:  # noqa: BLE001 - told in the stream: its status is sent already
            await self.write(self._problem(generation_id, error))
        else:
            frame = native.ended_frame(generation_id, watch.sequence)
            await self.write(event_text(*native.event_of(frame), watch.sequence).encode())

    def _problem(self, generation_id: str, error: Exception) -> bytes:
        frame = native.error_frame("", generation_id, self.problem(error))
        return event_text(*native.event_of(frame)).encode()

    async def send(self, entries: Sequence[SharedEntry]) -> None:
        """Send lines, once there is room for them. Of a snapshot only the cursor is sent: what follows it is wanted."""
        if entries and entries[0].body == "snapshot":
            await self.write(f"id: {entries[0].sequence}\n\n".encode())
        chosen = self.form.chosen(entries)
        for data in joined(self.form, chosen):
            if data:
                await self.write(data)
        self.count(chosen)


@cache
def _form(least: str) -> Form:
    return Form("line as server-sent event", _encode, DOOR, wants=teller_of(least))


def _encode(entry: SharedEntry) -> bytes:
    line = line_of(entry)
    if line is not None:
        return event_text("line", native.json_of(line), entry.sequence).encode()
    reset = gateway_pb2.ResetFrame(generation_id=entry.generation_id, sequence=entry.sequence)
    reset.reason = entry.response.event.reset.reason
    return event_text("reset", native.json_of(reset), entry.sequence).encode()


def log_operations(house: House) -> list[Operation]:
    """Return the operations of this door, for routes and OpenAPI."""
    places = [("generations", "Generation", "")]
    collections = [collection_of(client.kind) for client in house.clients.values()]
    places += [(each.name, each.noun, each.kind.name) for each in collections]
    return [operation for place in places for operation in _of_place(house, *place)]


def _of_place(house: House, name: str, noun: str, kind: str) -> Iterator[Operation]:
    more = (
        Parameter("after", "Sequence of the last event you have; 0 or absent for all.", SEQUENCE_SCHEMA),
        Parameter("level", "Only lines at least this important.", {"type": "string", "enum": list(LEVELS)}),
        TICKET_PARAMETER,
        Parameter("Last-Event-ID", "As `after`, and goes before it.", SEQUENCE_SCHEMA, "header"),
        Parameter("snapshot", "Only lines that are still to come.", SWITCH),
    )
    all_told = (HTTPStatus.NO_CONTENT, "The run has ended, and the cursor is at its end.")
    path, errors = f"/v1/{name}/{{id}}/log", (HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS)
    yield Operation(
        "GET", path, f"read{noun}Log", "Read the lines of a generation's log that there are now, or watch them.",
        LogDoor(house, kind), answers=(gateway_pb2.ReadLogResponse,), parameters=more, errors=errors, events=EVENTS,
        media_types=("application/json", LINES, EVENT_STREAM), more=(all_told,),
    )  # fmt: skip
    yield Operation(
        "GET", f"{path}/events", f"watch{noun}Log",
        "Watch the lines of a generation's log as server-sent events; 204 at the end of an ended run.",
        LogDoor(house, kind, live=True), media_types=(EVENT_STREAM,), events=EVENTS,
        parameters=more, errors=errors, more=(all_told,),
    )  # fmt: skip
