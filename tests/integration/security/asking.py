"""Asks every rpc and every address, as the contracts and the documents have them, and makes answers comparable."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import grpc
import httpx
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from grpc_status import rpc_status

from fabula.rpc.validation import validate
from tests.integration.gateway.grpc_web_client import GrpcWeb
from tests.integration.security.estate import NOWHERE, Estate
from tests.unit.security.contracts import Rpc

QUIET_SECONDS = 0.4
"""A stream that says nothing for so long says nothing more."""

FIELDS: dict[str, Any] = {
    "story": {"premise": "An owl."},
    "character": {"description": "an old owl"},
    "image": {"prompt": "an owl"},
    "url": "https://hooks.example/x",
    "ticket": "story.unknown",
    "etag": "x",
    "query": "",
}
"""What requests hold beside ids. A request that needs more breaks its own rules, and with that the test."""

IDS = {
    "generation_id": ("story", "character", "image"),
    "character_id": ("character",),
    "webhook_id": ("webhook",),
    "delivery_id": ("delivery",),
    "avatar_generation_id": (),
    "request_id": (),
}
"""The fields of requests that name something, each with what of. The last two name nothing by themselves: an avatar's
is a cursor of one's own character, and a request id is looked up under its owner."""

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_DELIVERY = re.compile(r"msg_[A-Za-z0-9]+|delivery-[\w-]+")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)?")
_TICKET = re.compile(r"(?:story|character|image)\.[\w-]{43}")
_TRACE = re.compile(r"\b[0-9a-f]{32}\b")
_HEADERS = frozenset({"date", "content-length", "x-request-id"})


def plain(text: str, *ids: str) -> str:
    """Return an answer without what is different each time: ids, times, traces, tickets."""
    for id_ in sorted((each for each in ids if each), key=len, reverse=True):
        text = text.replace(id_, "ID")
    for pattern, name in ((_UUID, "UUID"), (_TIME, "TIME"), (_TICKET, "TICKET"), (_TRACE, "TRACE")):
        text = pattern.sub(name, text)
    return text


def unknown(id_: str) -> str:
    """Return an id of the same form that nobody has."""
    if _UUID.search(id_):
        return _UUID.sub(NOWHERE, id_)
    return id_[:4] + "".join("A" if character != "A" else "B" for character in id_[4:])


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered, without what is different each time.

    Attributes:
        status: The status of HTTP, or of gRPC by its name.
        rest: All else.
    """

    status: int | str
    rest: str


def http_answer(response: httpx.Response, *ids: str) -> Answer:
    """Return an answer over HTTP: its headers and its body."""
    headers = {name: value for name, value in response.headers.multi_items() if name not in _HEADERS}
    return Answer(response.status_code, plain(f"{sorted(headers.items())}\n{response.text}", *ids))


# --- rpcs ---------------------------------------------------------------------------------------------------------


def request_of(rpc: Rpc, ids: Mapping[str, str]) -> Any:
    """Return a good request with these ids in its fields."""
    message = rpc.request()
    for field in message.DESCRIPTOR.fields:
        if field.name in ids:
            setattr(message, field.name, ids[field.name])
        elif field.name in FIELDS and not (field.message_type and not isinstance(FIELDS[field.name], dict)):
            json_format.ParseDict({field.name: FIELDS[field.name]}, message)
    validate(message)
    return message


def ids_of(rpc: Rpc) -> list[str]:
    """Return the fields of a request that name something."""
    return [field.name for field in rpc.method.input_type.fields if IDS.get(field.name)]


def text_fields(message: Any, seen: frozenset[str] = frozenset()) -> Iterator[str]:
    """Yield the names of all fields that hold text, those inside of others, too."""
    for field in message.fields:
        if field.type == FieldDescriptor.TYPE_STRING:
            yield field.name
        elif field.message_type is not None and field.message_type.full_name not in seen:
            yield from text_fields(field.message_type, seen | {message.full_name})


async def native(
    estate: Estate, rpc: Rpc, request: Any, token: str, *ids: str, seconds: float = QUIET_SECONDS
) -> Answer:
    """Call a service; of a stream, take what comes in so many seconds."""
    channel = estate.channels[rpc.kind if rpc.kind in estate.channels else "story"]
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    data = request.SerializeToString()
    try:
        if not rpc.streams:
            method: Any = channel.unary_unary(rpc.path, None, None)
            return Answer("OK", plain(repr((await method(data, metadata=metadata, timeout=20)).hex()), *ids))
        stream: Any = channel.unary_stream(rpc.path, None, None)(data, metadata=metadata, timeout=20)
        found: list[bytes] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for message in stream:
                    found.append(message)  # noqa: PERF401 - what has come counts where no more does
        stream.cancel()
    except grpc.aio.AioRpcError as error:
        status = rpc_status.from_call(error)  # type: ignore[arg-type]
        return Answer(error.code().name, plain(f"{error.details()}\n{status}", *ids))
    return Answer("OK", f"{len(found)} messages")


async def over_web(
    estate: Estate, rpc: Rpc, request: Any, token: str, *ids: str, seconds: float = QUIET_SECONDS
) -> Answer:
    """Call the same over gRPC-Web."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    try:
        async with asyncio.timeout(seconds if rpc.streams else 20):
            answer = await GrpcWeb(estate.gateway.http).call(rpc.path, request, **headers)
    except TimeoutError:
        return Answer("OK", "a stream")
    if "grpc-status" not in answer.trailers:
        return http_answer(answer.http, *ids)
    name = next(code.name for code in grpc.StatusCode if code.value[0] == answer.code)
    status = answer.status if answer.code else ""
    return Answer(name, plain(f"{answer.message}\n{status}", *ids))


# --- addresses ----------------------------------------------------------------------------------------------------

BODIES: dict[str, Any] = {
    "startStory": {"premise": "An owl."},
    "startCharacter": {"description": "an old owl"},
    "startImage": {"prompt": "an owl"},
    "retryGeneration": {},
    "updateCharacter": {"history": "It was."},
    "regenerateAvatar": {},
    "createTicket": {"generationId": "{thing}"},
    "createWebhook": {"url": "https://hooks.example/x"},
    "startBatch": {"items": [{"kind": "story", "request": {"premise": "An owl."}}]},
    "uploadStory": {"text": "An owl.", "title": "Owl"},
    "generateCharacter": {"description": "an old owl"},
    "workshopGenerate": {"prompt": "An owl."},
    "runPipeline": {"prompt": "An owl."},
    "streamPipeline": {"prompt": "An owl."},
    "generateImageTask": {"prompt": "an owl"},
}
"""A body for each operation that takes one, by its name."""


@dataclass(frozen=True, slots=True)
class Address:
    """One operation of the document.

    Attributes:
        name: Its operationId.
        method: Its verb.
        path: Its path, with `{id}` for an id.
        content: What the document has of it.
    """

    name: str
    method: str
    path: str
    content: Mapping[str, Any]

    @property
    def is_open(self) -> bool:
        """Whether nobody is asked who they are."""
        return self.content.get("security") == []

    @property
    def takes_body(self) -> bool:
        """Whether there may be a body."""
        return "requestBody" in self.content

    @property
    def query(self) -> list[str]:
        """Names of its query parameters."""
        return [each["name"] for each in self.parameters if each["in"] == "query"]

    @property
    def parameters(self) -> list[dict[str, Any]]:
        """All of its parameters, as the document has them."""
        return list(self.content.get("parameters", ()))

    @property
    def streams(self) -> bool:
        """Whether its answer is a stream of events."""
        return "text/event-stream" in self.content["responses"].get("200", {}).get("content", ())

    @property
    def places(self) -> list[str]:
        """Where things are named: parts of the path, `id` in the query, the body."""
        found = re.findall(r"{(\w+)}", self.path)
        if "id" in self.query:
            found.append("?id")
        if "{thing}" in json.dumps(BODIES.get(self.name)):
            found.append("body")
        return found

    def __str__(self) -> str:
        return self.name


async def addresses(estate: Estate) -> list[Address]:
    """Return every operation of the document."""
    document = (await estate.gateway.http.get("/v1/openapi.json")).json()
    return [
        Address(content["operationId"], verb.upper(), path, content)
        for path, verbs in document["paths"].items()
        for verb, content in verbs.items()
    ]


async def ask(estate: Estate, address: Address, things: Mapping[str, str], **options: Any) -> httpx.Response:
    """Ask at an address; of a stream take what comes until it is quiet.

    Args:
        estate: Where.
        address: At which.
        things: What is named, by place.
        options: Headers and the like; `query`: more of the query; `until`: of a stream, how often a word comes at most.
    """
    until, times = options.pop("until", (b"", 0))
    path = address.path
    for place, id_ in things.items():
        path = path.replace(f"{{{place}}}", id_)
    query = {**options.pop("query", {}), **({"id": things["?id"]} if "?id" in things else {})}
    if address.takes_body and not {"json", "content", "files"} & options.keys():
        options["json"] = json.loads(json.dumps(BODIES[address.name]).replace("{thing}", things.get("body", "x")))
    http = options.pop("http", estate.gateway.http)
    async with http.stream(address.method, path, params=query or None, **options) as response:
        body = b""
        with suppress(TimeoutError):
            async with asyncio.timeout(QUIET_SECONDS if address.streams and not until else 20):
                async for piece in response.aiter_raw():
                    body += piece
                    if until and body.count(until) >= times:
                        break
        return httpx.Response(response.status_code, headers=response.headers, content=body, request=response.request)
