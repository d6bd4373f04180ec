"""The REST door: what services do in single calls, under /v1/, as proto3 JSON.

Addresses are the same for every generator: a collection to start and list in, and generations by their id.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fabula.api.generation.v1 import generation_pb2
from fabula.errors import InvalidRequest
from fabula.rpc.kinds import STORY, Kind
from gateway.bodies import Upload, read_json, read_json_or_form
from gateway.house import House
from gateway.identity import Visitor, let_in
from gateway.json_requests import fill, in_json_names
from gateway.operations import Operation, Parameter
from gateway.queries import only, whole_number

LARGEST_PAGE = 2**31 - 1
_STATES = {name.removeprefix("STATE_").lower(): value for name, value in generation_pb2.State.items() if value}
_PAGE = (
    Parameter("pageSize", "At most this many, up to 100; 0 or absent means 20.", {"type": "integer", "minimum": 0}),
    Parameter("pageToken", "`nextPageToken` of the page before.", {"type": "string", "maxLength": 256}),
)
_STATE = Parameter(
    "state",
    "Only generations in this state; may be given several times.",
    {"type": "array", "items": {"type": "string", "enum": list(_STATES)}},
)
_GENERATION = generation_pb2.Generation


@dataclass(frozen=True, slots=True)
class Collection:
    """Where generations of a kind are started and listed.

    Attributes:
        name: As it stands in addresses, e.g. "stories".
        noun: One of them, as it stands in the names of operations, e.g. "Story".
        kind: Which generator.
        field: Field of `StartGenerationRequest` that the body of a request stands for.
        file_field: Field of that message that an uploaded file goes to; empty if it takes none.
    """

    name: str
    noun: str
    kind: Kind
    field: str
    file_field: str = ""

    @property
    def body(self) -> type[Message]:
        """The message that the body of a request stands for."""
        start: Any = self.kind.request("StartGeneration")()
        return type(getattr(start, self.field))


COLLECTIONS = (Collection("stories", "Story", STORY, "story", "source"),)


class Rest:
    """Answers the REST operations.

    Args:
        house: The inside of the gateway.
    """

    def __init__(self, house: House) -> None:
        self._house = house

    def operations(self) -> list[Operation]:
        """Return all operations."""
        collections = [operation for collection in COLLECTIONS for operation in self._of_collection(collection)]
        return [*collections, *self._of_generations()]

    def _of_collection(self, collection: Collection) -> Iterable[Operation]:
        kind, path = collection.kind, f"/v1/{collection.name}"

        async def start(request: Request) -> Response:
            return await self._start(collection, request)

        async def listing(request: Request) -> Response:
            return await self._list(kind, request)

        async def templates(request: Request) -> Response:
            return await self._templates(kind, request)

        yield Operation(
            "POST", path, f"start{collection.noun}", f"Start a {kind.name}.", start,
            body=collection.body,
            takes_file=bool(collection.file_field), answer=_GENERATION, status=HTTPStatus.ACCEPTED,
            errors=(HTTPStatus.CONFLICT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                    HTTPStatus.TOO_MANY_REQUESTS),
        )  # fmt: skip
        yield Operation(
            "GET", path, f"list{collection.name.capitalize()}", f"List your {collection.name}, newest first.", listing,
            answer=kind.response("ListGenerations"), parameters=(*_PAGE, _STATE),
        )  # fmt: skip
        yield Operation(
            "GET", f"{path}/templates", f"list{collection.noun}Templates", "List ready-made requests.", templates,
            answer=kind.response("ListTemplates"), parameters=_PAGE,
        )  # fmt: skip

    def _of_generations(self) -> Iterable[Operation]:
        path, gone = "/v1/generations/{id}", (HTTPStatus.NOT_FOUND,)
        refused = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
        yield Operation(
            "GET", path, "getGeneration", "Read a generation with everything made so far.", self._get,
            answer=STORY.response("GetGeneration"), errors=gone,
        )  # fmt: skip
        yield Operation(
            "DELETE", path, "deleteGeneration", "Delete a generation and all it made.", self._delete,
            status=HTTPStatus.NO_CONTENT, errors=refused,
        )  # fmt: skip
        for verb, summary in _VERBS.items():
            yield Operation(
                "POST", f"{path}:{verb}", f"{verb}Generation", summary, self._command(verb),
                answer=_GENERATION, errors=refused,
            )  # fmt: skip
        yield Operation(
            "POST", f"{path}:retry", "retryGeneration", "Begin a new run of a failed generation.", self._retry,
            body=STORY.request("RetryGeneration"), answer=_GENERATION, errors=refused,
        )  # fmt: skip

    async def _start(self, collection: Collection, request: Request) -> Response:
        visitor = let_in(self._house.authenticator, request.headers)
        only(request.query_params, ())
        content, upload = await read_json_or_form(request)
        kind = collection.kind
        message = _start_request(collection, content, upload)
        response = await self._ask(kind, "StartGeneration", message, visitor, collection.field)
        headers = {"Location": f"/v1/generations/{response.generation.id}"}
        return _answer(response.generation, HTTPStatus.ACCEPTED, headers)

    async def _list(self, kind: Kind, request: Request) -> Response:
        visitor = let_in(self._house.authenticator, request.headers)
        message = _page_request(kind.request("ListGenerations"), request, ("state",))
        for state in request.query_params.getlist("state"):
            value = _STATES.get(state.removeprefix("STATE_").lower())
            if value is None:
                problem = f"must be one of: {', '.join(_STATES)}"
                raise InvalidRequest(f"state {problem}", (("state", problem),))
            message.states.append(value)
        return _answer(await self._ask(kind, "ListGenerations", message, visitor))

    async def _templates(self, kind: Kind, request: Request) -> Response:
        visitor = let_in(self._house.authenticator, request.headers)
        message = _page_request(kind.request("ListTemplates"), request)
        return _answer(await self._ask(kind, "ListTemplates", message, visitor))

    async def _get(self, request: Request) -> Response:
        return _answer(await self._call("GetGeneration", request))

    async def _delete(self, request: Request) -> Response:
        await self._call("DeleteGeneration", request)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    def _command(self, verb: str) -> Any:
        async def command(request: Request) -> Response:
            response = await self._call(f"{verb.capitalize()}Generation", request)
            return _answer(response.generation)

        return command

    async def _retry(self, request: Request) -> Response:
        content = await read_json(request)
        unknown = tuple((name, "there is no such field") for name in content if name not in {"fromStage", "from_stage"})
        if unknown:
            raise InvalidRequest(f"unknown field {unknown[0][0]!r}; there is: fromStage", unknown)
        return _answer((await self._call("RetryGeneration", request, content)).generation)

    async def _call(self, rpc: str, request: Request, content: dict[str, Any] | None = None) -> Any:
        visitor = let_in(self._house.authenticator, request.headers)
        only(request.query_params, ())
        generation_id = request.path_params["id"]
        kind = self._house.client_of(generation_id).kind
        message = kind.request(rpc)(generation_id=generation_id)
        if content:
            fill(message, content)
        return await self._ask(kind, rpc, message, visitor)

    async def _ask(self, kind: Kind, rpc: str, message: Any, visitor: Visitor, inside: str = "") -> Any:
        """Call a service; what it refuses is told with the names that the fields have in JSON."""
        try:
            return await self._house.clients[kind.name].call(rpc, message, visitor.caller)
        except InvalidRequest as error:
            raise in_json_names(error, inside) from None


_VERBS = {
    "cancel": "Cancel a generation; what was made so far stays readable.",
    "pause": "Pause a generation at its next checkpoint.",
    "resume": "Go on with a paused generation.",
}


def _start_request(collection: Collection, content: dict[str, Any], upload: Upload | None) -> Any:
    message: Any = collection.kind.request("StartGeneration")()
    fill(message, {"requestId": content.pop("requestId", content.pop("request_id", ""))})
    asked = getattr(message, collection.field)
    asked.SetInParent()
    fill(asked, content)
    if upload is not None:
        if not collection.file_field or asked.HasField(collection.file_field):
            problem = f"a file and {collection.file_field or 'this request'} exclude each other"
            raise InvalidRequest(problem, (("file", problem),))
        source = getattr(asked, collection.file_field)
        source.name, source.data = upload.name[:255], upload.data
    return message


def _page_request(cls: type[Message], request: Request, more: tuple[str, ...] = ()) -> Any:
    query = request.query_params
    only(query, ("pageSize", "pageToken", *more))
    fields = {"page_size": whole_number("pageSize", query.get("pageSize"), LARGEST_PAGE) or 0}
    return cls(**fields, page_token=query.get("pageToken", ""))


def _answer(message: Message, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None) -> Response:
    """Return a message as proto3 JSON with all its fields, those with default values too."""
    content = json_format.MessageToDict(message, always_print_fields_with_no_presence=True)
    return JSONResponse(content, status, {"Cache-Control": "no-store", **(headers or {})})
