"""The document that describes the REST door: every operation it names is answered as it says."""

from __future__ import annotations

import json
from typing import Any

import httpx
import jsonschema

from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conftest import OpenGateway
from tests.scripted_service import ScriptedImages, ScriptedServer, ScriptedStories

UNKNOWN = "story-00000000-0000-4000-8000-999999999999"
NO_PICTURE = "image-00000000-0000-4000-8000-999999999999"
BODIES: dict[str, Any] = {
    "/v1/stories": {"premise": "An owl."},
    "/v1/images": {"prompt": "An owl."},
    "/v1/batches": {"items": [{"kind": "story", "request": {"premise": "An owl."}}, {"kind": "song"}]},
    "/v1/webhooks": {"url": "https://hooks.example/"},
}


async def test_the_openapi_document_is_true(gateway: Gateway, stories: ScriptedStories, images: ScriptedImages) -> None:
    """Whatever it names answers, well or by refusing, in one of the ways it says."""
    document = (await gateway.http.get("/v1/openapi.json")).json()
    story, picture = stories.new(), images.new()
    images.paint(picture, b"the bytes of a picture")
    seen = set()
    for path, operations in document["paths"].items():
        for method, operation in sorted(operations.items(), key=lambda item: item[0] == "delete"):
            if path.endswith("/events") or ["native"] != operation["tags"]:
                continue  # never ends by itself; the tests of its door read it, and those of families theirs
            body = BODIES.get(path) if method == "post" else None
            # Of generations, those of either kind; a kind's own address, only of that kind.
            for id_ in [picture.id] if path.startswith("/v1/images") else [story.id, picture.id]:
                response = await gateway.http.request(method, path.replace("{id}", id_), json=body)
                assert response.status_code < 500
                _check(document, operation, response)
            for unknown in (UNKNOWN, NO_PICTURE):
                refused = await gateway.http.request(method, path.replace("{id}", unknown), json={"colour": "red"})
                if refused.status_code >= 400:
                    _check(document, operation, refused)
            seen.add(operation["operationId"])

    assert {
        "startStory", "listStories", "listStoryTemplates", "startImage", "listImages", "getImageModel",
        "downloadImage", "describeImage", "getGeneration", "deleteGeneration",
        "cancelGeneration", "pauseGeneration", "resumeGeneration", "retryGeneration",
        "createTicket", "beginSession", "endSession",
        "startBatch", "readGenerationLog", "readStoryLog", "readImageLog",
        "createWebhook", "listWebhooks", "getWebhook", "deleteWebhook", "enableWebhook", "disableWebhook",
        "rotateWebhookSecret", "testWebhook", "listDeliveries", "getDelivery", "retryDelivery",
    } <= seen  # fmt: skip
    streams = {path for path in document["paths"] if path.endswith("/events")}
    assert {
        "/v1/generations/{id}/events",
        "/v1/generations/events",
        "/v1/events",
        "/v1/stories/{id}/log/events",
    } <= streams
    assert len(json.dumps(document)) < 192 * 1024


async def test_names_that_two_contracts_share_are_told_apart(gateway: Gateway) -> None:
    """A story's source is a text, a picture's a picture; a generation is one of both kinds."""
    document = (await gateway.http.get("/v1/openapi.json")).json()
    schemas = document["components"]["schemas"]
    read = document["paths"]["/v1/generations/{id}"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]

    assert {"Source", "ImageSource"} <= schemas.keys()
    kinds = [schemas[each["$ref"].rpartition("/")[2]]["properties"] for each in read["oneOf"]]
    assert [["generation", "request", "story"], ["generation", "request", "image"]] == [list(kind) for kind in kinds]


async def test_only_generators_of_the_installation_have_doors(
    open_gateway: OpenGateway, server: ScriptedServer
) -> None:
    """Without pictures there is nothing at their address, and nobody asks their service how it is."""
    async with open_gateway(server.address, generators=("story",)) as gateway:
        document = (await gateway.http.get("/v1/openapi.json")).json()
        answer = await gateway.http.get("/v1/images/model")
        ready = (await gateway.http.get("/readyz")).json()

    assert [] == [path for path in document["paths"] if "images" in path]
    assert 404 == answer.status_code
    assert {"status": "ok", "services": {"story": "SERVING"}} == ready


def _check(document: dict[str, Any], operation: dict[str, Any], response: httpx.Response) -> None:
    answer = operation["responses"][str(response.status_code)]
    if "$ref" in answer:
        answer = document["components"]["responses"][answer["$ref"].rpartition("/")[2]]
    for header in answer.get("headers", ()):
        assert header in response.headers
    if "content" not in answer:
        assert b"" == response.content
        return
    media_type = response.headers["content-type"].partition(";")[0]
    described = answer["content"][media_type]["schema"]
    if media_type == "application/json" and response.request.method != "HEAD":
        jsonschema.validate(response.json(), {**described, "components": document["components"]})
