"""The door of finished pictures: their bytes, streamed from the service as they are read.

A picture never changes, so it may be kept for good by who has fetched it, and a part of it may be asked for.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from fabula.errors import LogCorrupted, NotFound
from fabula.rpc.client import Client
from fabula.rpc.kinds import kind_of
from gateway.answers import http_problem
from gateway.collection import collection_of
from gateway.house import House
from gateway.identity import TICKET, Visitor
from gateway.limits import Place
from gateway.operations import TICKET_PARAMETER, Operation, Parameter
from gateway.picture_links import KEY
from gateway.queries import only, whole_number
from gateway.race import race
from gateway.ranges import Part, part_of

DOOR = "pictures"
LARGEST_INDEX = 2**32 - 1
SUFFIXES = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}


class Pictures:
    """Answers `GET` and `HEAD` of `/v1/images/{id}`, as an ASGI application.

    Args:
        house: The inside of the gateway.
        client: The service that has the pictures.
    """

    def __init__(self, house: House, client: Client) -> None:
        self._house = house
        self._client = client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; what cannot be served is refused before the answer begins."""
        with self._house.connection(DOOR, scope) as place:  # first: a ticket that is taken is good no more
            await self._serve(Request(scope, receive), send, place)

    async def _serve(self, request: Request, send: Send, place: Place) -> None:
        scope, receive, generation_id = request.scope, request.receive, request.path_params["id"]
        visitor, by_key = await self._house.doorkeeper.let_in_to_see(request, generation_id)
        place.belong_to(visitor.owner)
        only(request.query_params, ("index", TICKET, KEY))
        index = whole_number("index", request.query_params.get("index"), LARGEST_INDEX) or 0
        if kind_of(generation_id) is not self._client.kind or (by_key and index):
            raise NotFound("there is no such generation", id=generation_id)
        download = _Download(self._client, visitor, generation_id, index)
        async with aclosing(download.pieces()) as whole:
            picture = await download.picture(whole)
            part = part_of(request.method, request.headers, picture.blob.size_bytes, f'"{picture.blob.sha256}"')
            headers = _headers(generation_id, picture, part)
            if part.status is HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                problem = http_problem(part.status, f"the picture has {part.size} bytes: ask for a part of these")
                await problem.as_response({"Content-Range": part.content_range})(scope, receive, send)
                return
            body = whole if part.length and request.method == "GET" else None
            await _send(part, headers, download.part(part) if body and part.length < part.size else body, receive, send)


class _Download:
    """One picture at its service."""

    def __init__(self, client: Client, visitor: Visitor, generation_id: str, index: int) -> None:
        self._client = client
        self._visitor = visitor
        self._generation_id = generation_id
        self._index = index

    async def pieces(self, offset: int = 0, limit: int = 0) -> AsyncGenerator[Any, None]:
        """Yield the service's responses. Raises `FabulaError` as the service meant it."""
        kind = self._client.kind
        request = kind.request("DownloadPicture")(
            generation_id=self._generation_id, index=self._index, offset=offset, limit=limit
        )
        async with aclosing(self._client.stream("DownloadPicture", request, self._visitor.caller)) as responses:
            async for data in responses:
                yield kind.response("DownloadPicture").FromString(data)

    async def picture(self, responses: AsyncGenerator[Any, None]) -> Any:
        """Return what the first response tells of the picture."""
        first = await anext(responses, None)
        if first is None or not first.HasField("picture"):
            raise LogCorrupted("the service did not say which picture it sends", id=self._generation_id)
        return first.picture

    async def part(self, part: Part) -> AsyncGenerator[Any, None]:
        """Yield the responses that hold a part."""
        async with aclosing(self.pieces(part.start, part.length)) as responses:
            async for response in responses:
                yield response


def _headers(generation_id: str, picture: Any, part: Part) -> dict[str, str]:
    number = f"-{picture.index + 1}" if picture.index else ""
    suffix = SUFFIXES.get(picture.blob.media_type, "bin")
    headers = {
        "ETag": f'"{picture.blob.sha256}"',
        "Cache-Control": "private, max-age=31536000, immutable",
        "Accept-Ranges": "bytes",
        "Content-Disposition": f'inline; filename="{generation_id}{number}.{suffix}"',
        "X-Content-Type-Options": "nosniff",
    }
    if part.status is not HTTPStatus.NOT_MODIFIED:
        headers |= {"Content-Type": picture.blob.media_type, "Content-Length": str(part.length)}
    if part.content_range:
        headers["Content-Range"] = part.content_range
    return headers


async def _send(
    part: Part, headers: dict[str, str], body: AsyncGenerator[Any, None] | None, receive: Receive, send: Send
) -> None:
    """Send the answer; stop to read the service when the client is gone."""

    async def until_gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    async def pump() -> None:
        encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": int(part.status), "headers": encoded})
        if body is not None:
            async with aclosing(body) as responses:
                async for response in responses:
                    await send({"type": "http.response.body", "body": response.data, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    await race(pump(), until_gone())


def picture_operations(house: House) -> Iterable[Operation]:
    """Yield the operations of this door, for routes and OpenAPI: for each generator whose service has pictures."""
    for client in house.clients.values():
        collection = collection_of(client.kind)
        if not collection.has("DownloadPicture"):
            continue
        door = Pictures(house, client)
        for method, name, summary in (
            ("GET", f"download{collection.noun}", "The bytes of a finished picture, or of a part of it."),
            ("HEAD", f"describe{collection.noun}", "The same without the bytes."),
        ):
            yield Operation(
                method, f"{collection.path}/{{id}}", name, summary, door,
                media_types=tuple(SUFFIXES), parameters=_PARAMETERS if method == "GET" else _PARAMETERS[:4],
                headers=_ANSWER_HEADERS, more=_MORE if method == "GET" else _MORE[:1],
                errors=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS,
                        *((HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,) if method == "GET" else ())),
            )  # fmt: skip


_TEXT = {"type": "string"}
_PARAMETERS = (
    Parameter("index", "Which picture, from 0; absent means 0.", {"type": "integer", "minimum": 0}),
    TICKET_PARAMETER,
    Parameter(KEY, "Instead of a token, where the address was given out with it.", _TEXT),
    Parameter("If-None-Match", "`ETag` of what you have: 304 if it is this.", _TEXT, "header"),
    Parameter("Range", "One range of bytes, e.g. `bytes=0-65535` or `bytes=-500`.", _TEXT, "header"),
    Parameter("If-Range", "`ETag` of what you have a part of: all of it is sent if it is not this.", _TEXT, "header"),
)
_ANSWER_HEADERS = (
    Parameter("ETag", "SHA-256 of the bytes, in quotes.", _TEXT, "header"),
    Parameter("Cache-Control", "For good, and not by shared caches.", _TEXT, "header"),
    Parameter("Accept-Ranges", "`bytes`.", _TEXT, "header"),
    Parameter("Content-Disposition", "`inline`, with a file name.", _TEXT, "header"),
)
_MORE = (
    (HTTPStatus.NOT_MODIFIED, "You have it already."),
    (HTTPStatus.PARTIAL_CONTENT, "The part that `Range` names; `Content-Range` says which."),
)
