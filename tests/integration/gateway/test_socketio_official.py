"""The official client of Socket.IO 4 against both servers of one gateway, with the services that stand behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.journal.embedded import EmbeddedServer
from tests.integration.character.house import Customer
from tests.integration.character.studio import Studio, open_studio
from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conftest import running_gateway
from tests.integration.gateway.official_client import Official, official_client
from tests.integration.story.house import SECRET, House, open_house, story, token

pytestmark = pytest.mark.asyncio(loop_scope="module")

COMPLETE, PROGRESS = "story:processing:complete", "character_generation_progress"
MADE = [40, 55, 70, 80, 90, 100]


@dataclass(frozen=True, slots=True)
class System:
    """Everything.

    Attributes:
        stories: Where stories are written.
        studio: Where characters are made and painted.
        settings: A gateway's, before these.
    """

    stories: House
    studio: Studio
    settings: dict[str, Any]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    """All services."""
    async with (
        EmbeddedServer(tmp_path_factory.mktemp("nats")) as nats,
        open_house(nats.url) as stories,
        open_studio(nats.url) as studio,
    ):
        settings: dict[str, Any] = {
            "character_address": f"127.0.0.1:{studio.house.port}",
            "image_address": f"127.0.0.1:{studio.images.port}",
            "generators": (),
            "jwt_secret": SECRET,
        }
        yield System(stories, studio, settings)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(system: System) -> AsyncIterator[Gateway]:
    """A gateway before all of them."""
    async with running_gateway(system.stories.address, **system.settings) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def official() -> AsyncIterator[Official]:
    """The official client."""
    async with official_client() as running:
        yield running


def url(gateway: Gateway) -> str:
    """Return where a gateway is."""
    return f"http://{gateway.host}"


def names(seen: list[tuple[str, list[Any]]]) -> list[str]:
    """Return the names of events."""
    return [name for name, _ in seen]


@pytest.mark.parametrize("transports", [["polling", "websocket"], ["websocket"], ["polling"]])
async def test_both_servers_serve_one_page(
    gateway: Gateway, system: System, official: Official, transports: list[str]
) -> None:
    """Over each transport, upgraded where it may be: a story is watched, and a character with its avatar."""
    user = system.stories.user("ann")
    auth, options = {"token": user.caller.token}, {"transports": transports}
    ida = Customer(system.studio.house.customer().client, user.caller, "ann")
    await official.connect("stories", url(gateway), "/stories", auth=auth, **options)
    await official.connect("characters", url(gateway), "/", path="/api/v1/ws", auth=auth, **options)
    for id_ in ("stories", "characters"):
        events = dict([await official.next(id_) for _ in transports])  # the upgrade may be there first
        if len(transports) > 1:
            assert ["websocket"] == events["upgrade"]
        else:
            assert {"connect": transports} == events
    story_id = await user.start(story())
    character_id = await ida.start()
    session_id = character_id.removeprefix("character-")
    refused = await official.ask("characters", "join_character_generation", {"sessionId": session_id[::-1]})
    await official.do("ask", "characters", event="join_character_generation", args=[{"sessionId": session_id}])
    heard = await official.until("stories", COMPLETE, lambda args: args[0]["storyId"] == story_id)
    told = [(name, args) for name, args in heard if args[0]["storyId"] == story_id]  # others' ends are told again
    seen = await official.until("characters", PROGRESS, lambda args: "avatarUrl" in args[0].get("data", {}))

    assert not refused["success"]
    assert ("answer", [{"success": True}]) in seen
    assert ["story:processing:start", *["story:processing:progress"] * 2, COMPLETE] == names(told)
    assert MADE == [args[0]["progress"] for name, args in seen if name == PROGRESS][: len(MADE)]
    assert all(len(args) == 1 for _, args in told + seen)


async def test_who_is_refused_hears_why(gateway: Gateway, official: Official) -> None:
    """A message and a code; namespaces that there are not, too."""
    await official.connect("nobody", url(gateway), "/stories", auth={"token": "x"})
    await official.connect("lost", url(gateway), "/nowhere")
    message, data = (await official.until("nobody", "connect_error"))[-1][1]

    assert ("UNAUTHENTICATED", True) == (data["code"], bool(message))
    assert ["Invalid namespace", None] == (await official.until("lost", "connect_error"))[-1][1]


async def test_two_sockets_share_a_connection_with_one_that_is_refused(gateway: Gateway, official: Official) -> None:
    """Namespaces are apart: a refusal of one is no end of the other."""
    await official.connect("good", url(gateway), "/stories", auth={"token": token("ann")}, transports=["websocket"])
    assert "connect" == (await official.next("good"))[0]
    await official.do("connect", "bad", shares="good", namespace="/nowhere", options={}, url="")
    assert "connect_error" == (await official.next("bad"))[0]
    leave = {"storyId": "story-00000000-0000-4000-8000-000000000001"}
    assert {"success": True} == await official.ask("good", "story:leave", leave)


async def test_a_lost_connection_is_made_again_and_nothing_is_missed(
    gateway: Gateway, system: System, official: Official
) -> None:
    """The client comes back by itself, says what it has, and is told the rest, each event once."""
    user = system.stories.user()
    script = system.stories.script(hold_before=1)
    await official.connect("page", url(gateway), "/stories", auth={"token": user.caller.token, "after": {}})
    await official.until("page", "connect")
    story_id = await user.start(story(script.premise))
    before = await official.until("page", "story:cursor")
    before += await official.until("page", "story:cursor")
    cursor = before[-1][1][0]["cursor"]
    await official.do("auth", "page", auth={"token": user.caller.token, "after": {story_id: cursor}})
    await official.do("cut", "page")
    script.go.set()
    await user.reaches(story_id, gen.STATE_SUCCEEDED)
    after = await official.until("page", COMPLETE)

    told = [args[0].get("step", name) for name, args in before + after if name.startswith("story:processing")]
    assert ["story_generation", "ai_processing", "saving_file", COMPLETE] == told
    assert ["disconnect", "connect"] == [name for name in names(after) if name in {"disconnect", "connect"}]


async def test_a_restarted_gateway_is_found_again(system: System, official: Official) -> None:
    """It ends its connections so that clients come back; they join again, with the place where they were."""
    customer = system.studio.house.customer()
    system.studio.house.maker.hold_before = 1
    settings: dict[str, Any] = system.settings
    async with running_gateway(system.stories.address, **settings) as first:
        port = first.house.settings.http_port
        for id_, transports in (("socket", ["websocket"]), ("poll", ["polling"])):
            options = {"path": "/api/v1/ws", "auth": {"token": customer.caller.token}, "transports": transports}
            await official.connect(id_, url(first), "/", **options)
            assert "connect" == (await official.next(id_))[0]
        session_id = (await customer.start()).removeprefix("character-")
        for id_ in ("socket", "poll"):
            joining = {"sessionId": session_id, "after": 0}
            await official.do("emit", id_, event="join_character_generation", args=[joining])
            await official.until(id_, PROGRESS, lambda args: args[0]["progress"] == 55)
        cursor = {id_: (await official.next(id_))[1][0]["cursor"] for id_ in ("socket", "poll")}
    system.studio.house.maker.go.set()
    async with running_gateway(system.stories.address, **{**settings, "http_port": port}):
        for id_ in ("socket", "poll"):
            ended = await official.until(id_, "connect")
            assert ("disconnect", ["transport close"]) in ended
            joining = {"sessionId": session_id, "after": cursor[id_]}
            await official.do("ask", id_, event="join_character_generation", args=[joining])
            rest = await official.until(id_, PROGRESS, lambda args: "avatarUrl" in args[0].get("data", {}))
            assert ("answer", [{"success": True}]) in rest
            progress = [args[0]["progress"] for name, args in rest if name == PROGRESS]
            assert [70, 80, 90, 100] == progress[:4]
        for id_ in ("socket", "poll"):
            await official.do("disconnect", id_)
            assert ("disconnect", ["io client disconnect"]) == (await official.until(id_, "disconnect"))[-1]


async def test_a_page_that_asks_much_before_it_is_connected_is_answered(gateway: Gateway, official: Official) -> None:
    """The client sends all that has gathered in one body."""
    await official.connect(
        "page", url(gateway), "/stories", auth={"token": token("ann who asks much")}, transports=["polling"]
    )
    leave = {"storyId": "story-00000000-0000-4000-8000-000000000001"}
    for _ in range(60):
        await official.do("ask", "page", event="story:leave", args=[leave])
    answers = [await official.next("page") for _ in range(61)]

    assert ["connect", *["answer"] * 60] == names(answers)
