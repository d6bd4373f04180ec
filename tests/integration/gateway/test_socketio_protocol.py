"""Engine.IO (revision 4) and Socket.IO (revision 5) as their specifications and public test suites have them.

What those suites check with an echo server is checked with the events that are served here.
"""

from __future__ import annotations

import asyncio
import json

import pytest
import websockets
from starlette.types import Message, Receive, Scope, Send

from gateway.doors.socket_io import gate, server
from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conftest import OpenGateway
from tests.integration.gateway.socket_io_clients import QUERY, STORIES, doors, packets, polling
from tests.scripted_service import ScriptedServer, until

NAMESPACE = "/stories"


# --- Engine.IO: handshake ------------------------------------------------------------------------------------------


async def test_a_polling_session_is_opened(gateway: Gateway) -> None:
    """The first packet says all there is to know of the session, and nothing else."""
    session = await polling(gateway)

    assert {"sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"} == session.handshake.keys()
    assert (["websocket"], 20_000, 20_000, 65_536) == (
        session.handshake["upgrades"],
        session.handshake["pingInterval"],
        session.handshake["pingTimeout"],
        session.handshake["maxPayload"],
    )


async def test_a_websocket_session_is_opened(gateway: Gateway) -> None:
    """There is nothing to upgrade to."""
    async with packets(gateway) as client:
        assert {"sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"} == client.handshake.keys()
        assert [] == client.handshake["upgrades"]


@pytest.mark.parametrize(
    ("method", "query", "code"),
    [
        ("GET", "?transport=polling", 5),
        ("GET", "?EIO=abc&transport=polling", 5),
        ("GET", "?EIO=3&transport=polling", 5),
        ("GET", "?EIO=4", 0),
        ("GET", "?EIO=4&transport=abc", 0),
        ("GET", "?EIO=4&transport=polling&j=1", 0),
        ("POST", "?EIO=4&transport=polling", 2),
        ("PUT", "?EIO=4&transport=polling", 2),
        ("GET", "?EIO=4&transport=polling&sid=nobody", 1),
        ("POST", "?EIO=4&transport=polling&sid=nobody", 1),
    ],
)
async def test_a_bad_handshake_is_refused(gateway: Gateway, method: str, query: str, code: int) -> None:
    """400, with the numbers of the reference server."""
    response = await gateway.http.request(method, f"{STORIES}{query}")

    assert (400, code) == (response.status_code, response.json()["code"])


@pytest.mark.parametrize(
    "query", ["?transport=websocket", "?EIO=abc&transport=websocket", "?EIO=4", "?EIO=4&transport=x"]
)
async def test_a_bad_websocket_handshake_is_refused(gateway: Gateway, query: str) -> None:
    """It never becomes an open socket."""
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(f"ws://{gateway.host}{STORIES}{query}")

    assert 400 == refused.value.response.status_code


# --- Engine.IO: messages, heartbeat, close -------------------------------------------------------------------------


async def test_packets_of_one_body_are_all_taken_and_those_of_one_answer_are_separated(gateway: Gateway) -> None:
    """Separated by the record separator, both ways."""
    session = await polling(gateway)
    sent = await session.send(
        '40/stories,\x1e42/stories,1["story:leave",{"storyId":"story-00000000-0000-4000-8000-000000000001"}]'
    )
    connected, acknowledged = await session.fetched(2)

    assert (200, "ok", "no-store") == (sent.status_code, sent.text, sent.headers["cache-control"])
    assert connected.startswith('40/stories,{"sid":')
    assert '43/stories,1[{"success":true}]' == acknowledged


async def test_a_page_may_send_many_packets_at_once(gateway: Gateway) -> None:
    """All that has gathered while it had no connection."""
    session = await polling(gateway)
    asked = [
        f'42/stories,{n}["story:leave",{{"storyId":"story-00000000-0000-4000-8000-000000000001"}}]' for n in range(100)
    ]
    await session.send("\x1e".join(["40/stories,", *asked]))

    assert 101 == len(await session.fetched(101))


@pytest.mark.parametrize(
    "body", ["abc", "", "4", "4abc", "2\x1e", "0{}", "b", "bA", "b½", "47", "\x1e".join(["3"] * 300)]
)
async def test_a_body_that_cannot_be_read_ends_its_session(gateway: Gateway, body: str) -> None:
    """And is refused; what else waits for the session hears its end."""
    session = await polling(gateway)
    waiting = asyncio.create_task(session.poll())
    await asyncio.sleep(0.05)
    refused = await session.send(body)

    assert (400, 3) == (refused.status_code, refused.json()["code"])
    assert (200, "1") == ((await waiting).status_code, waiting.result().text)
    assert 400 == (await session.poll()).status_code


async def test_too_large_a_body_ends_its_session(gateway: Gateway) -> None:
    """The handshake has said how large one may be."""
    session = await polling(gateway)
    refused = await session.send("4" + "0" * session.handshake["maxPayload"])

    assert [400, 400] == [refused.status_code, (await session.poll()).status_code]


async def test_two_polls_at_once_end_the_session(gateway: Gateway) -> None:
    """Which of them gets what would be chance."""
    session = await polling(gateway)
    first = asyncio.create_task(session.poll())
    await asyncio.sleep(0.05)
    second = await session.poll()

    assert (400, "1") == (second.status_code, (await first).text)
    assert 400 == (await session.poll()).status_code


async def test_who_is_answered_may_ask_again_at_once(gateway: Gateway) -> None:
    """On another connection, and however long the gateway takes to be done with the request before."""
    application = gateway.server.config.loaded_app

    async def lingering(scope: Scope, receive: Receive, send: Send) -> None:
        async def sends(message: Message) -> None:
            await send(message)
            if message["type"] == "http.response.body":
                await asyncio.sleep(0.2)

        await application(scope, receive, sends)

    gateway.server.config.loaded_app = lingering
    session = await polling(gateway)
    answers = []
    for packet in ("40/stories,", '42/stories,1["nothing"]', '42/stories,2["nothing"]'):
        answers += [await session.send(packet), await session.poll()]
    both = [await session.send('42/stories,3["nothing"]'), await session.send('42/stories,4["nothing"]')]

    assert [200] * 8 == [answer.status_code for answer in (*answers, *both)]


async def test_a_poll_that_is_hung_up_ends_the_session(gateway: Gateway) -> None:
    """What it was to get would be lost without anybody's notice."""
    session = await polling(gateway)
    waiting = asyncio.create_task(session.poll())
    await asyncio.sleep(0.1)
    waiting.cancel()
    await until(lambda: not gateway.house.connections)

    assert 400 == (await session.poll()).status_code


async def test_polling_clients_are_pinged_and_closed_if_they_do_not_answer(
    open_gateway: OpenGateway, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pong keeps the session; silence ends it."""
    monkeypatch.setattr("gateway.doors.socket_io.server.PING_TIMEOUT_SECONDS", 0.5)
    async with open_gateway(server.address, keepalive_seconds=1.0) as gateway:
        session = await polling(gateway)
        for _ in range(2):
            assert "2" == (await session.poll()).text
            assert 200 == (await session.send("3")).status_code
        assert "2" == (await session.poll()).text
        await until(lambda: not gateway.house.connections)
        assert 400 == (await session.poll()).status_code


async def test_websocket_clients_are_pinged_and_closed_if_they_do_not_answer(
    open_gateway: OpenGateway, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same."""
    monkeypatch.setattr("gateway.doors.socket_io.server.PING_TIMEOUT_SECONDS", 0.5)
    async with open_gateway(server.address, keepalive_seconds=1.0) as gateway, packets(gateway) as client:
        for _ in range(2):
            assert "2" == await client.raw()
            await client.send("3")
        assert "2" == await client.raw()
        await client.closed()
        assert 0 == gateway.house.connections


async def test_a_goodbye_ends_a_polling_session(gateway: Gateway) -> None:
    """The poll that waits is ended with a NOOP."""
    session = await polling(gateway)
    waiting = asyncio.create_task(session.poll())
    await asyncio.sleep(0.05)
    said = await session.send("1")

    assert [200, 200, "6"] == [said.status_code, (await waiting).status_code, waiting.result().text]
    assert 400 == (await session.poll()).status_code
    assert 0 == gateway.house.connections


async def test_a_goodbye_ends_a_websocket(gateway: Gateway) -> None:
    """Cleanly."""
    async with packets(gateway) as client:
        await client.send("1")
        assert 1000 == await client.closed()
    await until(lambda: not gateway.house.connections)


# --- Engine.IO: upgrade --------------------------------------------------------------------------------------------


async def test_polling_is_upgraded_to_a_websocket(gateway: Gateway) -> None:
    """What is sent afterwards goes over it, and nothing over HTTP or a second WebSocket."""
    session = await polling(gateway)
    query = f"&sid={session.handshake['sid']}"
    waiting = asyncio.create_task(session.poll())
    async with packets(gateway, query=query) as client:
        await client.send("2probe")
        assert "3probe" == await client.raw()
        assert "6" == (await waiting).text
        await client.send("5")
        assert (await client.connect(NAMESPACE)).startswith("40/stories,")
        assert 400 == (await session.poll()).status_code
        async with packets(gateway, query=query) as second:
            assert 1008 == await second.closed()
        assert 1 == gateway.house.connections
    await until(lambda: not gateway.house.connections)


async def test_what_waits_while_a_connection_is_upgraded_comes_by_the_websocket(gateway: Gateway) -> None:
    """In order, each once."""
    session = await polling(gateway)
    await session.send("40/stories,")
    assert (await session.fetched(1))[0].startswith("40/stories,")
    async with packets(gateway, query=f"&sid={session.handshake['sid']}") as client:
        await client.send("2probe")
        assert "3probe" == await client.raw()
        await session.send('42/stories,1["story:leave",{"storyId":"story-00000000-0000-4000-8000-000000000001"}]')
        await client.send("5")
        assert '43/stories,1[{"success":true}]' == await client.next()


async def test_an_upgrade_that_is_given_up_leaves_the_session_to_be_polled(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the client or the server gives it up."""
    session = await polling(gateway)
    query = f"&sid={session.handshake['sid']}"
    async with packets(gateway, query=query) as client:
        await client.send("2probe")
        assert "3probe" == await client.raw()
    async with packets(gateway, query=query):
        pass
    monkeypatch.setattr(gate, "UPGRADE_SECONDS", 0.1)
    async with packets(gateway, query=query) as client:
        await client.send("2probe")
        assert "3probe" == await client.raw()
        assert 1000 == await client.closed()
    await session.send("40/stories,")

    assert (await session.fetched(1))[0].startswith("40/stories,")


# --- Socket.IO -----------------------------------------------------------------------------------------------------


async def test_a_namespace_lets_in_with_and_without_credentials(gateway: Gateway) -> None:
    """The answer is an id, and nothing else."""
    for auth in (None, {}, {"token": "any"}):
        async with packets(gateway) as client:
            answer = await client.connect(NAMESPACE, auth)
            assert answer.startswith("40/stories,")
            assert ["sid"] == list(json.loads(answer.removeprefix("40/stories,")))


@pytest.mark.parametrize("namespace", ["/", "/random"])
async def test_an_unknown_namespace_is_refused(gateway: Gateway, namespace: str) -> None:
    """And the connection stays for others."""
    async with packets(gateway) as client:
        where = "" if namespace == "/" else f"{namespace},"
        assert f'44{where}{{"message":"Invalid namespace"}}' == await client.connect(namespace)
        assert (await client.connect(NAMESPACE)).startswith("40/stories,")


@pytest.mark.parametrize(
    "packet",
    [
        "4abc",
        "42{}",
        "42[]",
        "42[1]",
        '42abc["story:leave",{}]',
        '42/stories,["disconnect"]',
        '42/stories,["connect",{}]',
        "40/stories,[]",
        "44/stories,{}",
        "45",
        "452-[]",
        "451-{}",
        '417-["story:leave",{"_placeholder":true,"num":0}]',
        '452-["story:leave",{"_placeholder":true,"num":0}]\x1e',
        "45[]",
        "42-[]",
        "42/stories,[" + "[" * 50_000,
        "42/stories," + "9" * 200 + '["x"]',
        "9",
        "",
        "½",
        "4½",
        "2",
    ],
)
async def test_what_is_no_packet_ends_the_connection(gateway: Gateway, packet: str) -> None:
    """Also behind a namespace that one was let into; nothing of it is left."""
    async with packets(gateway) as client:
        await client.connect(NAMESPACE)
        await client.send(packet)
        assert 1007 == await client.closed()
    await until(lambda: not gateway.house.connections)
    assert {} == doors(gateway).sessions


async def test_binary_messages_without_a_packet_end_the_connection(gateway: Gateway) -> None:
    """They are attachments of nothing."""
    async with packets(gateway) as client:
        await client.socket.send(b"\1\2\3")
        assert 1007 == await client.closed()


async def test_who_leaves_a_namespace_may_come_again(gateway: Gateway) -> None:
    """On the same connection; in between events are not obeyed."""
    async with packets(gateway) as client:
        await client.connect(NAMESPACE)
        await client.send("41/stories,")
        await client.send('42/stories,1["story:leave",{"storyId":"story-00000000-0000-4000-8000-000000000001"}]')
        assert (await client.connect(NAMESPACE)).startswith("40/stories,")
        assert ({"success": True}, []) == await client.ask(
            "story:leave", {"storyId": "story-00000000-0000-4000-8000-000000000001"}, NAMESPACE
        )


async def test_events_that_are_not_known_are_no_trouble(gateway: Gateway) -> None:
    """Who wants an acknowledgement is told, and the connection stays."""
    async with packets(gateway) as client:
        await client.connect(NAMESPACE)
        await client.emit("nonsense", {}, NAMESPACE)
        refused, _ = await client.ask("nonsense", {}, NAMESPACE)
        assert (False, "INVALID_REQUEST") == (refused["success"], refused["code"])
        assert ({"success": True}, []) == await client.ask(
            "story:leave", {"storyId": "story-00000000-0000-4000-8000-000000000001"}, NAMESPACE
        )


async def test_who_is_let_into_nothing_is_sent_away(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, open_gateway: OpenGateway
) -> None:
    """A connection that comes to nothing does not last; one that does is not touched."""
    monkeypatch.setattr(server, "CONNECT_SECONDS", 0.3)
    async with packets(gateway) as idle, packets(gateway) as busy:
        await busy.connect(NAMESPACE)
        await idle.closed()
        await asyncio.sleep(0.2)
        assert ({"success": True}, []) == await busy.ask(
            "story:leave", {"storyId": "story-00000000-0000-4000-8000-000000000001"}, NAMESPACE
        )


# --- the house's rules ---------------------------------------------------------------------------------------------


async def test_connections_are_bounded_and_counted(open_gateway: OpenGateway, server: ScriptedServer) -> None:
    """Over both transports; the refusal says when to come again."""
    async with open_gateway(server.address, max_connections=1) as gateway, packets(gateway):
        refused = await gateway.http.get(f"{STORIES}{QUERY}polling")
        with pytest.raises(websockets.InvalidStatus) as denied:
            await websockets.connect(f"ws://{gateway.host}{STORIES}{QUERY}websocket")
        metrics = (await gateway.http.get("/metrics")).text

    assert [429, 429] == [refused.status_code, denied.value.response.status_code]
    assert "retry-after" in refused.headers
    assert 'fabula_gateway_connections{door="socket.io"} 1.0' in metrics


@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:1"])
async def test_pages_of_other_sites_are_refused(gateway: Gateway, origin: str) -> None:
    """By the rule of all doors, over both transports."""
    refused = await gateway.http.get(f"{STORIES}{QUERY}polling", headers={"origin": origin})
    with pytest.raises(websockets.InvalidStatus) as denied:
        await websockets.connect(f"ws://{gateway.host}{STORIES}{QUERY}websocket", additional_headers={"origin": origin})

    assert [403, 403] == [refused.status_code, denied.value.response.status_code]
    assert "access-control-allow-origin" not in refused.headers


async def test_pages_of_allowed_sites_may_read_what_they_get(open_gateway: OpenGateway, server: ScriptedServer) -> None:
    """Answers, refusals and preflight requests alike."""
    origin = {"origin": "https://stories.example"}
    async with open_gateway(server.address, allowed_origins=("https://stories.example",)) as gateway:
        own = await gateway.http.get(f"{STORIES}{QUERY}polling", headers={"origin": f"http://{gateway.host}"})
        good = await gateway.http.get(f"{STORIES}{QUERY}polling", headers=origin)
        bad = await gateway.http.get(f"{STORIES}?EIO=4", headers=origin)
        asked = {**origin, "access-control-request-method": "POST", "access-control-request-headers": "authorization"}
        preflight = await gateway.http.options(f"{STORIES}{QUERY}polling", headers=asked)

    assert [200, 200, 400, 200] == [each.status_code for each in (own, good, bad, preflight)]
    allowed = {each.headers["access-control-allow-origin"] for each in (good, bad, preflight)}
    assert {"https://stories.example"} == allowed
    assert "authorization" in preflight.headers["access-control-allow-headers"]


async def test_a_closing_gateway_ends_connections_so_that_clients_come_back(gateway: Gateway) -> None:
    """A WebSocket with the code for restarts, a poll with a goodbye; both are no word of the namespace's end."""
    session = await polling(gateway)
    async with packets(gateway) as client:
        await client.connect(NAMESPACE)
        waiting = asyncio.create_task(session.poll())
        await asyncio.sleep(0.05)
        await gateway.end()
        assert 1012 == await client.closed()
        assert "1" == (await waiting).text
