"""Engine.IO 4 and Socket.IO 5 at both places: the cases of the public test suites, which need no server that echoes.

Source: `docs/engine.io-protocol/v4-test-suite` and `docs/socket.io-protocol/v5-test-suite` of socketio/socket.io.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
import websockets

from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conformance.conftest import LOOSE
from tests.integration.gateway.conformance.wire import wire
from tests.integration.gateway.conftest import running_gateway
from tests.integration.gateway.socket_io_clients import (
    CHARACTERS,
    QUERY,
    STORIES,
    Packets,
    doors,
    packets,
    polling,
)
from tests.scripted_service import ScriptedServer, until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass(frozen=True, slots=True)
class Place:
    """A path, what is served there, and an event of it with its content."""

    path: str
    namespace: str
    event: str
    content: dict[str, str]

    @property
    def within(self) -> str:
        """What stands in a packet for the namespace."""
        return "" if self.namespace == "/" else f"{self.namespace},"


PLACES = [
    Place(STORIES, "/stories", "story:leave", {"storyId": "story-00000000-0000-4000-8000-000000000001"}),
    Place(CHARACTERS, "/", "leave_character_generation", {"sessionId": "00000000-0000-4000-8000-000000000001"}),
]


@pytest.fixture(params=PLACES, ids=["stories", "characters"])
def place(request: pytest.FixtureRequest) -> Place:
    """Each of the two."""
    found: Place = request.param
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hasty(services: ScriptedServer) -> AsyncIterator[Gateway]:
    """A gateway that pings each second, and waits a fifth of one."""
    settings: dict[str, Any] = {
        "generators": ("story", "image", "character"),
        "character_address": services.address,
        **LOOSE,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gateway.doors.socket_io.server.PING_TIMEOUT_SECONDS", 0.2)
        patch.setattr("gateway.doors.socket_io.server.CONNECT_SECONDS", 2.5)
        async with running_gateway(services.address, keepalive_seconds=1.0, **settings) as running:
            yield running


# --- Engine.IO -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("transport", "upgrades"), [("polling", ["websocket"]), ("websocket", [])])
async def test_a_session_is_opened(hasty: Gateway, place: Place, transport: str, upgrades: list[str]) -> None:
    """With exactly these five things said."""
    if transport == "polling":
        said = (await polling(hasty, place.path)).handshake
    else:
        async with packets(hasty, place.path) as client:
            said = client.handshake
    sid = said.pop("sid")
    assert {"upgrades": upgrades, "pingInterval": 1000, "pingTimeout": 200, "maxPayload": 65_536} == said
    assert isinstance(sid, str)


@pytest.mark.parametrize(
    "query", ["transport={t}", "EIO=abc&transport={t}", "EIO=3&transport={t}", "EIO=4", "EIO=4&transport=abc"]
)
async def test_a_bad_query_is_refused(shared: Gateway, place: Place, query: str) -> None:
    """400, over both transports."""
    assert 400 == (await shared.http.get(f"{place.path}?{query.format(t='polling')}")).status_code
    with pytest.raises(websockets.InvalidStatus) as refused:
        await websockets.connect(f"ws://{shared.host}{place.path}?{query.format(t='websocket')}")
    assert 400 == refused.value.response.status_code


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_another_method_is_refused(shared: Gateway, place: Place, method: str) -> None:
    """Without a session, and, except POST, with one."""
    assert 400 == (await shared.http.request(method, f"{place.path}{QUERY}polling")).status_code
    session = await polling(shared, place.path)
    if method != "POST":
        assert 400 == (await shared.http.request(method, session.address)).status_code


async def test_packets_go_both_ways(shared: Gateway, place: Place) -> None:
    """One, several in a body, and a binary one that has its place among them."""
    session = await polling(shared, place.path)
    sent = await session.send(f"40{place.within}")
    assert (200, "ok") == (sent.status_code, sent.text)
    assert (await session.poll()).text.startswith(f'40{place.within}{{"sid":')
    event = json.dumps([place.event, place.content])
    binary = json.dumps([place.event, {"_placeholder": True, "num": 0}])
    sent = await session.send(
        f"42{place.within}1{event}\x1e451-{place.within}2{binary}\x1ebAQIDBA==\x1e42{place.within}3{event}"
    )
    assert (200, "ok") == (sent.status_code, sent.text)
    answers = await session.fetched(3)
    assert [f"43{place.within}{number}[" for number in (1, 2, 3)] == [each.partition("{")[0] for each in answers]
    assert ["true", "false", "true"] == [
        json.dumps(json.loads(each[each.index("[") :])[0]["success"]) for each in answers
    ]


@pytest.mark.parametrize("body", ["abc", "0", "2", "6", "4", "", "b!", "\x1e40"])
async def test_a_body_that_is_none_ends_the_session(shared: Gateway, place: Place, body: str) -> None:
    """With 400; so is whatever follows."""
    session = await polling(shared, place.path)
    assert 400 == (await session.send(body)).status_code
    assert 400 == (await session.poll()).status_code


async def test_two_polls_at_once_end_the_session(shared: Gateway, place: Place) -> None:
    """The first hears a goodbye."""
    session = await polling(shared, place.path)
    first = asyncio.create_task(session.poll())
    await asyncio.sleep(0.02)
    assert 400 == (await session.poll()).status_code
    assert (200, "1") == ((await first).status_code, (await first).text)
    assert 400 == (await session.poll()).status_code


async def test_two_bodies_at_once_end_the_session(shared: Gateway, place: Place) -> None:
    """Nobody could say which was first; nobody is let in twice, and nothing is left of the session."""
    session = await polling(shared, place.path)
    async with wire(shared.host) as slow:
        head = (
            f"POST {session.address} HTTP/1.1\r\nHost: {shared.host}\r\nContent-Length: {2 + len(place.within)}\r\n\r\n"
        )
        await slow.send(head.encode() + b"4")
        await asyncio.sleep(0.05)
        assert 400 == (await session.send(f"40{place.within}")).status_code
        await slow.send(f"0{place.within}".encode())
        assert 400 == (await slow.answer()).status
    assert 400 == (await session.poll()).status_code
    assert session.handshake["sid"] not in doors(shared, place.path).sessions


async def test_a_goodbye_ends_the_poll_that_waits(shared: Gateway, place: Place) -> None:
    """With a NOOP, each time, however close together the two come."""
    for _ in range(20):
        session = await polling(shared, place.path)
        waiting = asyncio.create_task(session.poll())
        found = doors(shared, place.path).sessions[session.handshake["sid"]]
        while not found.is_asked("GET"):  # noqa: ASYNC110 - the very next turn is the matter here
            await asyncio.sleep(0)
        assert 200 == (await session.send("1")).status_code
        assert (200, "6") == ((await waiting).status_code, (await waiting).text)
        assert 400 == (await session.poll()).status_code


@pytest.mark.parametrize(("packet", "code"), [("1", 1000), ("abc", 1007), ("6", 1007), ("0", 1007)])
async def test_a_websocket_is_closed(shared: Gateway, place: Place, packet: str, code: int) -> None:
    """By a goodbye, and by what is no packet."""
    async with packets(shared, place.path) as client:
        await client.send(packet)
        assert code == await client.closed()


async def test_pongs_keep_a_session(hasty: Gateway, place: Place) -> None:
    """Over both transports."""
    session = await polling(hasty, place.path)
    async with packets(hasty, place.path) as client:
        for _ in range(2):
            assert "2" == (await session.poll()).text
            assert "ok" == (await session.send("3")).text
            assert "2" == await client.raw()
            await client.send("3")


async def test_silence_ends_a_session(hasty: Gateway, place: Place) -> None:
    """As soon as it was said, over both transports."""
    session = await polling(hasty, place.path)
    async with packets(hasty, place.path) as client:
        await asyncio.sleep(1.25)
        assert 400 == (await session.poll()).status_code
        assert "2" == await client.raw()
        await client.closed()


async def test_polling_becomes_a_websocket(shared: Gateway, place: Place) -> None:
    """A poll is ended with a NOOP, no NOOP comes over the WebSocket; the session is nobody else's afterwards."""
    session = await polling(shared, place.path)
    query = f"&sid={session.handshake['sid']}"
    async with packets(shared, place.path, query) as client:
        await client.send("2probe")
        assert "3probe" == await client.raw()
        assert "6" == (await session.poll()).text
        await client.send("5")
        await client.send(f"40{place.within}")
        assert (await client.raw()).startswith(f"40{place.within}{{")
        assert 400 == (await session.poll()).status_code
        assert 400 == (await session.send("3")).status_code
        async with packets(shared, place.path, query) as second:
            assert 1008 == await second.closed()
        await client.emit(place.event, place.content, place.namespace, ack=1)
        assert f'43{place.within}1[{{"success":true}}]' == await client.raw()


async def test_a_probe_in_a_body_ends_the_session(shared: Gateway, place: Place) -> None:
    """At once: it belongs to a WebSocket, and nobody waits until a goodbye has been fetched."""
    session = await polling(shared, place.path)

    assert 400 == (await asyncio.wait_for(session.send("2probe"), 5)).status_code
    assert 400 == (await session.poll()).status_code


async def test_who_leaves_while_changing_is_gone(shared: Gateway, place: Place) -> None:
    """Its WebSocket is closed, and takes over nothing."""
    session = await polling(shared, place.path)
    async with packets(shared, place.path, f"&sid={session.handshake['sid']}") as client:
        await client.send("2probe")
        assert "3probe" == await client.raw()
        assert 200 == (await session.send("1")).status_code
        await client.send("5")
        assert 1000 == await client.closed()


async def test_what_comes_with_a_pong_is_not_read(shared: Gateway, place: Place) -> None:
    """However deep it goes."""
    session = await polling(shared, place.path)
    assert "ok" == (await session.send("3" + "[" * 20_000)).text
    async with packets(shared, place.path) as client:
        await client.send("3" + "[" * 20_000)
        assert (await client.connect(place.namespace)).startswith(f"40{place.within}")


async def test_packets_of_the_protocol_are_bounded_as_messages_are(shared: Gateway, place: Place) -> None:
    """Else they would be the cheapest way to keep the gateway busy."""
    async with packets(shared, place.path) as client:
        with suppress(websockets.ConnectionClosed):
            for _ in range(2 * shared.house.settings.messages_at_once):
                await client.send("3")
        assert 4429 == await client.closed()


# --- Socket.IO -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("auth", ["", "{}", '{"token":"123"}'])
async def test_who_may_is_let_in(shared: Gateway, place: Place, auth: str) -> None:
    """The answer is an id; who asks again is told it again."""
    async with packets(shared, place.path) as client:
        answers = []
        for _ in range(2):
            await client.send(f"40{place.within}{auth}")
            answers.append(await client.next())
        assert ["sid"] == list(json.loads(answers[0].removeprefix(f"40{place.within}")))
        assert answers[0] == answers[1]


async def test_other_namespaces_are_refused(shared: Gateway, place: Place) -> None:
    """With this message, and the connection stays."""
    async with packets(shared, place.path) as client:
        await client.send("40/random")
        assert '44/random,{"message":"Invalid namespace"}' == await client.next()
        assert (await client.connect(place.namespace)).startswith(f"40{place.within}")


@pytest.mark.parametrize(
    "first", ['42{n}["x"]', "41{n}", "43{n}1[]", "44{n}{{}}", '451-{n}["x",{p}]', "4abc", "40{n}[]"]
)
async def test_who_does_not_ask_first_is_sent_away(shared: Gateway, place: Place, first: str) -> None:
    """The first packet has to be CONNECT."""
    async with packets(shared, place.path) as client:
        await client.send(first.format(n=place.within, p='{"_placeholder":true,"num":0}'))
        assert 1007 == await client.closed()


async def test_who_asks_for_nothing_is_sent_away(hasty: Gateway, place: Place) -> None:
    """After a while, though the pings are answered; so is who has left."""
    async with packets(hasty, place.path) as idle, packets(hasty, place.path) as left:
        await left.connect(place.namespace)
        await left.send(f"41{place.within}")
        for client in (idle, left):
            with pytest.raises(websockets.ConnectionClosed):
                await client.next()  # answers pings on the way


async def test_who_leaves_is_still_pinged(hasty: Gateway, place: Place) -> None:
    """The connection outlasts the namespace."""
    async with packets(hasty, place.path) as client:
        await client.connect(place.namespace)
        await client.send(f"41{place.within}")
        assert "2" == await client.raw()


@pytest.mark.parametrize(
    "packet",
    [
        "4abc", "42{n}{{}}", "42{n}", "42{n}[]", '42{n}abc["x"]', '42{n}["x"', "43{n}[]", "43{n}1{{}}", "45{n}[]",
        "451-{n}{{}}", "451-{n}[1]", '4599-{n}["x"]', '452-{n}["x"]|42{n}["x"]', '451-{n}["x"]|40{n}', "47",
    ],
)  # fmt: skip
async def test_what_is_no_packet_ends_the_connection(shared: Gateway, place: Place, packet: str) -> None:
    """Of whatever type it should have been; nothing else may come while attachments are missing."""
    async with packets(shared, place.path) as client:
        await client.connect(place.namespace)
        for each in packet.split("|"):
            await client.send(each.format(n=place.within))
        assert 1007 == await client.closed()


ATTACHED = [
    (1, '{"_placeholder":true,"num":0}', [b"\1\2\3"]),
    (2, '{"a":[{"_placeholder":true,"num":1}],"b":{"_placeholder":true,"num":0}}', [b"", b"\1"]),
    (1, '{"storyId":{"_placeholder":true,"num":0},"sessionId":{"_placeholder":true,"num":0}}', [b"x" * 60_000]),
]


@pytest.mark.parametrize(("count", "content", "parts"), ATTACHED, ids=["one", "two", "large"])
async def test_binary_events_are_understood(
    shared: Gateway, place: Place, count: int, content: str, parts: list[bytes]
) -> None:
    """No event here takes any: the acknowledgement says so, and the connection stays."""
    async with packets(shared, place.path) as client:
        await client.connect(place.namespace)
        await client.send(f'45{count}-{place.within}789["{place.event}",{content}]')
        for part in parts:
            await client.socket.send(part)
        answer = await client.next()
        assert answer.startswith(f"43{place.within}789[")
        assert not json.loads(answer[answer.index("[") :])[0]["success"]
        assert await acknowledges(client, place)


@pytest.mark.parametrize(
    ("packet", "parts"),
    [
        ('451-{n}["x",{{"_placeholder":true,"num":7}}]', [b"x"]),
        ('451-{n}["x",{{"_placeholder":true,"num":"0"}}]', [b"x"]),
        ('451-{n}["x"]', [b"x", b"y"]),
        ('453-{n}["x"]', [b"x" * 30_000] * 3),
        ("461-{n}1[]", [b"x", b"y"]),
    ],
    ids=["no such attachment", "an attachment of no number", "one too many", "too large", "behind an acknowledgement"],
)
async def test_bad_attachments_end_the_connection(
    shared: Gateway, place: Place, packet: str, parts: list[bytes]
) -> None:
    """Those that are not asked for, not there, or too large together."""
    async with packets(shared, place.path) as client:
        await client.connect(place.namespace)
        await client.send(packet.format(n=place.within))
        for part in parts:
            await client.socket.send(part)
        assert 1007 == await client.closed()
    await until(lambda: not doors(shared, place.path).sessions)


async def test_events_are_acknowledged(shared: Gateway, place: Place) -> None:
    """With their own number, also those that there are not; acknowledgements of nothing are passed over."""
    async with packets(shared, place.path) as client:
        await client.connect(place.namespace)
        await client.send(f"43{place.within}12[]")
        for number in (0, 456, 10**15):
            await client.send(f'42{place.within}{number}["nonsense",1,"2",{{"3":[false]}}]')
            assert (await client.next()).startswith(f'43{place.within}{number}[{{"success":false,')
        assert await acknowledges(client, place)


async def acknowledges(client: Packets, place: Place) -> bool:
    """Say whether a connection still does what it is for."""
    answer, _ = await client.ask(place.event, place.content, place.namespace)
    return bool(answer == {"success": True})
