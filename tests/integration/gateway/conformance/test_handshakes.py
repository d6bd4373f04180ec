"""The handshake of RFC 6455, section 4, at each kind of door."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conformance.wire import KEY, PING, PONG, Wire, accept_of, close, frame, handshake, wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

NATIVE, ENGINE = "/v1/ws", "/api/v1/ws/?EIO=4&transport=websocket"
OFFERS = [
    "permessage-deflate",
    "permessage-deflate; client_max_window_bits, permessage-deflate; server_no_context_takeover",
    "x-webkit-deflate-frame",
    'permessage-bzip2; a="b;c"',
]  # fmt: skip


@pytest.fixture(params=[NATIVE, ENGINE])
def path(request: pytest.FixtureRequest) -> str:
    """Two kinds of doors."""
    name: str = request.param
    return name


async def works(opened: Wire) -> None:
    """Check that a socket is one."""
    await opened.send(frame(PING, b"x") + close(1000))
    end = await opened.rest()
    assert ([b"x"], 1000) == (end.of(PONG), end.code)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Upgrade": "WebSocket"},
        {"Connection": "keep-alive, UPGRADE"},
        {"Sec_WebSocket_Key": "AAAAAAAAAAAAAAAAAAAAAA=="},
        *[{"Sec_WebSocket_Extensions": each} for each in OFFERS],
        {"User_Agent": "käse"},
        {"Content_Length": "0"},
    ],
)
async def test_a_good_handshake_is_answered(shared: Gateway, path: str, headers: dict[str, str]) -> None:
    """With the key's proof, and none of the extensions that were offered."""
    async with wire(shared.host) as opened:
        await opened.send(handshake(path, shared.host, **headers))
        answer = await opened.answer()
        assert (101, "websocket", "upgrade") == (
            answer.status,
            answer.headers["upgrade"].lower(),
            answer.headers["connection"].lower(),
        )
        assert accept_of(headers.get("Sec_WebSocket_Key", KEY)) == answer.headers["sec-websocket-accept"]
        assert not {"sec-websocket-extensions", "sec-websocket-protocol"} & answer.headers.keys()
        await works(opened)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec_WebSocket_Version": "8"}, 426),
        ({"Sec_WebSocket_Version": "0"}, 426),
        ({"Sec_WebSocket_Version": "14"}, 426),
        ({"Sec_WebSocket_Version": "13, 8"}, 426),
        ({"Sec_WebSocket_Version": "x"}, 426),
        ({"Sec_WebSocket_Version": None}, 400),
        ({"Sec_WebSocket_Key": None}, 400),
        ({"Sec_WebSocket_Key": ""}, 400),
        ({"Sec_WebSocket_Key": "c2hvcnQ="}, 400),
        ({"Sec_WebSocket_Key": "!" * 24}, 400),
        ({"Host": None}, 400),
        ({"Host": "a b"}, 400),
        ({"Content_Length": "5"}, 400),
        ({"Transfer_Encoding": "chunked"}, 400),
        ({"Origin": "https://evil.example"}, 403),
        ({"Host": "evil.example"}, 403),
    ],
)
async def test_a_bad_handshake_is_refused(
    shared: Gateway, path: str, headers: dict[str, str | None], status: int
) -> None:
    """With a status, and the end of the connection; who speaks another version is told which one to speak."""
    async with wire(shared.host) as opened:
        await opened.send(handshake(path, shared.host, **headers))
        answer = await opened.answer()
        assert await opened.ended()
    assert status == answer.status
    if status == 426:
        assert ("13", "websocket") == (answer.headers["sec-websocket-version"], answer.headers["upgrade"])


@pytest.mark.parametrize(
    "headers",
    [{"Upgrade": None}, {"Connection": None}, {"Connection": "close"}, {"Upgrade": "h2c"}, {"Upgrade": "websocket, x"}],
)
async def test_what_asks_for_no_websocket_gets_none(shared: Gateway, path: str, headers: dict[str, str | None]) -> None:
    """It is a request like any other, and there is nothing at this address for it."""
    async with wire(shared.host) as opened:
        await opened.send(handshake(path, shared.host, **headers))
        assert 400 <= (await opened.answer()).status < 500


@pytest.mark.parametrize(
    ("was", "becomes", "status"),
    [
        (b"GET ", b"POST ", 405),
        (b"HTTP/1.1", b"HTTP/1.0", 400),
        (b"Sec-WebSocket-Version: 13\r\n", b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13\r\n", (400, 426)),
        (b"Sec-WebSocket-Key:", b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Key:", 400),
        (b"\r\n\r\n", b"\r\n\r\n" + frame(PING, b"early"), 400),
    ],
    ids=["another method", "HTTP/1.0", "two versions", "two keys", "a frame right behind it"],
)
async def test_other_breaches_are_refused(
    shared: Gateway, path: str, was: bytes, becomes: bytes, status: int | tuple[int, ...]
) -> None:
    """None of them opens a socket, or hangs."""
    async with wire(shared.host) as opened:
        await opened.send(handshake(path, shared.host).replace(was, becomes))
        assert (await opened.answer()).status in (status if isinstance(status, tuple) else (status,))
        assert await opened.ended()


async def test_who_does_not_wait_for_the_answer_gets_none(shared: Gateway, path: str) -> None:
    """Or the answer and then the socket: whatever comes first is the answer, and nothing hangs or fails."""
    async with wire(shared.host) as opened:
        await opened.send(handshake(path, shared.host))
        await asyncio.sleep(0)
        await opened.send(frame(PING, b"early", rsv=7))
        first = await opened.all()
    assert not first or first.startswith(b"HTTP/1.1 ")


async def test_a_client_may_leave_before_the_answer(shared: Gateway, path: str) -> None:
    """Nothing of it is left, and nothing is logged."""
    for leave in (Wire.reset, Wire.end_sending):
        async with wire(shared.host) as opened:
            await opened.send(handshake(path, shared.host))
            leave(opened)
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["fabula.v1.json"], "fabula.v1.json"),
        (["fabula.v1.proto, fabula.v1.json"], "fabula.v1.proto"),
        (["x", "fabula.v1.json"], "fabula.v1.json"),
        (["x,fabula.v1.proto", "y"], "fabula.v1.proto"),
        (["x"], None),
        (["FABULA.V1.JSON"], None),
        (["x y"], None),
        ([";"], None),
    ],
)
async def test_subprotocols_are_chosen_among_those_offered(
    shared: Gateway, offered: list[str], chosen: str | None
) -> None:
    """In one header or several; the first that is known, and a refusal if none is."""
    lines = [f"Sec-WebSocket-Protocol: {each}" for each in offered]
    async with wire(shared.host) as opened:
        await opened.send(handshake(NATIVE, shared.host, *lines))
        answer = await opened.answer()
        assert (101 if chosen else 400, chosen) == (answer.status, answer.headers.get("sec-websocket-protocol"))
        if chosen:
            await works(opened)


async def test_there_is_no_socket_at_other_addresses(shared: Gateway) -> None:
    """A refusal with a status."""
    for path in ("/", "/v1/ws/", "/v1/generations", "/nowhere", "/%00", "/v1/%77s/x", "*"):
        async with wire(shared.host) as opened:
            await opened.send(handshake(path, shared.host))
            assert (await opened.answer()).status in (400, 403, 404), path
