"""The REST door: what services do in single calls, under /v1/, as proto3 JSON.

Addresses are the same for every generator: a collection to start and list in, and generations by their id. What else a
generator can do stands in its contract, and has an address where this door knows the rpc.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from fabula.api.generation.v1 import generation_pb2
from fabula.errors import InvalidRequest
from fabula.rpc.kinds import Kind
from gateway.bodies import Upload, read_json, read_json_or_form
from gateway.collection import Collection, collection_of
from gateway.house import House
from gateway.json_requests import fill
from gateway.operations import Operation, Parameter
from gateway.queries import only
from gateway.single_calls import PAGE, answer, ask, page_request

_STATES = {name.removeprefix("STATE_").lower(): value for name, value in generation_pb2.State.items() if value}
_STATE = Parameter(
    "state",
    "Only generations in this state; may be given several times.",
    {"type": "array", "items": {"type": "string", "enum": list(_STATES)}},
)
_GENERATION = generation_pb2.Generation


class Rest:
    """Answers the REST operations.

    Args:
        house: The inside of the gateway.
    """

    def __init__(self, house: House) -> None:
        self._house = house

    def operations(self) -> list[Operation]:
        """Return all operations."""
        kinds = [client.kind for client in self._house.clients.values()]
        collections = [operation for kind in kinds for operation in self._of_collection(collection_of(kind))]
        return [*collections, *self._of_generations(kinds)]

    def _of_collection(self, collection: Collection) -> Iterable[Operation]:
        kind, path, noun = collection.kind, collection.path, collection.noun
        yield Operation(
            "POST", path, f"start{noun}", f"Start a generation of the kind {kind.name}.", self._starting(collection),
            body=collection.body,
            takes_file=bool(collection.file_field), answers=(_GENERATION,), status=HTTPStatus.ACCEPTED,
            errors=(HTTPStatus.CONFLICT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                    HTTPStatus.TOO_MANY_REQUESTS),
        )  # fmt: skip
        yield Operation(
            "GET", path, f"list{collection.name.capitalize()}", f"List your {collection.name}, newest first.",
            self._listing(kind), answers=(kind.response("ListGenerations"),), parameters=(*PAGE, _STATE),
        )  # fmt: skip
        if collection.has("ListTemplates"):
            yield Operation(
                "GET", f"{path}/templates", f"list{noun}Templates", "List ready-made requests.",
                self._listing_templates(kind), answers=(kind.response("ListTemplates"),), parameters=PAGE,
            )  # fmt: skip
        if collection.has("GetModel"):
            yield Operation(
                "GET", f"{path}/model", f"get{noun}Model",
                "Tell what the loaded model can do; 503 before there is one.",
                self._telling_model(kind), answers=(kind.response("GetModel"),),
            )  # fmt: skip

    def _of_generations(self, kinds: Sequence[Kind]) -> Iterable[Operation]:
        path, gone = "/v1/generations/{id}", (HTTPStatus.NOT_FOUND,)
        refused = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)
        yield Operation(
            "GET", path, "getGeneration", "Read a generation with everything made so far; its kind decides the form.",
            self._get, answers=tuple(kind.response("GetGeneration") for kind in kinds), errors=gone,
        )  # fmt: skip
        yield Operation(
            "DELETE", path, "deleteGeneration", "Delete a generation and all it made.", self._delete,
            status=HTTPStatus.NO_CONTENT, errors=refused,
        )  # fmt: skip
        for verb, summary in _VERBS.items():
            yield Operation(
                "POST", f"{path}:{verb}", f"{verb}Generation", summary, self._command(verb),
                answers=(_GENERATION,), errors=refused,
            )  # fmt: skip
        yield Operation(
            "POST", f"{path}:retry", "retryGeneration", "Begin a new run of a failed generation.", self._retry,
            body=kinds[0].request("RetryGeneration"), answers=(_GENERATION,), errors=refused,
        )  # fmt: skip

    def _starting(self, collection: Collection) -> Any:
        async def start(request: Request) -> Response:
            return await self._start(collection, request)

        return start

    def _listing(self, kind: Kind) -> Any:
        async def listing(request: Request) -> Response:
            return await self._list(kind, request)

        return listing

    def _listing_templates(self, kind: Kind) -> Any:
        async def templates(request: Request) -> Response:
            visitor = await self._house.doorkeeper.let_in(request)
            message = page_request(kind.request("ListTemplates"), request)
            return answer(await ask(self._house.clients[kind.name], "ListTemplates", message, visitor))

        return templates

    def _telling_model(self, kind: Kind) -> Any:
        async def model(request: Request) -> Response:
            visitor = await self._house.doorkeeper.let_in(request)
            only(request.query_params, ())
            return answer(await ask(self._house.clients[kind.name], "GetModel", kind.request("GetModel")(), visitor))

        return model

    async def _start(self, collection: Collection, request: Request) -> Response:
        visitor = await self._house.doorkeeper.let_in(request)
        only(request.query_params, ())
        content, upload = await read_json_or_form(request, collection.most_body_bytes)
        kind = collection.kind
        message = start_request(collection, content, upload)
        response = await ask(self._house.clients[kind.name], "StartGeneration", message, visitor, collection.field)
        headers = {"Location": f"/v1/generations/{response.generation.id}"}
        return answer(response.generation, HTTPStatus.ACCEPTED, headers)

    async def _list(self, kind: Kind, request: Request) -> Response:
        visitor = await self._house.doorkeeper.let_in(request)
        message = page_request(kind.request("ListGenerations"), request, ("state",))
        for state in request.query_params.getlist("state"):
            value = _STATES.get(state.removeprefix("STATE_").lower())
            if value is None:
                problem = f"must be one of: {', '.join(_STATES)}"
                raise InvalidRequest(f"state {problem}", (("state", problem),))
            message.states.append(value)
        return answer(await ask(self._house.clients[kind.name], "ListGenerations", message, visitor))

    async def _get(self, request: Request) -> Response:
        return answer(await self._call("GetGeneration", request))

    async def _delete(self, request: Request) -> Response:
        await self._call("DeleteGeneration", request)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    def _command(self, verb: str) -> Any:
        async def command(request: Request) -> Response:
            response = await self._call(f"{verb.capitalize()}Generation", request)
            return answer(response.generation)

        return command

    async def _retry(self, request: Request) -> Response:
        await self._house.doorkeeper.let_in(request)  # before anything of a stranger's is read
        content = await read_json(request)
        unknown = tuple((name, "there is no such field") for name in content if name not in {"fromStage", "from_stage"})
        if unknown:
            raise InvalidRequest(f"unknown field {unknown[0][0]!r}; there is: fromStage", unknown)
        return answer((await self._call("RetryGeneration", request, content)).generation)

    async def _call(self, rpc: str, request: Request, content: dict[str, Any] | None = None) -> Any:
        visitor = await self._house.doorkeeper.let_in(request)
        only(request.query_params, ())
        generation_id = request.path_params["id"]
        kind = self._house.client_of(generation_id).kind
        message = kind.request(rpc)(generation_id=generation_id)
        if content:
            fill(message, content)
        return await ask(self._house.clients[kind.name], rpc, message, visitor)


_VERBS = {
    "cancel": "Cancel a generation; what was made so far stays readable.",
    "pause": "Pause a generation at its next checkpoint.",
    "resume": "Go on with a paused generation.",
}


def start_request(collection: Collection, content: dict[str, Any], upload: Upload | None) -> Any:
    """Return the request that starts a generation. Raises `InvalidRequest`.

    Args:
        collection: Of what.
        content: What is asked for, and perhaps its `requestId`; it is taken out.
        upload: The file that came with it, if any.
    """
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
