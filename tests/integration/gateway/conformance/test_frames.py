"""RFC 6455 frame by frame, at each kind of door; the cases are those of Autobahn|Testsuite, categories 2 to 7 and 9."""

from __future__ import annotations

import pytest

from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conformance.conftest import NUMBERS
from tests.integration.gateway.conformance.wire import (
    BINARY,
    CONT,
    PING,
    PONG,
    TEXT,
    Wire,
    close,
    frame,
    socket_wire,
)
from tests.scripted_service import ScriptedServer, ScriptedStories

pytestmark = pytest.mark.asyncio(loop_scope="module")

NATIVE, WORKSHOP, ENGINE = "/v1/ws", "workshop", "/socket.io/?EIO=4&transport=websocket"
DOORS = (NATIVE, WORKSHOP, ENGINE)
BENIGN = {
    NATIVE: '{"frameId":"é","unsubscribe":{"generationId":"story-00000000-0000-4000-8000-000000000009"}}'.encode(),
    WORKSHOP: '{"type":"ping","é":0}'.encode(),
    ENGINE: "3é".encode(),
}
"""A message that each takes."""

WRONG = {
    "rsv1": frame(TEXT, b"x", rsv=4),
    "rsv2": frame(TEXT, b"x", rsv=2),
    "rsv3": frame(BINARY, b"x", rsv=1),
    "rsv on a ping": frame(PING, b"x", rsv=7),
    "rsv on a close frame": frame(8, b"", rsv=1),
    **{f"opcode {opcode}": frame(opcode, b"x") for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "empty frame of an unknown opcode": frame(3),
    "text without a mask": frame(TEXT, b"x", masked=False),
    "ping without a mask": frame(PING, b"x", masked=False),
    "close without a mask": frame(8, b"\x03\xe8", masked=False),
    "too long a ping": frame(PING, b"x" * 126),
    "too long a pong": frame(PONG, b"x" * 126),
    "ping in fragments": frame(PING, b"x", fin=False) + frame(CONT, b"x"),
    "pong in fragments": frame(PONG, b"x", fin=False),
    "close in fragments": frame(8, b"\x03\xe8", fin=False),
    "continuation of nothing": frame(CONT, b"x"),
    "unfinished continuation of nothing": frame(CONT, b"x", fin=False),
    "continuation of a whole message": frame(PONG) + frame(CONT, b"x"),
    "text inside a message": frame(TEXT, b"x", fin=False) + frame(TEXT, b"x"),
    "binary inside a message": frame(TEXT, b"x", fin=False) + frame(PING) + frame(BINARY, b"x"),
    "close with half a code": frame(8, b"\x03"),
    "close with too long a reason": close(1000, b"x" * 124),
    **{f"close with {code}": close(code) for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000)},
    "close with 65535": close(65535, b"x"),
}
NO_TEXT = {
    "a lone byte": b"x\xff",
    "cut short": b"x\xc3",
    "continuation alone": b"\x80",
    "too long for its code point": b"\xc0\xaf",
    "surrogate": b"\xed\xa0\x80",
    "beyond Unicode": b"\xf4\x90\x80\x80",
    "five bytes": b"\xf8\x88\x80\x80\x80",
    "in the middle": "κόσμε".encode() + b"\xed\xa0\x80edited",
}
CLOSES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> str:
    """Each kind of door."""
    name: str = request.param
    return name


@pytest.fixture
def path(door: str, services: ScriptedServer) -> str:
    """Where it is."""
    assert isinstance(services.stories, ScriptedStories)
    if door != WORKSHOP:
        return door
    log = services.stories.new(next(NUMBERS))
    log.write("x")
    return f"/api/v1/stories/progress/{log.id}"


async def alive(opened: Wire, door: str) -> None:
    """Check that a socket still does what it is for."""
    await opened.send(frame(PING, b"still there?") + close(1000, "é".encode()))
    end = await opened.rest()
    assert (b"still there?", 1000, True) == (end.of(PONG)[-1], end.code, end.clean), door


@pytest.mark.parametrize("case", WRONG)
async def test_what_breaks_the_protocol_is_told_so(shared: Gateway, path: str, case: str) -> None:
    """1002, and the end of the connection."""
    async with socket_wire(shared.host, path) as opened:
        await opened.send(WRONG[case])
        end = await opened.rest()
    assert (1002, True) == (end.code, end.clean)


@pytest.mark.parametrize("case", NO_TEXT)
async def test_text_that_is_no_utf8_is_told_so(shared: Gateway, path: str, case: str) -> None:
    """1007: in one frame, byte by byte, in the reason of a close frame, and with a goodbye right behind it."""
    for data in (frame(TEXT, NO_TEXT[case]), frame(TEXT, NO_TEXT[case]) + close(1000), close(1000, NO_TEXT[case])):
        async with socket_wire(shared.host, path) as opened:
            await opened.send(data, piece=1 if len(data) < 20 else 0)
            end = await opened.rest()
        assert (1007, True) == (end.code, end.clean)


async def test_text_fails_as_soon_as_it_is_wrong(shared: Gateway, path: str) -> None:
    """Not only when the message ends, which may be never. Half a character at a frame's end is not wrong."""
    async with socket_wire(shared.host, path) as opened:
        await opened.send(frame(TEXT, b"\xce", fin=False) + frame(CONT, b"\xba\xf4", fin=False) + frame(PING, b"1"))
        assert b"1" == await opened.next(PONG)
        await opened.send(frame(CONT, b"\x90", fin=False))
        assert 1007 == (await opened.rest()).code


@pytest.mark.parametrize(
    "data",
    [
        frame(TEXT, b"", length=65_537),
        frame(BINARY, b"", length=2**63 - 1),
        frame(BINARY, b"", length=2**64 - 1),
        frame(TEXT, b" " * 40_000, fin=False) + frame(CONT, b" " * 40_000),
        frame(TEXT, b"", fin=False) + frame(CONT, b" " * 66, fin=False) * 1_000,
    ],
    ids=["a byte too many", "without end", "beyond all", "in two", "in very many"],
)
async def test_too_large_a_message_is_told_so(shared: Gateway, path: str, data: bytes) -> None:
    """1009, from what is announced; also to who goes on sending, and would be reset."""
    async with socket_wire(shared.host, path) as opened:
        await opened.send(data + b"x" * 1_000_000)
        end = await opened.rest()
    assert (1009, True) == (end.code, end.clean)


@pytest.mark.parametrize("code", [None, *CLOSES])
async def test_a_goodbye_is_returned(shared: Gateway, path: str, code: int | None) -> None:
    """With its code; nothing that comes behind it counts, and a pong is still sent for what came before."""
    async with socket_wire(shared.host, path) as opened:
        goodbye = close(code, b"" if code is None else b"x" * 123)
        await opened.send(frame(PING, b"1") + goodbye + frame(PING, b"2") + frame(TEXT, b"\xff", rsv=7))
        end = await opened.rest()
    assert ([b"1"], code or 0) == (end.of(PONG), end.code)


async def test_a_goodbye_may_come_between_fragments(shared: Gateway, path: str) -> None:
    """As every control frame may."""
    async with socket_wire(shared.host, path) as opened:
        await opened.send(frame(TEXT, b"{", fin=False) + close(1000))
        assert 1000 == (await opened.rest()).code


@pytest.mark.parametrize("payload", [b"", b"x", bytes(range(125)), b"\xff\xfe\xfd", b"x" * 125])
@pytest.mark.parametrize("piece", [0, 1])
async def test_pings_are_answered_with_what_they_hold(
    shared: Gateway, path: str, door: str, payload: bytes, piece: int
) -> None:
    """In whatever pieces they come; pongs that nobody asked for are passed over."""
    async with socket_wire(shared.host, path) as opened:
        await opened.send(frame(PONG, payload) + frame(PING, payload) + frame(PONG), piece)
        assert payload == await opened.next(PONG)
        await alive(opened, door)


async def test_each_of_many_pings_is_answered(shared: Gateway, path: str, door: str) -> None:
    """In their order."""
    async with socket_wire(shared.host, path) as opened:
        asked = [f"{number}".encode() for number in range(50)]
        await opened.send(b"".join(frame(PING, each) for each in asked))
        assert asked == [await opened.next(PONG) for _ in asked]
        await alive(opened, door)


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("piece", [0, 1])
async def test_messages_may_come_in_fragments(shared: Gateway, path: str, door: str, size: int, piece: int) -> None:
    """Cut anywhere, inside characters too, empty ones among them, with pings in between."""
    message = BENIGN[door]
    parts = [message[begin : begin + size] for begin in range(0, len(message), size)]
    data = frame(TEXT, fin=False) + b"".join(frame(CONT, each, fin=False) + frame(PING, each) for each in parts)
    async with socket_wire(shared.host, path) as opened:
        await opened.send(data + frame(CONT), piece)
        assert [each[:125] for each in parts] == [await opened.next(PONG) for _ in parts]
        if door != ENGINE:
            assert await opened.next(TEXT)
        await alive(opened, door)


async def test_the_largest_message_is_taken(shared: Gateway, path: str, door: str) -> None:
    """Exactly as much as is said to be."""
    message = BENIGN[door] + b" " * (65_536 - len(BENIGN[door]))
    async with socket_wire(shared.host, path) as opened:
        await opened.send(frame(TEXT, message))
        if door != ENGINE:
            assert await opened.next(TEXT)
        await alive(opened, door)
