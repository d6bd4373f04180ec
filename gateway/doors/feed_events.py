"""The door of the feed of one's own generations as server-sent events.

A stream begins with all there are, so that who reconnects needs no cursor: its events have no ids.
"""

from __future__ import annotations

from contextlib import closing
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from fabula.errors import Unauthenticated
from fabula.rpc.auth import EXPIRED
from fabula.rpc.expiry import on_expiry
from gateway.dialects import native
from gateway.doors.event_stream import OpenStream, event_text, opening_text
from gateway.feed_watch import FeedWatch
from gateway.house import House
from gateway.operations import Operation, Parameter
from gateway.owner_feeds import Told
from gateway.queries import only

DOOR = "feed_events"
PATH = "/v1/generations/events"
EVENTS = {"generation": "GenerationFrame", "listed": "Listed", "problem": "Error"}
"""The frames that are events of a stream, by the names that they have there."""


class FeedEvents:
    """Answers `GET /v1/generations/events`, as an ASGI application."""

    def __init__(self, house: House) -> None:
        self._house = house

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a stream from its request to its end."""
        if scope["method"] == "HEAD":
            raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "GET"})  # its answer never ends
        request = Request(scope, receive)
        visitor = await self._house.doorkeeper.let_in(request)
        only(request.query_params, ("kind",))
        kinds = request.query_params.getlist("kind")
        with (
            self._house.connection(DOOR, scope, visitor.owner),
            closing(FeedWatch(self._house.feeds, visitor, kinds)) as watch,
        ):
            stream = _Stream(self._house, DOOR, receive, send)
            with on_expiry(visitor.expires, stream.expired.set):
                await stream.run(watch)


class _Stream(OpenStream):
    """One open stream."""

    async def run(self, watch: FeedWatch) -> None:
        """Send all there is to tell, until the client leaves, its token expires or the gateway closes."""
        await self.begin(opening_text(0).encode())
        await self.go_on(self._tell(watch))
        if self.expired.is_set():
            await self.write(self._problem(Unauthenticated(EXPIRED)))
        await self.end()

    async def _tell(self, watch: FeedWatch) -> None:
        try:
            while True:
                item = await watch.next()
                if isinstance(item, Told):
                    data = item.frame(DOOR, _encode)
                else:
                    data = event_text(*native.event_of(native.listed_frame(item)))
                await self.write(data if isinstance(data, bytes) else data.encode())
        except Exception as error:  # noqa: BLE001 - told in the stream: its status is sent already
            await self.write(self._problem(error))

    def _problem(self, error: Exception) -> bytes:
        return event_text(*native.event_of(native.error_frame("", "", self.problem(error)))).encode()


def _encode(told: Told) -> bytes:
    frame = native.generation_frame(told.generation, deleted=told.deleted)
    return event_text(*native.event_of(frame)).encode()


def feed_operation(house: House) -> Operation:
    """Return the operation of this door, for routes and OpenAPI."""
    kinds = {"type": "array", "items": {"type": "string", "enum": list(house.feeds.kinds)}}
    return Operation(
        "GET",
        PATH,
        "watchGenerations",
        "Watch your generations as server-sent events: all there are, then each that comes, changes or is deleted.",
        FeedEvents(house),
        media_types=("text/event-stream",),
        events=EVENTS,
        parameters=(Parameter("kind", "Only generations of this kind; may be given several times.", kinds),),
        errors=(HTTPStatus.TOO_MANY_REQUESTS,),
    )
