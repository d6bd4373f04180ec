"""Batches, the feed, logs and tickets before a real service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from fabula.journal.embedded import EmbeddedServer
from fabula.rpc.auth import CLOCK_SKEW_SECONDS
from fabula.settings import GatewaySettings
from gateway.doors import batches
from gateway.doors.websocket import MOST_SUBSCRIPTIONS
from tests.integration.gateway.clients import JSON, Gateway
from tests.integration.gateway.conftest import running_gateway
from tests.integration.gateway.test_feed import FEED, next_named, until_listed, watch
from tests.integration.story.house import SECRET, House, User, open_house, owner_of, story, token

pytestmark = pytest.mark.asyncio(loop_scope="module")

STORY = {"premise": "Ann counts boats.", "words": 60, "chapters": 1, "seed": 1}
BAD = {"words": 60}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A story server and a worker."""
    async with EmbeddedServer(tmp_path_factory.mktemp("nats")) as nats, open_house(nats.url) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(house: House) -> AsyncIterator[Gateway]:
    """A gateway that has doors for stories only, and small batches."""
    async with running_gateway(house.address, generators=("story",), jwt_secret=SECRET, batch_items=12) as running:
        yield running


@pytest.fixture
def user(house: House) -> User:
    """Somebody who has nothing yet."""
    return house.user()


def bearer(user: User) -> dict[str, str]:
    """Return the header with a user's token."""
    return {"authorization": f"Bearer {user.caller.token}"}


async def post(gateway: Gateway, user: User, items: list[Any], *, key: str = "", **body: Any) -> httpx.Response:
    """Post a batch."""
    headers = {**bearer(user), **({"idempotency-key": key} if key else {})}
    return await gateway.http.post("/v1/batches", json={"items": items, **body}, headers=headers)


def item(request: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Return one item of a batch."""
    return {"kind": "story", "request": STORY if request is None else request, **more}


async def test_a_batch_starts_all_in_order(gateway: Gateway, user: User, house: House) -> None:
    """Each is a generation like any other; one frame on one socket watches them all to their ends."""
    premises = [house.script().premise for _ in range(5)]
    response = await post(gateway, user, [item({**STORY, "premise": premise}) for premise in premises])
    results = response.json()["results"]
    started = [result["generation"]["id"] for result in results]
    ended: set[str] = set()
    async with gateway.socket(JSON, f"bearer.{user.caller.token}") as socket:
        await socket.send(subscribeMany={"subscriptions": [{"generationId": id_} for id_ in started]})
        while len(ended) < 5:
            frame = await socket.next()
            if "ended" in frame:
                ended.add(frame["ended"]["generationId"])

    assert (200, 5, 0) == (response.status_code, response.json()["started"], response.json()["failed"])
    assert set(started) == ended
    assert set(started) == set(await user.listed())
    assert [result["requestId"] for result in results] == [result["generation"]["requestId"] for result in results]
    for premise, id_ in zip(premises, started, strict=True):
        assert premise == (await user.call("GetGeneration", generation_id=id_)).request.premise


async def test_a_batch_that_is_repeated_starts_nothing_twice(gateway: Gateway, user: User) -> None:
    """By the key of the whole, in the header or the body, or by those of its items."""
    items = [item(), item(requestId="mine"), item({**STORY, "requestId": "inside"})]
    answers = [
        await post(gateway, user, items, key="b1"),
        await post(gateway, user, items, requestId="b1"),
        await post(gateway, user, items, key="b1", requestId="other"),
    ]
    first, *others = [[each["generation"]["id"] for each in answer.json()["results"]] for answer in answers]

    assert ["b1.0", "mine", "inside"] == [each["requestId"] for each in answers[0].json()["results"]]
    assert [first, first] == others
    assert sorted(first) == sorted(await user.listed())


async def test_what_cannot_be_started_is_told_in_its_place(gateway: Gateway, user: User) -> None:
    """And the others are started: 207, with an error as the start of one alone would give it."""
    await post(gateway, user, [item(requestId="used")])
    items = [
        item(),
        item(BAD),
        {"kind": "song", "request": {}},
        item({**STORY, "colour": "red"}),
        item({**STORY, "seed": 2}, requestId="used"),
        item({"premise": "x", "words": "many"}),
        {"kind": "story"},
        item(requestId="no spaces, please"),
        {"kind": "story", "request": {**STORY, "requestId": 5}},
        item(),
    ]
    response = await post(gateway, user, items)
    results = response.json()["results"]
    alone = await gateway.http.post("/v1/stories", json=BAD, headers=bearer(user))

    assert (207, 2, 8) == (response.status_code, response.json()["started"], response.json()["failed"])
    assert [True, *[False] * 8, True] == ["generation" in result for result in results]
    errors = [result["error"] for result in results[1:-1]]
    assert alone.json()["error"] == errors[0]
    codes = [error["code"] for error in errors]
    assert ["ALREADY_EXISTS" if place == 3 else "INVALID_REQUEST" for place in range(8)] == codes
    assert ["kind", "colour", None, "words"] == [
        next((violation["field"] for violation in error["violations"]), None) for error in errors[1:5]
    ]
    assert 3 == len(await user.listed())


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "items"),
        ({"items": []}, "items"),
        ({"items": None}, "items"),
        ({"items": {}}, "items"),
        ({"items": [1]}, "items[0]"),
        ({"items": [{"kind": "story", "request": [1]}]}, "items[0].request"),
        ({"items": [{"kind": "story", "wish": {}}]}, "items[0].wish"),
        ({"items": [{"kind": "story"}] * 13}, "items"),
        ({"items": [{"kind": "story"}], "requestId": "no spaces, please"}, "requestId"),
        ({"items": [{"kind": "story"}], "requestId": "x" * 121}, "requestId"),
        ({"items": [{"kind": "story"}], "size": 1}, "size"),
    ],
)
async def test_what_is_no_batch_starts_nothing(gateway: Gateway, user: User, body: dict[str, Any], field: str) -> None:
    """It is refused as a whole, with the field that is wrong."""
    response = await gateway.http.post("/v1/batches", json=body, headers=bearer(user))

    assert 400 == response.status_code, response.text
    assert field == response.json()["error"]["violations"][0]["field"]
    assert [] == await user.listed()


async def test_a_batch_needs_a_token_and_json(gateway: Gateway, user: User) -> None:
    """As every start does."""
    form = {"file": ("a.txt", b"Ann")}
    assert 401 == (await gateway.http.post("/v1/batches", json={"items": [item()]})).status_code
    assert 415 == (await gateway.http.post("/v1/batches", files=form, headers=bearer(user))).status_code
    assert 400 == (await gateway.http.post("/v1/batches?x=1", json={}, headers=bearer(user))).status_code


async def test_only_so_many_are_started_at_a_time(
    gateway: Gateway, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch does not crowd out everybody else's requests; nor are its items started one by one."""
    client, now, most = gateway.house.clients["story"], 0, 0
    call = client.call

    async def counted(rpc: str, *args: Any, **more: Any) -> Any:
        nonlocal now, most
        now += 1
        most = max(most, now)
        try:
            return await call(rpc, *args, **more)
        finally:
            now -= 1

    monkeypatch.setattr(client, "call", counted)
    response = await post(gateway, user, [item()] * 12)

    assert 12 == response.json()["started"]
    assert batches.MOST_STARTS == most


async def test_one_socket_watches_the_largest_batch_there_can_be() -> None:
    """And so does one frame."""
    bound = next(each.le for each in GatewaySettings.model_fields["batch_items"].metadata if hasattr(each, "le"))

    assert bound <= MOST_SUBSCRIPTIONS
    assert GatewaySettings.model_fields["batch_items"].default <= bound


async def test_the_feed_of_a_real_service(gateway: Gateway, user: User, house: House) -> None:
    """From the start to the end of a story, and to its deletion; an owner without stories is told so."""
    other = house.user()
    async with gateway.socket(JSON, f"bearer.{user.caller.token}") as socket:
        await watch(socket)
        assert [] == await until_listed(socket, "story")
        id_ = await user.start(story(house.script().premise))
        await other.start(story(house.script().premise))
        states: list[str] = []
        while not states or states[-1] != "STATE_SUCCEEDED":
            states.append((await socket.next())["generation"]["generation"]["state"])
        await user.call("DeleteGeneration", generation_id=id_)
        gone = await socket.next()

    assert "STATE_QUEUED" == states[0]
    assert {"STATE_QUEUED", "STATE_RUNNING", "STATE_SUCCEEDED"} == set(states)
    assert {"generation": {"id": id_, "kind": "story"}, "deleted": True} == gone["generation"]


async def test_a_feed_goes_on_when_the_token_of_who_opened_it_has_expired(
    gateway: Gateway, user: User, house: House
) -> None:
    """The service ends the stream with the token; another of the owner's, which holds, takes it up again."""
    short = token(owner_of(user), expires_in=4.0 - CLOCK_SKEW_SECONDS)
    async with (
        gateway.socket(JSON, f"bearer.{short}") as first,
        gateway.stream(FEED, Authorization=f"Bearer {user.caller.token}") as (_, events),
    ):
        await watch(first)
        await until_listed(first, "story")
        await next_named(events, "listed")
        frames: list[dict[str, Any]] = []
        while "error" not in (frames or [{}])[-1]:
            frames.append(await first.next())
        await first.connection.wait_closed()
        id_ = await user.start(story(house.script().premise))
        event = await next_named(events, "generation")

    assert "UNAUTHENTICATED" == frames[-1]["error"]["code"]
    assert 4401 == first.connection.close_code
    assert id_ == event.data["generation"]["id"]


async def test_a_ticket_reads_one_log_and_no_feed(gateway: Gateway, user: User, house: House) -> None:
    """It is good for one generation, and once."""
    id_, other = [await user.start(story(house.script().premise)) for _ in range(2)]
    await asyncio.gather(user.log(id_), user.log(other))

    async def ticket() -> str:
        answer = await gateway.http.post("/v1/tickets", json={"generationId": id_}, headers=bearer(user))
        return str(answer.json()["ticket"])

    words = [await ticket() for _ in range(5)]
    statuses = [
        (await gateway.http.get(f"/v1/stories/{id_}/log?ticket={words[0]}")).status_code,
        (await gateway.http.get(f"/v1/stories/{id_}/log?ticket={words[0]}")).status_code,
        (await gateway.http.get(f"/v1/stories/{other}/log?ticket={words[1]}")).status_code,
        (await gateway.http.get(f"{FEED}?ticket={words[2]}")).status_code,
        (await gateway.http.get(f"/v1/events?id={id_}&ticket={words[3]}")).status_code,
    ]
    async with gateway.stream(f"/v1/stories/{id_}/log/events?ticket={words[3]}") as (response, events):
        assert (200, "line") == (response.status_code, (await next_named(events, "line")).name)
    async with gateway.socket(JSON, query=f"?ticket={words[4]}") as socket:
        await socket.send(frameId="w", watchGenerations={})
        error = (await socket.next())["error"]
        assert "done" in await socket.subscribe(id_, onlyLog={})

    assert [200, 401, 404, 401, 401] == statuses
    assert "PERMISSION_DENIED" == error["code"]


async def test_the_log_of_a_real_story_tells_of_its_stages(gateway: Gateway, user: User, house: House) -> None:
    """From its acceptance to its end, in order."""
    id_ = await user.start(story(house.script().premise))
    await user.log(id_)
    answer = (await gateway.http.get(f"/v1/stories/{id_}/log", headers=bearer(user))).json()
    lines = [each["message"] for each in answer["lines"]]

    assert ("accepted", "finished") == (lines[0], lines[-1])
    assert lines[1].startswith("taken by worker ")
    assert "outline begins, by Planner" in lines
    assert any(line.startswith("write-1 finished in ") for line in lines)
    assert answer["ended"]
    assert sorted(each["sequence"] for each in answer["lines"]) == [each["sequence"] for each in answer["lines"]]
    assert 404 == (await gateway.http.get(f"/v1/stories/{id_}/log", headers=bearer(house.user()))).status_code


async def test_what_is_listed_is_what_there_is(gateway: Gateway, user: User) -> None:
    """Started by a batch, all are in the feed of who comes after."""
    await post(gateway, user, [item()] * 12, key="many")
    async with gateway.socket(JSON, f"bearer.{user.caller.token}") as socket:
        await watch(socket, "story")
        there = await until_listed(socket, "story")

    assert 12 == len({each["generation"]["id"] for each in there})
