"""The front ends of family D, the content pipeline: a text by one request, as a stream of events or all at once."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from fabula.errors import FabulaError, InvalidRequest
from fabula.rpc.client import Client
from fabula.rpc.kinds import STORY
from gateway.answers import Problem
from gateway.cursors import Cursor, read_cursor
from gateway.dialects.content_pipeline import COMPLETE, CONTENT_PIPELINE, ERROR, result_of
from gateway.dialects.dialect import Payload
from gateway.doors.dialect_events import DOOR, DialectEvents
from gateway.frontends.failures import GENERATION, status_of_failure
from gateway.frontends.requests import key_of, read_object
from gateway.frontends.story_wishes import start_request
from gateway.frontends.waiting import DOOR as WAITING
from gateway.frontends.waiting import Waited, nobody_listens, still_running, until_ended
from gateway.frontends.workshop import IDEMPOTENCY_KEY, check_is_story
from gateway.house import House
from gateway.identity import Visitor
from gateway.operations import SWITCH, TICKET_PARAMETER, Operation, Parameter
from gateway.payloads.content_pipeline import EVENTS
from gateway.payloads.schema import ref
from gateway.queries import flag
from gateway.single_calls import ask

PATH = "/run"
STREAM = f"{PATH}/stream"
CANCEL = "cancel_on_disconnect"
FAMILY = "D: content pipeline"

_TEXT = {"type": "string"}
_PLACE = {"type": "string", "pattern": r"^([0-9]{1,10}(\.[0-9]{1,3})?)?$"}
_CANCELS = Parameter(CANCEL, "Cancel the text when you leave before its end.", SWITCH)
_CURSOR = (
    Parameter("after", "The `id` of the last event you have.", _PLACE),
    Parameter("Last-Event-ID", "The same, and goes before it.", _PLACE, "header"),
)
_ANSWER_HEADERS = (
    Parameter(GENERATION, "Which generation the answer is about.", _TEXT, "header"),
    Parameter("Location", "Where its stream can be taken up.", _TEXT, "header"),
)
_NOTHING_NEW = (HTTPStatus.NO_CONTENT, "The run has ended, and you have been told all of it.")
_UNSUCCESSFUL = {
    status: {"anyOf": [ref("PipelineError"), ref("ErrorAnswer")]}
    for status in (
        HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.INTERNAL_SERVER_ERROR,
        HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE,
    )
} | {HTTPStatus.GATEWAY_TIMEOUT: ref("ErrorAnswer")}  # fmt: skip
"""What the waiting calls answer where there is no text: as a stream would tell it, or as all addresses do."""

log = structlog.get_logger(__name__)


class ContentPipeline:
    """Their addresses.

    Args:
        house: The inside of the gateway; there are stories in it.
    """

    def __init__(self, house: House) -> None:
        self._house = house

    def operations(self) -> Iterable[Operation]:
        """Yield what is done at them."""
        told: dict[str, Any] = {"family": FAMILY, "gives": ref("PipelineComplete"), "headers": _ANSWER_HEADERS}
        streamed: dict[str, Any] = {
            "family": FAMILY, "media_types": ("text/event-stream",), "events": EVENTS,
            "headers": _ANSWER_HEADERS, "more": (_NOTHING_NEW,),
        }  # fmt: skip
        wishes: dict[str, Any] = {"accepts": {"application/json": ref("StoryWishes")}, "needs_body": True}
        yield Operation(
            "POST", PATH, "runPipeline", "Make a text, and answer when it is complete.", self._run,
            **told, **wishes, parameters=(IDEMPOTENCY_KEY, _CANCELS), errors=(HTTPStatus.CONFLICT,),
            failures=_UNSUCCESSFUL,
        )  # fmt: skip
        yield Operation(
            "GET", f"{PATH}/{{id}}", "getPipelineResult", "Wait for a text, and answer when it is complete.",
            self._result, **told, errors=(HTTPStatus.NOT_FOUND,), failures=_UNSUCCESSFUL,
        )  # fmt: skip
        yield Operation(
            "POST", STREAM, "streamPipeline", "Make a text, and tell how far it is.", _Application(self._begin_stream),
            **streamed, **wishes, parameters=(IDEMPOTENCY_KEY, _CANCELS, *_CURSOR), errors=(HTTPStatus.CONFLICT,),
        )  # fmt: skip
        yield Operation(
            "GET", f"{STREAM}/{{id}}", "resumePipelineStream", "Take up the stream of a text again.",
            _Application(self._take_up_stream), **streamed, parameters=(*_CURSOR, TICKET_PARAMETER),
            errors=(HTTPStatus.NOT_FOUND,),
        )  # fmt: skip

    @property
    def _client(self) -> Client:
        return self._house.clients[STORY.name]

    # --- all at once ---------------------------------------------------------------------------------------------

    async def _run(self, request: Request) -> Response:
        with self._house.connection(
            WAITING, request.scope
        ) as place:  # first: nothing is begun that nobody will be told
            visitor = await self._house.doorkeeper.let_in(request)
            place.belong_to(visitor.owner)
            cancels = flag(CANCEL, request.query_params.get(CANCEL))
            return await self._answer(request, visitor, await self._start(request, visitor), cancels=cancels)

    async def _result(self, request: Request) -> Response:
        with self._house.connection(WAITING, request.scope) as place:
            visitor = await self._house.doorkeeper.let_in(request)
            place.belong_to(visitor.owner)
            check_is_story(request.path_params["id"])
            return await self._answer(request, visitor, request.path_params["id"], cancels=False)

    async def _answer(self, request: Request, visitor: Visitor, generation_id: str, *, cancels: bool) -> Response:
        headers = headers_of(generation_id)
        match await until_ended(self._house, request, visitor, generation_id):
            case Waited.LATE:
                return still_running(generation_id, self._house.settings.answer_seconds).as_response(headers)
            case Waited.GONE:
                if cancels:
                    await self._cancel(visitor, generation_id)
                return nobody_listens()
        message: Any = STORY.request("GetGeneration")(generation_id=generation_id)
        result = result_of(await ask(self._client, "GetGeneration", message, visitor))
        if result is None:  # somebody has begun a new run this very moment
            return still_running(generation_id, 0).as_response(headers)
        status = 200 if result.event == COMPLETE else status_of_failure(result.data["code"])
        return JSONResponse(result.data, status, {**headers, "Cache-Control": "no-store"})

    # --- as a stream ---------------------------------------------------------------------------------------------

    async def _begin_stream(self, request: Request, send: Send) -> None:
        with self._house.connection(DOOR, request.scope) as place:  # first: nothing is begun that nobody will be told
            visitor = await self._house.doorkeeper.let_in(request)
            place.belong_to(visitor.owner)
            cancels = flag(CANCEL, request.query_params.get(CANCEL))
            cursor = cursor_of(request)
            generation_id = await self._start(request, visitor, comes_back=cursor != Cursor())
            if await self._stream(request, send, visitor, generation_id) and cancels:
                await self._cancel(visitor, generation_id)

    async def _take_up_stream(self, request: Request, send: Send) -> None:
        if request.method == "HEAD":
            raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "GET"})  # its answer never ends
        generation_id = request.path_params["id"]
        with self._house.connection(DOOR, request.scope) as place:  # first: a ticket that is taken is good no more
            visitor = await self._house.doorkeeper.let_in_to_read(request, generation_id)
            place.belong_to(visitor.owner)
            check_is_story(generation_id)
            await self._stream(request, send, visitor, generation_id)

    async def _stream(self, request: Request, send: Send, visitor: Visitor, generation_id: str) -> bool:
        """Serve a stream; return whether the client has left before its end."""
        stream = DialectEvents(
            self._house, request.scope, request.receive, send, dialect=CONTENT_PIPELINE, trouble=trouble_of
        )
        await stream.run(visitor, generation_id, cursor_of(request), headers_of(generation_id))
        return stream.gone

    # --- both ----------------------------------------------------------------------------------------------------

    async def _start(self, request: Request, visitor: Visitor, *, comes_back: bool = False) -> str:
        """Begin a generation, or find the one that this request has begun before; return its id."""
        message = start_request(await read_object(request), key_of(request))
        if comes_back and not message.request_id:
            problem = "is needed to take a stream up again: without it, this would begin another text"
            raise InvalidRequest(f"request_id {problem}", (("request_id", problem),))
        response = await ask(self._client, "StartGeneration", message, visitor, "story")
        generation_id: str = response.generation.id
        return generation_id

    async def _cancel(self, visitor: Visitor, generation_id: str) -> None:
        """Cancel what nobody waits for any more; that it has ended meanwhile is as well."""
        try:
            message: Any = STORY.request("CancelGeneration")(generation_id=generation_id)
            await ask(self._client, "CancelGeneration", message, visitor)
        except FabulaError as error:
            log.info("not_cancelled", generation_id=generation_id, code=error.code)


class _Application:
    """An address whose answer is sent piece by piece, as an ASGI application."""

    def __init__(self, endpoint: Any) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._endpoint(Request(scope, receive), send)


def headers_of(generation_id: str) -> dict[str, str]:
    """Return the headers that say which generation an answer is about."""
    return {GENERATION: generation_id, "Location": f"{STREAM}/{generation_id}"}


def cursor_of(request: Request) -> Cursor:
    """Return how far a client has been told: `Last-Event-ID`, else `?after=`. Raises `InvalidRequest`."""
    if last := request.headers.get("last-event-id"):
        return read_cursor(last, "Last-Event-ID")
    after = request.query_params.get("after")
    return read_cursor(after) if after else Cursor()


def trouble_of(problem: Problem) -> Payload:
    """Return the event that says that a generation cannot be watched any longer."""
    return Payload(ERROR, {"message": problem.message, "stage": "stream", "code": problem.code})
