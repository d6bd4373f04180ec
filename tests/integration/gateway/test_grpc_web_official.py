"""gRPC-Web before real services: every rpc as by gRPC itself, and the official clients, two of them in Chromium.

All of it at the gateway, and through a `grpcwebproxy` before each service, where there is one.
"""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import httpx
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from playwright.async_api import Browser, Page, async_playwright

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.api.story.v1 import story_pb2 as pb
from fabula.api.ticket.v1 import ticket_pb2
from fabula.journal.embedded import EmbeddedServer
from fabula.rpc.auth import CLOCK_SKEW_SECONDS
from fabula.rpc.kinds import KINDS, STORY, Kind
from tests.integration.character.studio import Studio, open_studio
from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conftest import CHROMIUM, FLAGS, running_gateway
from tests.integration.gateway.grpc_web_client import BINARY, TEXT, GrpcWeb, framed
from tests.integration.gateway.grpc_web_proxy import running_proxy
from tests.integration.story.house import SECRET, House, User, free_port, open_house, owner_of, story, token

pytestmark = pytest.mark.asyncio(loop_scope="module")

ROOT = Path(__file__).parents[3]
CLIENTS = ROOT / "tests" / "clients" / "grpc_web"


@dataclass(frozen=True, slots=True)
class System:
    """Everything.

    Attributes:
        stories: Where stories are written.
        studio: Where characters are made and painted.
        gateway: Before all of them.
    """

    stories: House
    studio: Studio
    gateway: Gateway

    @property
    def url(self) -> str:
        """Where the gateway is."""
        return f"http://{self.gateway.host}"

    @property
    def elsewhere(self) -> str:
        """Another origin: browsers go by the name."""
        return self.url.replace("127.0.0.1", "localhost")

    def address_of(self, kind: Kind) -> str:
        """Return where a service is."""
        places = {"story": self.stories.address, "character": f"127.0.0.1:{self.studio.house.port}"}
        return places.get(kind.name, f"127.0.0.1:{self.studio.images.port}")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """All services, and a gateway before them."""
    async with (
        EmbeddedServer(tmp_path_factory.mktemp("nats")) as nats,
        open_house(nats.url) as stories,
        open_studio(nats.url) as studio,
    ):
        port = free_port()
        settings: dict[str, Any] = {
            "http_port": port,
            "character_address": f"127.0.0.1:{studio.house.port}",
            "image_address": f"127.0.0.1:{studio.images.port}",
            "generators": (),
            "jwt_secret": SECRET,
            "allowed_origins": (f"http://localhost:{port}",),
        }
        async with running_gateway(stories.address, **settings) as gateway:
            yield System(stories, studio, gateway)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxies(system: System) -> AsyncIterator[Mapping[str, str]]:
    """A `grpcwebproxy` before each service, which the gateway's pages may call; their URLs by kind."""
    async with AsyncExitStack() as stack:
        yield {
            kind.name: await stack.enter_async_context(running_proxy(system.address_of(kind), kind, [system.url]))
            for kind in KINDS.values()
        }


@pytest.fixture(params=["gateway", "grpcwebproxy"])
def url(request: pytest.FixtureRequest, system: System) -> str:
    """Where stories are called by gRPC-Web."""
    return system.url if request.param == "gateway" else str(request.getfixturevalue("proxies")["story"])


@pytest.fixture
def user(system: System) -> User:
    """Somebody new."""
    return system.stories.user()


@pytest.fixture
def web(system: System) -> GrpcWeb:
    """A client that owes nothing to the door."""
    return GrpcWeb(system.gateway.http)


def bearer(user: User) -> dict[str, str]:
    """Return the header with somebody's token."""
    return {"authorization": f"Bearer {user.caller.token}"}


def rpcs() -> list[tuple[str, str]]:
    """Return every rpc of every generator."""
    services = (
        (kind, kind.api.DESCRIPTOR.services_by_name[kind.service.rpartition(".")[2]]) for kind in KINDS.values()
    )
    return [(kind.name, method.name) for kind, service in services for method in service.methods]


def a_request(kind: Kind, rpc: str) -> Any:
    """Return a request that names something which is not there, if it names anything."""
    request: Any = kind.request(rpc)()
    for field in ("generation_id", "character_id"):
        if field in request.DESCRIPTOR.fields_by_name:
            setattr(request, field, f"{kind.name}-{uuid4()}")
    return request


@pytest.mark.parametrize(("name", "rpc"), rpcs())
async def test_every_rpc_answers_as_by_grpc_itself(
    system: System, web: GrpcWeb, user: User, name: str, rpc: str
) -> None:
    """The same messages, status and details, whatever it is; a feed that has nothing to tell ends by its deadline."""
    await answers_as_by_grpc_itself(system, web, user, KINDS[name], rpc)


async def test_every_rpc_answers_as_by_grpc_itself_through_a_proxy(
    system: System, proxies: Mapping[str, str], user: User
) -> None:
    """In both forms, in turn."""
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        for (name, rpc), form in zip(rpcs(), cycle((BINARY, TEXT)), strict=False):
            http = await stack.enter_async_context(httpx.AsyncClient(base_url=proxies[name], timeout=20))
            tasks.create_task(answers_as_by_grpc_itself(system, GrpcWeb(http, form), user, KINDS[name], rpc))


async def answers_as_by_grpc_itself(system: System, web: GrpcWeb, user: User, kind: Kind, rpc: str) -> None:
    """Ask for what is not there, or has no end, by gRPC-Web and by gRPC, and compare."""
    request = a_request(kind, rpc)
    answer = await web.call(kind.path(rpc), request, grpc_timeout="3S", **bearer(user))
    messages, code, details = [], 0, None
    async with grpc.aio.insecure_channel(system.address_of(kind)) as channel:
        method: Any = channel.unary_stream(kind.path(rpc), None, None)
        call = method(request.SerializeToString(), metadata=user.caller.metadata, timeout=3)
        try:
            messages = [message async for message in call]
        except grpc.aio.AioRpcError as error:
            code, details = error.code().value[0], rpc_status.from_call(error)  # type: ignore[arg-type]  # it has what is read

    assert (messages, code) == (answer.messages, answer.code), answer.message
    assert details is None or details == answer.status
    assert details is not None or code in {0, 4}
    assert (code == 4) == (rpc == "WatchGenerations")


@pytest.mark.parametrize("form", [BINARY, TEXT])
async def test_what_cannot_be_decoded_is_an_invalid_request(url: str, user: User, form: str) -> None:
    """Of single calls and of streams."""
    async with httpx.AsyncClient(base_url=url, timeout=20) as http:
        for rpc in ("GetGeneration", "WatchProgress"):
            answer = await GrpcWeb(http, form).call(STORY.path(rpc), framed(b"\xff\xff"), **bearer(user))
            assert (3, []) == (answer.code, answer.messages), rpc


async def test_a_watch_may_come_before_its_generation(system: System, web: GrpcWeb, user: User) -> None:
    """By the request id; the headers tell at once that it stands."""
    request_id = f"before-{uuid4()}"
    request = pb.WatchProgressRequest(request_id=request_id, wait_for_start=True)
    async with web.open(STORY.path("WatchProgress"), request, **bearer(user)) as answer:
        start = pb.StartGenerationRequest(story=story(), request_id=request_id)
        started = await web.call(STORY.path("StartGeneration"), start, **bearer(user))
        events = [pb.WatchProgressResponse.FromString(data).event for data in await answer.all()]

    assert (0, 0) == (started.code, answer.code)
    assert list(range(1, len(events) + 1)) == [event.sequence for event in events]
    assert gen.STATE_SUCCEEDED == events[-1].state


async def test_a_stream_ends_when_its_token_does(system: System, web: GrpcWeb, user: User) -> None:
    """A watch that the gateway shares as well as a feed that it passes on."""
    soon = token(owner_of(user), expires_in=3.0 - CLOCK_SKEW_SECONDS)
    request = pb.WatchProgressRequest(request_id="never", wait_for_start=True)
    headers = {"authorization": f"Bearer {soon}"}
    async with asyncio.TaskGroup() as tasks:
        watch = tasks.create_task(web.call(STORY.path("WatchProgress"), request, **headers))
        feed = tasks.create_task(web.call(STORY.path("WatchGenerations"), pb.WatchGenerationsRequest(), **headers))

    assert ["UNAUTHENTICATED"] * 2 == [watch.result().reason, feed.result().reason]
    assert [16, 16] == [watch.result().code, feed.result().code]


async def test_an_expired_token_ends_its_own_watch_only(system: System, web: GrpcWeb, user: User) -> None:
    """Where another watcher's token keeps the shared watch going."""
    script = system.stories.script(hold_before=1)
    id_ = await user.start(story(script.premise))
    await asyncio.wait_for(script.held.wait(), 20)
    soon = {"authorization": f"Bearer {token(owner_of(user), expires_in=3.0 - CLOCK_SKEW_SECONDS)}"}
    request = pb.WatchProgressRequest(generation_id=id_)
    async with web.open(STORY.path("WatchProgress"), request, **bearer(user)) as lasting:
        assert await lasting.next() is not None
        ended = await web.call(STORY.path("WatchProgress"), request, **soon)
        system.stories.release()
        await lasting.all()

    assert (16, 0) == (ended.code, lasting.code)


async def test_a_ticket_can_be_asked_for(system: System, web: GrpcWeb, user: User) -> None:
    """For what cannot send a token; it is good at the door of event streams."""
    id_ = await user.start(story())
    path = "/fabula.api.ticket.v1.TicketService/CreateTicket"
    answer = await web.call(path, ticket_pb2.CreateTicketRequest(generation_id=id_), **bearer(user))
    ticket = ticket_pb2.CreateTicketResponse.FromString(answer.messages[0]).ticket
    async with system.gateway.events(id_, f"?ticket={ticket}") as (response, _):
        assert 200 == response.status_code
    strange = await web.call(path, ticket_pb2.CreateTicketRequest(generation_id="story-1"), **bearer(user))

    assert 5 == strange.code


async def buf_curl(url: str, user: User, rpc: str, request: dict[str, Any]) -> tuple[int, list[Any], str]:
    """Call an rpc by `buf curl`; return its exit status, the messages, and what it says of an error."""
    buf = Path(sys.executable).with_name("buf")
    process = await asyncio.create_subprocess_exec(
        buf, "curl", "--protocol", "grpcweb", "--schema", str(ROOT / "protos"), "--timeout", "30s",
        "--header", f"Authorization: Bearer {user.caller.token}", "--data", json.dumps(request),
        f"{url}{STORY.path(rpc)}", stdout=PIPE, stderr=PIPE,
    )  # fmt: skip
    out, errors = await process.communicate()
    decoder, text, messages = json.JSONDecoder(), out.decode().strip(), []
    while text:
        message, end = decoder.raw_decode(text)
        messages.append(message)
        text = text[end:].strip()
    return process.returncode or 0, messages, errors.decode()


async def test_buf_curl_calls_and_watches(url: str, user: User) -> None:
    """The client of Connect for Go: a single call, a stream, and an error with its details."""
    id_ = await user.start(story())
    watched = await buf_curl(url, user, "WatchProgress", {"generationId": id_})
    read = await buf_curl(url, user, "GetGeneration", {"generationId": id_})
    missing = await buf_curl(url, user, "GetGeneration", {"generationId": f"story-{uuid4()}"})

    assert (0, 0) == (watched[0], read[0]), watched[2] + read[2]
    sequences = [message["event"]["sequence"] for message in watched[1]]
    assert list(range(1, len(sequences) + 1)) == sequences
    assert "STATE_SUCCEEDED" == watched[1][-1]["event"]["state"] == read[1][0]["generation"]["state"]
    assert 0 != missing[0]
    problem = json.loads(missing[2])
    assert "not_found" == problem["code"]
    assert "there is no such generation" == problem["message"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The official clients for browsers, as one script that knows the contract."""
    assert (CLIENTS / "node_modules").is_dir(), "the official clients are not installed: run `make clients`"
    script, contract = (tmp_path_factory.mktemp("bundle") / name for name in ("client.js", "contract.binpb"))
    esbuild: list[str | Path] = [
        CLIENTS / "node_modules/.bin/esbuild",
        "client.mjs",
        "--bundle",
        "--format=iife",
        "--global-name=fabula",
    ]
    subprocess.run([*esbuild, f"--outfile={script}", "--log-level=error"], cwd=CLIENTS, check=True)
    protos = [str(path.relative_to(ROOT / "protos")) for path in (ROOT / "protos" / "fabula").rglob("*.proto")]
    protoc = [sys.executable, "-m", "grpc_tools.protoc", "-I.", "--include_imports"]
    subprocess.run([*protoc, f"--descriptor_set_out={contract}", *protos], cwd=ROOT / "protos", check=True)
    return f"{script.read_text()};fabula.learn('{base64.b64encode(contract.read_bytes()).decode()}');"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium() -> AsyncIterator[Browser]:
    """A headless Chromium."""
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        await running.close()


@dataclass(frozen=True, slots=True)
class Tab:
    """A page with the clients in it.

    Attributes:
        page: The page.
        url: Where it calls.
    """

    page: Page
    url: str

    async def ask(self, client: str, user: User, method: str, request: Any, **more: Any) -> Any:
        """Have a client in the page call an rpc; return its messages and its error."""
        call = {
            "url": self.url,
            "service": STORY.service,
            "method": method,
            "request": request,
            "headers": {"Authorization": f"Bearer {user.caller.token}"},
            **more,
        }
        return await self.page.evaluate(f"(call) => fabula.{client}(call)", call)


@pytest.fixture(params=["own", "elsewhere", "grpcwebproxy"])
def way(request: pytest.FixtureRequest, system: System) -> tuple[str, str]:
    """From which origin a page calls where: the gateway from its own, or from one that it lists; or a proxy."""
    if request.param == "grpcwebproxy":
        return system.url, str(request.getfixturevalue("proxies")["story"])
    return system.url if request.param == "own" else system.elsewhere, system.url


@pytest_asyncio.fixture(loop_scope="module")
async def tab(way: tuple[str, str], chromium: Browser, bundle: str) -> AsyncIterator[Tab]:
    """A page of that origin."""
    origin, url = way
    opened = await chromium.new_page()
    # What it shows does not matter. A page that the test made up would not count as this machine's.
    await opened.goto(f"{origin}/healthz")
    await opened.add_script_tag(content=bundle)
    yield Tab(opened, url)
    await opened.close()


async def test_connect_calls_and_watches_in_chromium(tab: Tab, user: User) -> None:
    """A story is started, watched, left, watched on from its cursor to the end, and read."""
    started = await tab.ask("connect", user, "StartGeneration", {"story": {"premise": "An owl.", "words": 60}})
    id_ = started["messages"][0]["generation"]["id"]
    first = await tab.ask("connect", user, "WatchProgress", {"generationId": id_}, stopAfter=3)
    rest = await tab.ask("connect", user, "WatchProgress", {"generationId": id_, "afterSequence": 3})
    read = await tab.ask("connect", user, "GetGeneration", {"generationId": id_})
    sequences = [each["event"]["sequence"] for part in (first, rest) for each in part["messages"]]

    assert 3 == len(first["messages"])
    assert 1 == first["error"]["code"]  # canceled, by itself
    assert "error" not in rest
    assert list(range(1, len(sequences) + 1)) == sequences
    assert "STATE_SUCCEEDED" == rest["messages"][-1]["event"]["state"]
    assert rest["messages"][-1]["story"]["text"] == read["messages"][0]["story"]["text"]


async def test_connect_reads_errors_with_details_in_chromium(tab: Tab, user: User) -> None:
    """Of single calls and of streams; and a deadline that it sets itself."""
    missing, wrong = {"generationId": f"story-{uuid4()}"}, {"story": {"words": 1}}
    for method, request, code in (
        ("GetGeneration", missing, 5), ("WatchProgress", missing, 5), ("StartGeneration", wrong, 3)
    ):  # fmt: skip
        error = (await tab.ask("connect", user, method, request))["error"]
        details = {each["type"]: base64.b64decode(each["value"]) for each in error["details"]}
        info = error_details_pb2.ErrorInfo.FromString(details["google.rpc.ErrorInfo"])

        assert code == error["code"], method
        assert "fabula" == info.domain
        if code == 3:
            bad = error_details_pb2.BadRequest.FromString(details["google.rpc.BadRequest"])
            assert {"story", "story.words"} & {each.field for each in bad.field_violations}
    late = await tab.ask("connect", user, "WatchGenerations", {}, timeoutMs=500)

    assert 4 == late["error"]["code"]


@pytest.mark.parametrize("format_", ["text", "binary"])
async def test_googles_client_calls_and_watches_in_chromium(tab: Tab, user: User, format_: str) -> None:
    """In both of its formats; it streams in text only."""
    asked = {"story": {"premise": "An owl.", "words": 60}}
    started = await tab.ask("google", user, "StartGeneration", asked, format=format_)
    id_ = started["messages"][0]["generation"]["id"]
    watched = await tab.ask("google", user, "WatchProgress", {"generationId": id_}, format="text")
    missing = await tab.ask("google", user, "GetGeneration", {"generationId": "story-1"}, format=format_)
    sequences = [each["event"]["sequence"] for each in watched["messages"]]

    assert "error" not in watched
    assert list(range(1, len(sequences) + 1)) == sequences
    assert "STATE_SUCCEEDED" == watched["messages"][-1]["event"]["state"]
    assert (5, "there is no such generation") == (missing["error"]["code"], missing["error"]["message"])
