"""The door of server-sent events for several generations on one stream.

An event's id holds the cursors of all of them, in the order in which the address names them, with dots between:
`12.0.7`. So an `EventSource`, which comes back to the same address, comes back with the right cursors by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fabula.api.gateway.v1 import gateway_pb2
from fabula.errors import FabulaError, InvalidRequest, Unauthenticated
from fabula.rpc.auth import EXPIRED
from fabula.rpc.expiry import on_expiry
from gateway.cursors import LARGEST_SEQUENCE, read_sequence
from gateway.dialects import native
from gateway.doors.event_stream import OpenStream, event_text, opening_text
from gateway.doors.sse import EVENTS
from gateway.doors.websocket import MOST_SUBSCRIPTIONS
from gateway.entries import SharedEntry
from gateway.fan import Form
from gateway.house import House
from gateway.hub import Wish
from gateway.identity import Visitor
from gateway.operations import SWITCH, Operation, Parameter
from gateway.queries import flag, only, whole_number
from gateway.watch import Watch

DOOR = "many_events"
_PARAMETERS = ("id", "snapshot", "conflate")


@dataclass(slots=True)
class Place:
    """One generation of a stream.

    Attributes:
        id: Which one.
        cursor: Up to where the client has it.
        watch: What brings it forward; None: it cannot be watched.
        error: Why not.
    """

    id: str
    cursor: int
    watch: Watch | None = None
    error: FabulaError | None = None


def places_of(request: Request) -> list[Place]:
    """Return the generations that a stream is asked for, with the client's cursors.

    `Last-Event-ID` goes before what stands behind the ids, as it is newer.

    Raises:
        InvalidRequest: there are none, too many, or one twice; or a cursor is none.
    """
    given = [text.partition(":") for text in request.query_params.getlist("id")]
    places = [Place(id_, read_sequence(after, "id") or 0) for id_, _, after in given]
    if not 0 < len(places) <= MOST_SUBSCRIPTIONS:
        raise _wrong("id", f"must be given at least once, and at most {MOST_SUBSCRIPTIONS} times")
    if len({place.id for place in places}) < len(places):
        raise _wrong("id", "names a generation twice")
    if last := request.headers.get("last-event-id"):
        cursors = last.split(".")
        if len(cursors) != len(places):
            raise _wrong("Last-Event-ID", f"must hold {len(places)} cursors, as many as the address has ids")
        for place, cursor in zip(places, cursors, strict=True):
            place.cursor = whole_number("Last-Event-ID", cursor, LARGEST_SEQUENCE) or 0
    return places


def _wrong(name: str, problem: str) -> InvalidRequest:
    return InvalidRequest(f"{name} {problem}", ((name, problem),))


class ManyEvents:
    """Answers `GET /v1/events`, as an ASGI application."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a stream from its request to its end."""
        if scope["method"] == "HEAD":
            raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "GET"})  # its answer never ends
        request = Request(scope, receive)
        house, query = self._house, request.query_params
        visitor = await house.doorkeeper.let_in(request)
        only(query, _PARAMETERS)
        places = places_of(request)
        snapshot, conflate = flag("snapshot", query.get("snapshot")), flag("conflate", query.get("conflate"))
        with house.connection(DOOR, scope, visitor.owner), ExitStack() as open_watches:
            wishes = [Wish(place.cursor, snapshot=snapshot, conflate=conflate) for place in places]
            opening = zip(places, wishes, strict=True)
            await gathered(*(self._open(visitor, place, wish, open_watches) for place, wish in opening))
            refused = [place.error for place in places if place.error is not None]
            returning = "last-event-id" in request.headers
            if len(refused) == len(places) and not returning:
                raise refused[0]
            if all(place.watch is None or place.watch.empty for place in places) and (returning or not refused):
                await Response(status_code=204)(scope, receive, send)  # nothing comes, however often the client does
                return
            stream = _Stream(house, receive, send, places, FORMS[conflate])
            with on_expiry(visitor.expires, stream.expired.set):
                await stream.run()

    async def _open(self, visitor: Visitor, place: Place, wish: Wish, open_watches: ExitStack) -> None:
        """Open one watch. Raises `FabulaError` where it may be had later: the client comes back for all."""
        try:
            place.watch = await self._house.hub.open(visitor, place.id, wish)
        except FabulaError as error:
            if error.retryable:
                raise
            place.error = error
        else:
            open_watches.callback(place.watch.close)


class _Stream(OpenStream):
    """One open stream with all its generations."""

    def __init__(self, house: House, receive: Receive, send: Send, places: Sequence[Place], form: Form) -> None:
        super().__init__(house, DOOR, receive, send)
        self.form = form
        self._places = places
        self._order = asyncio.Lock()

    async def run(self) -> None:
        """Send all there is to send, until all runs end, the client leaves or the gateway closes."""
        await self.begin(opening_text(self._cursors()).encode())
        await self.go_on(self._tell_all())
        if self.expired.is_set():
            await self.write(self._problem("", Unauthenticated(EXPIRED)))
        await self.end()

    def _cursors(self) -> str:
        return ".".join(str(place.cursor) for place in self._places)

    async def _tell_all(self) -> None:
        with suppress(_ComeBack):
            await gathered(*(self._tell(place) for place in self._places))

    async def _tell(self, place: Place) -> None:
        error: Exception | None = place.error
        if place.watch is not None:
            try:
                await place.watch.run(_Part(self, place))
            except Exception as raised:  # noqa: BLE001 - told in the stream: its status is sent already
                error = raised
            else:
                frame = native.ended_frame(place.id, place.watch.sequence)
                await self.tell(place, place.watch.sequence, _text(frame))
        if error is not None:
            await self.write(self._problem(place.id, error))
            if isinstance(error, FabulaError) and error.retryable:
                raise _ComeBack

    async def tell(self, place: Place, sequence: int, text: bytes) -> None:
        """Send an event of one generation, with the cursors of all that are right once it is read."""
        async with self._order:  # ids have to be written in the order in which they are made
            place.cursor = sequence or place.cursor
            line = f"id: {self._cursors()}\n".encode() if sequence else b""
            await self.write(line + text)

    def _problem(self, generation_id: str, error: Exception) -> bytes:
        return _text(native.error_frame("", generation_id, self.problem(error)))


class _ComeBack(Exception):
    """The stream has to end, so that the client comes back with its cursors."""


class _Part:
    """One generation on its stream. Implements `gateway.watch.Recipient`."""

    pipe = None

    def __init__(self, stream: _Stream, place: Place) -> None:
        self.form = stream.form
        self._stream = stream
        self._place = place

    async def send(self, entries: Sequence[SharedEntry]) -> None:
        """Send entries, once there is room for them."""
        for entry in entries:
            await self._stream.tell(self._place, entry.sequence, self.form.of(entry))
        self._stream.count(entries)

    def resume(self) -> None:
        """Never needed: without a pipe the fan does not carry it."""


def _text(frame: gateway_pb2.ServerFrame) -> bytes:
    return event_text(*native.event_of(frame)).encode()


FORMS = {
    conflate: Form("server-sent event without id", lambda entry: _text(native.entry_frame(entry)), DOOR, conflate)
    for conflate in (False, True)
}
"""How entries are sent, by whether superseded progress is left out."""


async def gathered(*runners: Coroutine[Any, Any, None]) -> None:
    """Run all to their ends. What one raises is raised at once, and the others are cancelled."""
    tasks = [asyncio.ensure_future(runner) for runner in runners]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def many_events_operation(house: House) -> Operation:
    """Return the operation of this door, for routes and OpenAPI."""
    ids = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MOST_SUBSCRIPTIONS}
    return Operation(
        "GET",
        "/v1/events",
        "watchGenerationsTogether",
        "Watch several generations on one stream of server-sent events; 204 if all of it was seen.",
        ManyEvents(house),
        media_types=("text/event-stream",),
        events=EVENTS,
        parameters=(
            Parameter("id", "A generation, and behind a colon your cursor: `story-…:12`.", ids, required=True),
            Parameter("snapshot", "Begin those without a cursor with one folded event.", SWITCH),
            Parameter("conflate", "Spare superseded progress.", SWITCH),
            Parameter(
                "Last-Event-ID", "Cursors of all, with dots between; goes before `id`.", {"type": "string"}, "header"
            ),
        ),
        more=((HTTPStatus.NO_CONTENT, "All runs have ended, and the cursors are at their ends."),),
        errors=(HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS),
    )
