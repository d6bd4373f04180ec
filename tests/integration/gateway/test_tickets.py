"""Tickets at the gateway's doors, before a real service: what cannot send a token shows one, once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
import websockets

from fabula.journal.embedded import EmbeddedServer
from fabula.rpc import tickets
from fabula.rpc.auth import CLOCK_SKEW_SECONDS
from tests.integration.gateway.clients import Gateway, Socket
from tests.integration.gateway.conftest import running_gateway
from tests.integration.story.house import SECRET, House, User, open_house, owner_of, story, token

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A story server and a worker."""
    async with EmbeddedServer(tmp_path_factory.mktemp("nats")) as nats, open_house(nats.url) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateways(house: House) -> AsyncIterator[tuple[Gateway, Gateway]]:
    """Two gateways that know nothing of each other."""
    async with (
        running_gateway(house.address, generators=("story",), jwt_secret=SECRET) as one,
        running_gateway(house.address, generators=("story",), jwt_secret=SECRET) as other,
    ):
        yield one, other


@pytest_asyncio.fixture(loop_scope="module")
async def mine(house: House) -> tuple[User, str]:
    """A story that is written."""
    user = house.user()
    id_ = await user.start(story(house.script().premise))
    await user.log(id_)
    return user, id_


async def ask(gateway: Gateway, user: User, id_: str) -> httpx.Response:
    """Ask for a ticket."""
    auth = {"authorization": f"Bearer {user.caller.token}"}
    return await gateway.http.post("/v1/tickets", json={"generationId": id_}, headers=auth)


async def ticket(gateway: Gateway, user: User, id_: str) -> str:
    """Return a ticket."""
    answer = await ask(gateway, user, id_)
    assert 200 == answer.status_code, answer.text
    word: str = answer.json()["ticket"]
    return word


async def status_of(gateway: Gateway, id_: str, word: str) -> int:
    """Return what an event stream with this ticket is answered; read it to its end."""
    async with gateway.events(id_, f"?ticket={word}") as (response, events):
        if response.status_code == 200:
            assert "ended" in [event.name async for event in events]
        return response.status_code


async def first_error(gateway: Gateway, id_: str, word: str) -> str:
    """Return the code with which a socket with this ticket refuses to subscribe; empty if it does not."""
    async with websockets.connect(f"ws://{gateway.host}/v1/ws?ticket={word}") as connection:
        socket = Socket(connection)
        try:
            answer = await socket.subscribe(id_)
        except websockets.ConnectionClosed:
            return "closed"
        code: str = answer.get("error", {}).get("code", "")
        return code


async def test_a_ticket_of_one_gateway_opens_a_stream_at_another_once(
    gateways: tuple[Gateway, Gateway], mine: tuple[User, str]
) -> None:
    """Used, it is good nowhere."""
    one, other = gateways
    word = await ticket(one, *mine)

    assert re.fullmatch(r"story\.[\w-]{43}", word)
    assert [200, 401, 401] == [await status_of(at, mine[1], word) for at in (other, other, one)]


async def test_who_finds_no_place_keeps_the_ticket(
    gateways: tuple[Gateway, Gateway], mine: tuple[User, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To come back with, as the answer says."""
    one, word = gateways[0], await ticket(gateways[0], *mine)
    monkeypatch.setattr(one.house.places, "_most", 0)
    path, lines = f"/v1/generations/{mine[1]}", {"accept": "application/x-ndjson"}
    for address in (f"{path}/events", f"{path}/log/events", f"{path}/log", f"/run/stream/{mine[1]}"):
        assert 429 == (await one.http.get(f"{address}?ticket={word}", headers=lines)).status_code, address
    monkeypatch.undo()

    assert 200 == await status_of(one, mine[1], word)


async def test_of_many_who_show_it_at_once_one_is_let_in(
    gateways: tuple[Gateway, Gateway], mine: tuple[User, str]
) -> None:
    """At both gateways together."""
    word = await ticket(gateways[0], *mine)
    statuses = await asyncio.gather(*(status_of(gateways[n % 2], mine[1], word) for n in range(10)))

    assert [200, *[401] * 9] == sorted(statuses)


async def test_a_socket_by_ticket_reads_its_generation_and_does_nothing_else(
    gateways: tuple[Gateway, Gateway], mine: tuple[User, str], house: House
) -> None:
    """Another story of the same owner is as unknown as anybody's, though somebody watches it here."""
    user, id_ = mine
    script = house.script(hold_before=1)
    other = await user.start(story(script.premise))
    await asyncio.wait_for(script.held.wait(), 20)
    one = gateways[0]
    async with one.socket("fabula.v1.json", f"bearer.{user.caller.token}") as beside:
        await beside.subscribe(other)
        word = await ticket(one, user, id_)
        async with websockets.connect(f"ws://{one.host}/v1/ws?ticket={word}") as connection:
            socket = Socket(connection)
            assert "done" in await socket.subscribe(id_)
            assert "ended" in (await socket.until_end())[-1]
            assert "NOT_FOUND" == (await socket.subscribe(other))["error"]["code"]
            for command in ("cancel", "pause", "resume"):
                await socket.send(frameId="c", **{command: {"generationId": id_}})
                assert "PERMISSION_DENIED" == (await socket.next())["error"]["code"]
            # Who then shows who he is may do what he may.
            await socket.send(frameId="t", authenticate={"token": user.caller.token})
            assert "done" in await socket.next()
            assert "done" in await socket.subscribe(other)
    house.release()


async def test_a_ticket_is_for_its_generation(gateways: tuple[Gateway, Gateway], mine: tuple[User, str]) -> None:
    """At another's address it is used up, and opens nothing."""
    user, id_ = mine
    foreign = f"story-{'0' * 8}-0000-4000-8000-{'0' * 12}"
    word = await ticket(gateways[0], user, id_)

    assert [404, 401] == [await status_of(gateways[0], address, word) for address in (foreign, id_)]


@pytest.mark.parametrize("word", ["story.unknown", "junk", "image.x", "x" * 500, "story." + "é" * 20])
async def test_what_is_no_ticket_opens_nothing(
    gateways: tuple[Gateway, Gateway], mine: tuple[User, str], word: str
) -> None:
    """A stream is refused, a socket closed with 4401."""
    assert 401 == await status_of(gateways[0], mine[1], word)
    assert "closed" == await first_error(gateways[0], mine[1], word)


async def test_a_ticket_is_asked_for_with_a_token_and_for_an_id(
    gateways: tuple[Gateway, Gateway], mine: tuple[User, str], house: House
) -> None:
    """Everything else is refused by its name; a token in the address is none."""
    one, (user, id_) = gateways[0], mine
    auth = {"authorization": f"Bearer {user.caller.token}"}
    assert 401 == (await one.http.post("/v1/tickets", json={"generationId": id_})).status_code
    assert 401 == (await one.http.post(f"/v1/tickets?token={user.caller.token}", json={})).status_code
    for body, status in (
        ({}, 400),
        ({"generationId": "x"}, 404),
        ({"id": "x"}, 400),
        ({"generationId": "x" * 99}, 400),
    ):
        assert status == (await one.http.post("/v1/tickets", json=body, headers=auth)).status_code
    word = await ticket(one, user, id_)
    again = await one.http.post(f"/v1/tickets?ticket={word}", json={"generationId": id_})
    assert 401 == again.status_code


async def test_a_ticket_lasts_half_a_minute(
    gateways: tuple[Gateway, Gateway], mine: tuple[User, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here less, so that it can be waited for; asked for again, there is another."""
    monkeypatch.setattr(tickets, "TICKET_SECONDS", 0.5)
    word = await ticket(gateways[0], *mine)
    await asyncio.sleep(0.7)

    assert 401 == await status_of(gateways[0], mine[1], word)
    monkeypatch.undo()
    assert 30 == tickets.TICKET_SECONDS
    assert 200 == await status_of(gateways[0], mine[1], await ticket(gateways[0], *mine))


async def test_who_came_by_ticket_leaves_when_the_askers_token_expires(
    gateways: tuple[Gateway, Gateway], house: House
) -> None:
    """A ticket makes nobody stay longer."""
    user, script = house.user(), house.script(hold_before=1)
    id_ = await user.start(story(script.premise))
    brief = house.user_with(token(owner_of(user), expires_in=4 - CLOCK_SKEW_SECONDS))
    word = await ticket(gateways[0], brief, id_)
    async with gateways[0].events(id_, f"?ticket={word}") as (_, events), asyncio.timeout(20):
        last = [event async for event in events][-1]
    house.release()

    assert ("problem", "UNAUTHENTICATED") == (last.name, last.data["code"])
