"""The door of server-sent events: one generation for each stream, resumed by `Last-Event-ID`.

An event's id is its sequence, so an `EventSource` that loses its connection comes back with the right cursor by
itself. The stream ends with an event `ended`; who comes back after that is answered 204, which stops an EventSource.
"""

from __future__ import annotations

from contextlib import closing
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from fabula.errors import Unauthenticated
from fabula.rpc.auth import EXPIRED
from fabula.rpc.expiry import on_expiry
from gateway.cursors import SEQUENCE_SCHEMA, read_sequence
from gateway.dialects import native
from gateway.doors.event_stream import OpenStream, event_text, opening_text
from gateway.doors.watched_body import WatchedBody, forms_of
from gateway.entries import SharedEntry
from gateway.house import House
from gateway.hub import Wish
from gateway.identity import TICKET
from gateway.operations import SWITCH, TICKET_PARAMETER, Operation, Parameter
from gateway.pipe import ClientGone, Pipe, pipe_of
from gateway.queries import flag, only
from gateway.watch import Watch

DOOR = "sse"


def wish_of(request: Request) -> Wish:
    """Return what an event stream is asked for.

    `Last-Event-ID` goes before `?after=`: a browser that reconnects sends the newest cursor in the header, while the
    address still says what it said at first.

    Raises:
        InvalidRequest: a parameter is unknown, or a cursor is none.
    """
    only(request.query_params, ("after", "snapshot", "conflate", TICKET))
    after = read_sequence(request.query_params.get("after"))
    last = read_sequence(request.headers.get("last-event-id"), "Last-Event-ID")
    return Wish(
        (after if last is None else last) or 0,
        snapshot=flag("snapshot", request.query_params.get("snapshot")),
        conflate=flag("conflate", request.query_params.get("conflate")),
    )


def _encode(entry: SharedEntry) -> bytes:
    name, data = native.event_of(native.entry_frame(entry))
    return event_text(name, data, entry.sequence).encode()


FORMS = {conflate: forms_of("server-sent event", _encode, DOOR, conflate=conflate) for conflate in (False, True)}
"""How entries are sent, by whether superseded progress is left out."""


class EventStreams:
    """Answers `GET /v1/generations/{id}/events`, as an ASGI application."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a stream from its request to its end; what cannot be watched is refused before the stream begins."""
        if scope["method"] == "HEAD":
            raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "GET"})  # its answer never ends
        request = Request(scope, receive)
        generation_id = request.path_params["id"]
        with self._house.connection(DOOR, scope) as place:  # first: a ticket that is taken is good no more
            visitor = await self._house.doorkeeper.let_in_to_read(request, generation_id)
            wish = wish_of(request)
            place.belong_to(visitor.owner)
            with closing(await self._house.hub.open(visitor, generation_id, wish)) as watch:
                if watch.empty:
                    await Response(status_code=204)(scope, receive, send)
                else:
                    stream = _Stream(self._house, receive, send, watch, pipe_of(scope), conflate=wish.conflate)
                    with on_expiry(visitor.expires, stream.expired.set):
                        await stream.run(generation_id)


class _Stream(OpenStream):
    """One open stream in the native dialect."""

    def __init__(
        self, house: House, receive: Receive, send: Send, watch: Watch, pipe: Pipe | None, *, conflate: bool
    ) -> None:
        super().__init__(house, DOOR, receive, send)
        self._watch = watch
        self._body = WatchedBody(watch, FORMS[conflate], pipe, self.write, self.count)

    @property
    def wrote_at(self) -> float:
        """When something was last sent, on the monotonic clock."""
        return max(self._wrote_at, self._body.wrote_at)

    async def run(self, generation_id: str) -> None:
        """Send all there is to send, until the run ends, the client leaves or the gateway closes."""
        await self.begin(opening_text(self._watch.sequence).encode())
        await self.go_on(self._tell(generation_id))
        if self.expired.is_set():
            await self.write(self._problem(generation_id, Unauthenticated(EXPIRED)))
        await self.end()

    async def _tell(self, generation_id: str) -> None:
        try:
            await self._body.run()
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001 - told in the stream: its status is sent already
            await self.write(self._problem(generation_id, error))
        else:
            frame = native.ended_frame(generation_id, self._watch.sequence)
            await self.write(event_text(*native.event_of(frame), self._watch.sequence).encode())

    def _problem(self, generation_id: str, error: Exception) -> bytes:
        frame = native.error_frame("", generation_id, self.problem(error))
        return event_text(*native.event_of(frame)).encode()


EVENTS = {"event": "EventFrame", "reset": "ResetFrame", "ended": "Ended", "problem": "Error"}
"""The frames that are events of a stream, by the names that they have there."""


def events_operation(streams: EventStreams) -> Operation:
    """Return the operation of this door, for routes and OpenAPI."""
    return Operation(
        "GET",
        "/v1/generations/{id}/events",
        "watchGeneration",
        "Watch a generation as server-sent events; 204 if its run has ended and the cursor is at its end.",
        streams,
        media_types=("text/event-stream",),
        events=EVENTS,
        parameters=(
            Parameter("after", "Sequence of the last event you have; 0 or absent for all.", SEQUENCE_SCHEMA),
            Parameter("snapshot", "Begin with one folded event instead of the history.", SWITCH),
            Parameter("conflate", "Spare superseded progress.", SWITCH),
            TICKET_PARAMETER,
            Parameter("Last-Event-ID", "As `after`, and goes before it.", SEQUENCE_SCHEMA, "header"),
        ),
        more=((HTTPStatus.NO_CONTENT, "The run has ended, and the cursor is at its end."),),
        errors=(HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS),
    )
