"""The REST door: operations, errors, the document that describes them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from grpc_health.v1 import health_pb2

from fabula.api.story.v1 import story_pb2
from fabula.rpc.kinds import IMAGE
from gateway.bodies import MOST_BODY_BYTES
from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conftest import OpenGateway
from tests.integration.gateway.tokens import SECRET, token
from tests.scripted_service import ScriptedServer, ScriptedStories

UNKNOWN = "story-00000000-0000-4000-8000-999999999999"
ERROR_FIELDS = {"code", "message", "retryable", "details", "violations"}


async def test_a_story_is_started_by_its_json(gateway: Gateway, stories: ScriptedStories) -> None:
    """202, where it is, and the generation."""
    response = await gateway.http.post(
        "/v1/stories", json={"premise": "An owl.", "words": 300, "requestId": "r-1", "characters": [{"name": "Ida"}]}
    )

    (log,) = stories.logs.values()
    characters = [story_pb2.Character(name="Ida")]
    assert 202 == response.status_code
    assert f"/v1/generations/{log.id}" == response.headers["location"]
    assert (log.id, "STATE_RUNNING", 1) == tuple(response.json()[name] for name in ("id", "state", "lastSequence"))
    assert story_pb2.StoryRequest(premise="An owl.", words=300, characters=characters) == log.responses[0].request


async def test_a_story_is_started_from_an_uploaded_file(gateway: Gateway, stories: ScriptedStories) -> None:
    """The bytes go to the service as they came; it finds out how they are encoded."""
    data = "Es war einmal …".encode("utf-16")
    response = await gateway.http.post(
        "/v1/stories", files={"file": ("märchen.txt", data)}, data={"request": json.dumps({"title": "M"})}
    )

    (log,) = stories.logs.values()
    source = story_pb2.Source(name="märchen.txt", data=data)
    assert 202 == response.status_code
    assert story_pb2.StoryRequest(title="M", source=source) == log.responses[0].request


async def test_a_generation_is_read_listed_steered_and_deleted(gateway: Gateway, stories: ScriptedStories) -> None:
    """Each verb reaches its rpc, and answers with the generation as it then stands."""
    log = stories.new()
    path = f"/v1/generations/{log.id}"
    log.write("Once.")

    read = (await gateway.http.get(path)).json()
    assert (log.id, "Once.") == (read["generation"]["id"], read["story"]["text"])
    assert [log.id] == [each["id"] for each in (await gateway.http.get("/v1/stories")).json()["generations"]]
    states = [(await gateway.http.post(f"{path}:{verb}")).json()["state"] for verb in ("pause", "resume", "cancel")]
    assert ["STATE_PAUSED", "STATE_RUNNING", "STATE_CANCELLED"] == states
    retried = await gateway.http.post(f"{path}:retry", json={"fromStage": "outline"})
    assert 200 == retried.status_code
    assert "outline" == log.responses[-1].event.retried.from_stage
    assert 204 == (await gateway.http.delete(path)).status_code
    assert 404 == (await gateway.http.get(path)).status_code


async def test_a_list_is_paged_and_filtered(gateway: Gateway, stories: ScriptedStories) -> None:
    """States read as people write them, or by their full names."""
    for number in range(1, 4):
        stories.new(number)
    stories.new(4).append(succeeded={})

    async def ids(query: str) -> list[str]:
        answer = (await gateway.http.get(f"/v1/stories{query}")).json()
        return [each["id"][-1] for each in answer["generations"]]

    assert ["1", "2"] == await ids("?pageSize=2")
    assert ["4"] == await ids("?state=succeeded")
    assert ["1", "2", "3", "4"] == await ids("?state=STATE_SUCCEEDED&state=running&pageToken=")
    assert [] == await ids("?state=paused")


async def test_templates_are_listed(gateway: Gateway) -> None:
    """Each is a request to start from."""
    answer = (await gateway.http.get("/v1/stories/templates")).json()

    assert ["owl"] == [template["name"] for template in answer["templates"]]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "story"),
        ({"premise": " "}, "story"),
        ({"premise": "x", "colour": "red"}, "colour"),
        ({"premise": 7}, "premise"),
        ({"premise": "x", "words": 10}, "words"),
        ({"premise": "x", "words": "many"}, "words"),
        ({"premise": "x", "characters": [{"name": "x" * 81}]}, "characters[0].name"),
        ({"premise": "x", "characters": [{"title": "Dr"}]}, "characters[0].title"),
        ({"premise": "x", "requestId": "not allowed!"}, "requestId"),
        ({"premise": "x", "requestId": 7}, "requestId"),
        ({"premise": "x", "requestId": "\ud800"}, "requestId"),
        ({"premise": "x" * 9000}, "premise"),
    ],
)
async def test_a_bad_request_is_refused_by_the_name_of_its_field(
    gateway: Gateway, stories: ScriptedStories, body: dict[str, Any], field: str
) -> None:
    """400, with the field's path as the body has it; nothing is started."""
    headers = {"content-type": "application/json"}
    response = await gateway.http.post("/v1/stories", content=json.dumps(body), headers=headers)

    error = response.json()["error"]
    assert (400, "INVALID_REQUEST", False) == (response.status_code, error["code"], error["retryable"])
    assert field == error["violations"][0]["field"]
    assert {} == stories.logs


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b'"x"', b"[" * 50_000, b"null"])
async def test_a_body_that_is_no_json_object_is_refused(gateway: Gateway, body: bytes) -> None:
    """400, whatever it is."""
    response = await gateway.http.post("/v1/stories", content=body, headers={"content-type": "application/json"})

    assert (400, "INVALID_REQUEST") == (response.status_code, response.json()["error"]["code"])


@pytest.mark.parametrize(
    ("files", "data"),
    [
        ({"other": ("a.txt", b"x")}, {}),
        ({"file": ("a.txt", b"x")}, {"request": "{"}),
        ({"file": ("a.txt", b"x")}, {"request": '{"source":{"text":"y"}}'}),
        ({"file": ("a.txt", b"x"), "file2": ("b.txt", b"y")}, {}),
        ({"file": ("a.txt", b"")}, {}),
    ],
)
async def test_a_bad_form_is_refused(
    gateway: Gateway, stories: ScriptedStories, files: dict[str, Any], data: dict[str, str]
) -> None:
    """400; nothing is started."""
    response = await gateway.http.post("/v1/stories", files=files, data=data)

    assert (400, "INVALID_REQUEST") == (response.status_code, response.json()["error"]["code"])
    assert {} == stories.logs


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded"])
async def test_a_body_of_another_type_is_refused(gateway: Gateway, content_type: str) -> None:
    """415; a form of a foreign page, which needs no preflight, is among them."""
    headers = {"content-type": content_type} if content_type else {}
    response = await gateway.http.post("/v1/stories", content=b'{"premise":"x"}', headers=headers)

    assert (415, "UNSUPPORTED_MEDIA_TYPE") == (response.status_code, response.json()["error"]["code"])


async def test_a_body_without_a_multipart_boundary_is_refused(gateway: Gateway) -> None:
    """400, not a crash."""
    headers = {"content-type": "multipart/form-data"}
    response = await gateway.http.post("/v1/stories", content=b"x", headers=headers)

    assert (400, "INVALID_REQUEST") == (response.status_code, response.json()["error"]["code"])


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=b"])
async def test_a_body_that_is_too_large_is_refused_while_it_is_read(
    gateway: Gateway, content_type: str, *, announced: bool
) -> None:
    """413, whether its length was announced or not."""
    head = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        if "form" in content_type
        else b'{"a":"'
    )
    body = head + b"x" * MOST_BODY_BYTES

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65536):
            yield body[start : start + 65536]

    response = await gateway.http.post(
        "/v1/stories", content=body if announced else pieces(), headers={"content-type": content_type}
    )

    assert (413, "PAYLOAD_TOO_LARGE") == (response.status_code, response.json()["error"]["code"])


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "NOT_FOUND"),
        ("GET", "/v1/nowhere", 404, "NOT_FOUND"),
        ("DELETE", "/v1/stories", 405, "METHOD_NOT_ALLOWED"),
        ("PUT", f"/v1/generations/{UNKNOWN}", 405, "METHOD_NOT_ALLOWED"),
        ("HEAD", f"/v1/generations/{UNKNOWN}/events", 405, ""),
        ("GET", f"/v1/generations/{UNKNOWN}", 404, "NOT_FOUND"),
        ("POST", f"/v1/generations/{UNKNOWN}:cancel", 404, "NOT_FOUND"),
        ("GET", "/v1/generations/image-1", 404, "NOT_FOUND"),
        ("GET", "/v1/stories?pagesize=1", 400, "INVALID_REQUEST"),
        ("GET", "/v1/stories?pageSize=-1", 400, "INVALID_REQUEST"),
        ("GET", "/v1/stories?pageSize=99999999999", 400, "INVALID_REQUEST"),
        ("GET", "/v1/stories?state=dreaming", 400, "INVALID_REQUEST"),
        ("GET", "/v1/stories?pageToken=" + "x" * 300, 400, "INVALID_REQUEST"),
    ],
)
async def test_every_refusal_has_the_same_shape(
    gateway: Gateway, method: str, path: str, status: int, code: str
) -> None:
    """Its status says what HTTP knows, its body the rest."""
    response = await gateway.http.request(method, path)

    assert status == response.status_code
    if code:
        assert ERROR_FIELDS == response.json()["error"].keys()
        assert code == response.json()["error"]["code"]
    if status == 405:
        assert response.headers["allow"]


async def test_a_conflict_and_an_outage_are_told_apart(
    gateway: Gateway, server: ScriptedServer, stories: ScriptedStories
) -> None:
    """409 will stay so, 503 may not: it says when to try again, and nothing of where the service is."""
    log = stories.new()
    log.append(succeeded={})
    conflict = await gateway.http.post(f"/v1/generations/{log.id}:cancel")
    await server.stop()
    outage = await gateway.http.get("/v1/stories")
    await server.start()

    assert (409, "FAILED_PRECONDITION") == (conflict.status_code, conflict.json()["error"]["code"])
    assert (503, "UNAVAILABLE", "1") == (
        outage.status_code,
        outage.json()["error"]["code"],
        outage.headers["retry-after"],
    )
    assert outage.json()["error"]["retryable"]
    assert str(server.port) not in outage.text
    assert "try again" in outage.json()["error"]["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"host": "evil.example"},
        {"host": "evil.example:8080"},
        {"host": "127.0.0.1.evil.example"},
        {"host": "evil.example", "origin": "http://evil.example"},
    ],
)
async def test_foreign_pages_and_foreign_names_are_kept_out(gateway: Gateway, headers: dict[str, str]) -> None:
    """Without authentication, whoever is not of this machine is refused: at the API, the page, everywhere."""
    for path in ("/", "/v1/stories", "/v1/openapi.json", "/metrics", f"/v1/generations/{UNKNOWN}/events"):
        response = await gateway.http.get(path, headers=headers)
        assert (403, "PERMISSION_DENIED") == (response.status_code, response.json()["error"]["code"])


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "127.0.0.1", "127.5.5.5:99", "[::1]:8080", "x.localhost"]
)
async def test_this_machines_own_names_are_answered(gateway: Gateway, host: str) -> None:
    """Whatever the port: it may be forwarded."""
    assert 200 == (await gateway.http.get("/v1/stories", headers={"host": host})).status_code


async def test_an_allowed_origin_may_use_the_api(open_gateway: OpenGateway, server: ScriptedServer) -> None:
    """Its preflight is answered, and its requests are, with the header that lets the page read them."""
    page = {"origin": "https://stories.example"}
    async with open_gateway(server.address, allowed_origins=("https://stories.example",)) as gateway:
        preflight = await gateway.http.options(
            "/v1/stories",
            headers={
                **page,
                "access-control-request-method": "POST",
                "access-control-request-headers": "authorization,baggage,x-requested-with",
            },
        )
        answer = await gateway.http.get("/v1/stories", headers=page)

    assert (200, page["origin"]) == (preflight.status_code, preflight.headers["access-control-allow-origin"])
    assert (200, page["origin"]) == (answer.status_code, answer.headers["access-control-allow-origin"])


async def test_with_a_secret_every_operation_needs_its_owners_token(open_gateway: OpenGateway) -> None:
    """No token 401, a bad one 401, another owner's generation 404 and left out of the list."""
    guarded = ScriptedServer(ScriptedStories(SECRET))
    await guarded.start()
    mine, foreign = guarded.stories.new(1, "ada"), guarded.stories.new(2, "bob")
    ada = {"authorization": f"Bearer {token('ada')}"}
    async with open_gateway(guarded.address, jwt_secret=SECRET) as gateway:
        http = gateway.http
        assert 401 == (await http.get("/v1/stories")).status_code
        expired = {"authorization": f"Bearer {token('ada', -600)}"}
        assert 401 == (await http.get("/v1/stories", headers=expired)).status_code
        listed = (await http.get("/v1/stories", headers=ada)).json()["generations"]
        assert [mine.id] == [each["id"] for each in listed]
        for method, suffix in (
            ("GET", ""),
            ("DELETE", ""),
            ("POST", ":cancel"),
            ("POST", ":pause"),
            ("POST", ":retry"),
        ):
            answers = [
                await http.request(method, f"/v1/generations/{id_}{suffix}", headers=ada)
                for id_ in (foreign.id, UNKNOWN)
            ]
            assert [404, 404] == [answer.status_code for answer in answers]
            assert answers[0].text.replace(foreign.id, UNKNOWN) == answers[1].text
        assert foreign.id in guarded.stories.logs
    await guarded.stop()


async def test_the_page_is_served_with_headers_that_protect_it(gateway: Gateway) -> None:
    """Nothing inline, nothing foreign, nobody may frame it; and it is not sent twice."""
    page = await gateway.http.get("/")
    again = await gateway.http.get("/", headers={"if-none-match": page.headers["etag"]})
    policy = page.headers["content-security-policy"]

    assert (200, 304) == (page.status_code, again.status_code)
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "nosniff" == page.headers["x-content-type-options"]
    for path in ("/page/page.js", "/page/page.css", "/page/story.js", "/page/icon.svg"):
        assert 200 == (await gateway.http.get(path)).status_code
    assert 404 == (await gateway.http.get("/page/__init__.py")).status_code


async def test_health_readiness_and_metrics(gateway: Gateway, server: ScriptedServer, stories: ScriptedStories) -> None:
    """Alive whatever the services do; ready while one of them serves; what passes is counted."""
    log = stories.new()
    async with gateway.socket() as socket:
        await socket.subscribe(log.id)
        log.append(succeeded={})
        await socket.until_end()
        metrics = (await gateway.http.get("/metrics")).text
    assert 'fabula_gateway_connections{door="websocket"} 1.0' in metrics
    assert 'fabula_gateway_events_sent_total{door="websocket"} 2.0' in metrics
    assert 'fabula_gateway_event_latency_seconds_count{door="websocket"} 1.0' in metrics

    ready = await gateway.http.get("/readyz")
    assert (200, {"status": "ok", "services": {"story": "SERVING", "image": "SERVING"}}) == (
        ready.status_code,
        ready.json(),
    )
    await server.health.set(IMAGE.service, health_pb2.HealthCheckResponse.NOT_SERVING)
    half = await gateway.http.get("/readyz")
    assert (200, "degraded", "NOT_SERVING") == (
        half.status_code,
        half.json()["status"],
        half.json()["services"]["image"],
    )
    await server.stop()
    unready = await gateway.http.get("/readyz")
    assert (503, "unavailable") == (unready.status_code, unready.json()["status"])
    assert 200 == (await gateway.http.get("/healthz")).status_code
    await server.start()


async def test_a_gateway_that_ends_says_so_before_it_stops_to_listen(
    open_gateway: OpenGateway, server: ScriptedServer
) -> None:
    """While streams are open there is a moment in which `/readyz` answers 503 and everything else still works."""
    async with open_gateway(server.address, drain_seconds=5.0) as gateway, gateway.socket():
        gateway.server.stop()
        async with asyncio.timeout(5):
            answer = await gateway.http.get("/readyz")

    assert (503, "draining") == (answer.status_code, answer.json()["status"])
