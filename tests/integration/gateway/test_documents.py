"""The documents describe the application that runs: every address, every event, and nothing that is not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.applications import Starlette
from starlette.routing import Route

from fabula.settings import GatewaySettings, load
from gateway import app
from gateway.app import application, open_house
from gateway.asyncapi import SOCKETS
from gateway.doors import page
from gateway.frontends.plain import open_plain
from gateway.frontends.socket_io import open_socket_io
from gateway.operations import NATIVE
from gateway.payloads import SCHEMAS
from tests.integration.gateway.tokens import SECRET, token

CLIENTS = Path(__file__).parents[2] / "clients"
ASYNCAPI_SCHEMA = CLIENTS / "node_modules/@asyncapi/specs/schemas/3.0.0.json"

UNDESCRIBED: frozenset[str] = frozenset(route.path for route in page.routes())
"""Addresses that are for people alone."""


@pytest.fixture
async def routes(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """The routes of the application with all generators: their methods, by their addresses."""
    found: dict[str, set[str]] = {}

    def note(*, routes: list[Route], **more: Any) -> Starlette:
        found.update({route.path: set(route.methods or ()) for route in routes})
        return Starlette(routes=routes, **more)

    monkeypatch.setattr(app, "Starlette", note)
    async with open_house(load(GatewaySettings, generators=("story", "character", "image"))) as house:
        application(house)
    return found


@pytest.fixture
async def documents() -> dict[str, Any]:
    """Both documents of a gateway with all generators."""
    async with (
        open_house(load(GatewaySettings, generators=("story", "character", "image"))) as house,
        httpx.AsyncClient(transport=httpx.ASGITransport(app=application(house)), base_url="http://127.0.0.1") as http,
    ):
        return {name: (await http.get(f"/v1/{name}.json")).json() for name in ("openapi", "asyncapi")}


async def test_every_route_is_described_and_nothing_else(
    routes: dict[str, set[str]], documents: dict[str, Any]
) -> None:
    """Addresses and methods are the same; HEAD comes with every GET, and the page's own files are for browsers."""
    described = {path: {verb.upper() for verb in verbs} for path, verbs in documents["openapi"]["paths"].items()}
    there = {
        path: methods - ({"HEAD"} - described.get(path, set()))
        for path, methods in routes.items()
        if path not in UNDESCRIBED
    }

    assert described == there
    assert set(routes) >= UNDESCRIBED


async def test_the_openapi_document_is_one(documents: dict[str, Any]) -> None:
    """It keeps the rules of OpenAPI 3.1, names each operation once, and has a tag for each family."""
    document = documents["openapi"]
    operations = [operation for verbs in document["paths"].values() for operation in verbs.values()]
    names = [operation["operationId"] for operation in operations]

    assert [] == [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()]
    assert len(names) == len(set(names))
    tags = {tag["name"] for tag in document["tags"]}
    assert {operation["tags"][0] for operation in operations} == tags
    assert {NATIVE, "operators", "documents"} <= tags
    assert {"A", "B", "C", "D", "E"} == {tag[0] for tag in tags if tag[1] == ":"}


async def test_the_asyncapi_document_is_one(documents: dict[str, Any]) -> None:
    """It keeps the rules of AsyncAPI 3.0, as its makers have written them down, and every reference leads somewhere."""
    assert ASYNCAPI_SCHEMA.is_file(), "the official schema is not installed: run `make clients`"
    rules = jsonschema.Draft7Validator(json.loads(ASYNCAPI_SCHEMA.read_text()))
    document = documents["asyncapi"]

    assert [] == [error.message for error in rules.iter_errors(document)]
    for reference in _references(document):
        assert _at(document, reference) is not None
    assert not rules.is_valid({**document, "operations": {"one": {"action": "shout"}}})


async def test_every_socket_and_stream_is_described(documents: dict[str, Any]) -> None:
    """Each door of a family has its channel, each event that a namespace takes is heard, each event stream is there."""
    channels = documents["asyncapi"]["channels"]
    addresses = {channel["address"] for channel in channels.values()}
    async with open_house(load(GatewaySettings, generators=("story", "character", "image"))) as house:
        plain, socket_io = open_plain(house), open_socket_io(house)

    assert SOCKETS in addresses
    for door in plain.doors:
        assert 1 == sum(address.startswith(door.prefix) for address in addresses)
    for server in socket_io.doors:
        for namespace in server.server.known.values():
            heard = {
                channel["x-socket.io"]["event"]
                for operation in documents["asyncapi"]["operations"].values()
                if operation["action"] == "receive"
                and "x-socket.io" in (channel := _at(documents["asyncapi"], operation["channel"]["$ref"]))
                and channel["x-socket.io"]["namespace"] == namespace.name
            }
            assert set(namespace.events) == heard
    streams = [
        path
        for path, verbs in documents["openapi"]["paths"].items()
        for operation in verbs.values()
        if "text/event-stream" in operation["responses"].get("200", {}).get("content", ())
    ]
    assert set(streams) <= addresses


@pytest.mark.parametrize("shown", ["", "Bearer of.no.use", f"Bearer {token('ida', secret='x' * 40)}"])
async def test_every_address_that_is_not_open_asks_who_one_is(shown: str) -> None:
    """With authentication the document says where a token is needed; there nobody gets anything without a good one."""
    settings = load(GatewaySettings, generators=("story", "character", "image"), jwt_secret=SECRET)
    async with (
        open_house(settings) as house,
        httpx.AsyncClient(transport=httpx.ASGITransport(app=application(house)), base_url="http://127.0.0.1") as http,
    ):
        document = (await http.get("/v1/openapi.json")).json()
        let_in = set()
        for path, verbs in document["paths"].items():
            for verb, operation in verbs.items():
                if [] == operation.get("security"):
                    continue
                address = path.replace("{id}", "story-00000000-0000-4000-8000-000000000001")
                body = {"prompt": "An owl."} if "requestBody" in operation else None
                answer = await http.request(verb, address, headers={"Authorization": shown} if shown else {}, json=body)
                if 401 != answer.status_code:
                    let_in.add(operation["operationId"])

    assert [{"token": []}] == document["security"]
    assert {"endSession"} == let_in, "who forgets a cookie needs none"


async def test_names_of_schemas_are_told_apart(documents: dict[str, Any]) -> None:
    """What the families' payloads are called is the name of no message of the contract, and each is in a document."""
    named: set[str] = set()
    for document in documents.values():
        schemas = document["components"]["schemas"]
        named |= set(schemas)
        for name in set(SCHEMAS) & set(schemas):
            assert SCHEMAS[name] == schemas[name]
    assert set(SCHEMAS) <= named


def _references(content: object) -> list[str]:
    match content:
        case dict():
            own = [content["$ref"]] if isinstance(content.get("$ref"), str) else []
            return own + [found for value in content.values() for found in _references(value)]
        case list():
            return [found for value in content for found in _references(value)]
    return []


def _at(document: Any, reference: str) -> Any:
    for part in reference.removeprefix("#/").split("/"):
        document = document[part.replace("~1", "/").replace("~0", "~")]
    return document
