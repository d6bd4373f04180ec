"""The door of the library: what generations have made and is kept under their ids, to read, change, save and discard.

An address under the collection is the thing itself, as with pictures; the generation that made it has its own, under
`/v1/generations/`. Which generators have a library stands in their contracts: the rpcs are named after what they keep.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from google.protobuf.message import Message
from starlette.requests import Request
from starlette.responses import Response

from fabula.errors import InvalidRequest, NotFound, Superseded
from fabula.rpc.kinds import kind_of
from gateway.answers import problem_of
from gateway.bodies import read_json
from gateway.collection import Collection, collection_of
from gateway.house import House
from gateway.json_requests import fill
from gateway.operations import SWITCH, Operation, Parameter
from gateway.queries import flag, only
from gateway.single_calls import PAGE, answer, ask, page_request

_ETAG = re.compile(r'"([\x21\x23-\x7e]{1,64})"')
_TEXT = {"type": "string"}
_TAGGED = {"type": "string", "pattern": r'^"[\x21\x23-\x7e]{1,64}"$'}


def library_operations(house: House) -> Iterable[Operation]:
    """Yield the operations of this door, for routes and OpenAPI: for each generator that keeps a library."""
    for client in house.clients.values():
        collection = collection_of(client.kind)
        if collection.has(f"Save{collection.noun}"):
            yield from Library(house, collection).operations()


@dataclass(frozen=True, slots=True)
class Library:
    """Answers what is asked about the library of one generator.

    Attributes:
        house: The inside of the gateway.
        collection: Where its generations are started.
    """

    house: House
    collection: Collection

    def operations(self) -> Iterable[Operation]:
        """Yield its operations."""
        kind, name, noun = self.collection.kind, self.collection.kind.name, self.collection.noun
        path, gone = f"{self.collection.path}/{{id}}", HTTPStatus.NOT_FOUND
        kept: dict[str, Any] = {"answers": (kind.message(noun),), "headers": (_TAG,)}
        yield Operation(
            "GET", f"{self.collection.path}/library", f"list{noun}Library",
            f"List the {self.collection.name} of your library, newest first.", self._list,
            answers=(kind.response(self._list_rpc),), parameters=(*PAGE, _QUERY, _SAVED),
        )  # fmt: skip
        yield Operation("GET", path, f"get{noun}", f"Read a {name} of your library.", self._get, errors=(gone,), **kept)
        yield Operation(
            "PATCH", path, f"update{noun}", f"Change what the body has, unless the {name} has changed meanwhile.",
            self._update, body=kind.request(f"Update{noun}"), elsewhere=(self._id_in_json, "etag"),
            parameters=(_IF_MATCH,),
            errors=(gone, HTTPStatus.PRECONDITION_FAILED, HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    HTTPStatus.UNSUPPORTED_MEDIA_TYPE), **kept,
        )  # fmt: skip
        yield Operation(
            "POST", f"{path}:save", f"save{noun}", f"Keep a {name} for good.", self._save,
            errors=(gone, HTTPStatus.CONFLICT), **kept,
        )  # fmt: skip
        if self.collection.has("RegenerateAvatar"):
            yield Operation(
                "POST", f"{path}:regenerateAvatar", "regenerateAvatar", f"Have a new avatar painted of a {name}.",
                self._regenerate_avatar, body=kind.request("RegenerateAvatar"), elsewhere=(self._id_in_json,),
                errors=(gone, HTTPStatus.CONFLICT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                        HTTPStatus.UNSUPPORTED_MEDIA_TYPE), **kept,
            )  # fmt: skip
        yield Operation(
            "DELETE", path, f"discard{noun}", f"Remove a {name}, and the generation that made it.", self._discard,
            status=HTTPStatus.NO_CONTENT, errors=(gone, HTTPStatus.CONFLICT),
        )  # fmt: skip

    @property
    def _list_rpc(self) -> str:
        return f"List{self.collection.name.capitalize()}"

    @property
    def _id_field(self) -> str:
        return f"{self.collection.kind.name}_id"

    @property
    def _id_in_json(self) -> str:
        return f"{self.collection.kind.name}Id"

    async def _list(self, request: Request) -> Response:
        visitor = await self.house.doorkeeper.let_in(request)
        kind, query = self.collection.kind, request.query_params
        message = page_request(kind.request(self._list_rpc), request, ("query", "saved"))
        message.query = query.get("query", "")
        if "saved" in query:
            message.saved = flag("saved", query["saved"])
        return answer(await ask(self.house.clients[kind.name], self._list_rpc, message, visitor))

    async def _get(self, request: Request) -> Response:
        return self._kept(await self._call(f"Get{self.collection.noun}", request))

    async def _save(self, request: Request) -> Response:
        return self._kept(await self._call(f"Save{self.collection.noun}", request))

    async def _discard(self, request: Request) -> Response:
        await self._call(f"Discard{self.collection.noun}", request)
        return Response(status_code=HTTPStatus.NO_CONTENT)

    async def _update(self, request: Request) -> Response:
        """Change it. The condition is the caller's own, so that it fails as HTTP says that conditions do."""
        await self.house.doorkeeper.let_in(request)
        etag = _etag(request)
        content = await read_json(request)
        try:
            return self._kept(await self._call(f"Update{self.collection.noun}", request, content, etag=etag))
        except Superseded as error:
            # The same request again would fail again: what it was made for is no more.
            refused = replace(problem_of(error), http=HTTPStatus.PRECONDITION_FAILED, retryable=False)
            return refused.as_response()

    async def _regenerate_avatar(self, request: Request) -> Response:
        await self.house.doorkeeper.let_in(request)
        return self._kept(await self._call("RegenerateAvatar", request, await read_json(request)))

    async def _call(self, rpc: str, request: Request, content: dict[str, Any] | None = None, **fields: str) -> Any:
        visitor = await self.house.doorkeeper.let_in(request)
        only(request.query_params, ())
        kind, id_ = self.collection.kind, request.path_params["id"]
        if kind_of(id_) is not kind:
            raise NotFound(f"there is no such {kind.name}", id=id_, resource=kind.name)
        message: Any = kind.request(rpc)(**{self._id_field: id_}, **fields)
        elsewhere = {self._id_field, self._id_in_json, *fields}
        known = {name for field in message.DESCRIPTOR.fields for name in (field.name, field.json_name)} - elsewhere
        if unknown := tuple((name, "there is no such field") for name in content or () if name not in known):
            raise InvalidRequest(f"unknown field {unknown[0][0]!r}; there are: {', '.join(sorted(known))}", unknown)
        fill(message, content or {})
        return await ask(self.house.clients[kind.name], rpc, message, visitor)

    def _kept(self, response: Any) -> Response:
        """Answer with what is kept, and with its tag."""
        kept: Message = getattr(response, self.collection.kind.name)
        tag: Any = kept
        return answer(kept, headers={"ETag": f'"{tag.etag}"'})


def _etag(request: Request) -> str:
    """Return what the caller says it has read. Raises `InvalidRequest`."""
    found = _ETAG.fullmatch(request.headers.get("if-match", "").strip())
    if found is None:
        problem = "must be the ETag of what you have read, in quotes"
        raise InvalidRequest(f"If-Match {problem}", (("If-Match", problem),))
    return found[1]


_TAG = Parameter("ETag", "Changes with every change; the same as `etag`, in quotes.", _TEXT, "header")
_IF_MATCH = Parameter(
    "If-Match", "`ETag` of what you have read: 412 if it has changed since.", _TAGGED, "header", required=True
)
_QUERY = Parameter(
    "query", "Only those in whose names or looks all of these words occur.", {"type": "string", "maxLength": 200}
)
_SAVED = Parameter("saved", "1: only those that are saved; 0: only those that are not.", SWITCH)
