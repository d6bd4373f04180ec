"""Sockets and streams end when their token does; a socket may show a fresh one before. Before a real service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
import websockets

from fabula.journal.embedded import EmbeddedServer
from fabula.rpc.auth import CLOCK_SKEW_SECONDS
from tests.integration.gateway.clients import JSON, Gateway, Socket
from tests.integration.gateway.conftest import running_gateway
from tests.integration.story.house import SECRET, House, User, open_house, owner_of, story, token
from tests.integration.story.scripts import Script

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOON = 4.0 - CLOCK_SKEW_SECONDS
"""Seconds from now of an expiry that clocks' skew puts off by a moment."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A story server and a worker."""
    async with EmbeddedServer(tmp_path_factory.mktemp("nats")) as nats, open_house(nats.url) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(house: House) -> AsyncIterator[Gateway]:
    """A gateway that has doors for stories only."""
    async with running_gateway(house.address, generators=("story",), jwt_secret=SECRET) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def held(house: House) -> AsyncIterator[tuple[User, str, Script]]:
    """A story whose writing waits."""
    user, script = house.user(), house.script(hold_before=1)
    id_ = await user.start(story(script.premise))
    await asyncio.wait_for(script.held.wait(), 20)
    yield user, id_, script
    house.release()


def bearer(user: User, seconds: float) -> str:
    """Return the subprotocol with a token of the same owner that holds for so long."""
    return f"bearer.{token(owner_of(user), expires_in=seconds)}"


async def end_of(socket: Socket) -> tuple[dict[str, object], int | None]:
    """Read a socket to its end; return the error that came last, and the close code."""
    error: dict[str, object] = {}
    try:
        while True:
            error = (await socket.next()).get("error", error)
    except websockets.ConnectionClosed as closed:
        return error, closed.rcvd.code if closed.rcvd else None


async def test_a_socket_is_closed_when_its_token_expires(gateway: Gateway, held: tuple[User, str, Script]) -> None:
    """4401 after an error that says why; another socket of the same owner, which shares the watch, goes on."""
    user, id_, script = held
    async with (
        gateway.socket(JSON, bearer(user, SOON)) as short,
        gateway.socket(JSON, bearer(user, 600)) as long,
    ):
        await short.subscribe(id_)
        await long.subscribe(id_)
        error, code = await asyncio.wait_for(end_of(short), 20)
        assert (4401, "UNAUTHENTICATED") == (code, error["code"])
        script.go.set()
        frames = await asyncio.wait_for(long.until_end(), 20)

    assert "ended" in frames[-1]


async def test_a_fresh_token_keeps_a_socket_open_and_its_watch_going(
    gateway: Gateway, held: tuple[User, str, Script]
) -> None:
    """Nothing is lost or repeated, though the service has ended the stream that the old token had opened."""
    user, id_, script = held
    async with gateway.socket(JSON, bearer(user, SOON)) as socket:
        answer = await socket.subscribe(id_)
        await socket.send(frameId="t", authenticate={"token": token(owner_of(user))})
        frames = [answer]
        while frames[-1].get("frameId") != "t":
            frames.append(await socket.next())
        assert "done" in frames.pop()
        await asyncio.sleep(6)  # until the old one is over, at the service too
        script.go.set()
        frames += await asyncio.wait_for(socket.until_end(), 20)

    told = [frame["event"]["sequence"] for frame in frames if frame.get("event", {}).get("sequence")]
    assert "ended" in frames[-1]
    assert list(range(1, len(told) + 1)) == told


async def test_a_fresh_token_must_hold_and_be_the_same_owners(gateway: Gateway, held: tuple[User, str, Script]) -> None:
    """The socket stays as it was: open, with the token that it had."""
    user, id_, _ = held
    async with gateway.socket(JSON, bearer(user, 600)) as socket:
        for given, code in ((token("eve"), "PERMISSION_DENIED"), ("junk", "UNAUTHENTICATED")):
            await socket.send(frameId="t", authenticate={"token": given})
            frame = await socket.next()
            assert ("t", code) == (frame["frameId"], frame["error"]["code"])
        assert "done" in await socket.subscribe(id_)


async def test_an_event_stream_ends_with_its_token(gateway: Gateway, held: tuple[User, str, Script]) -> None:
    """With a problem that says why; coming back with the same token is refused outright."""
    user, id_, _ = held
    auth = f"Bearer {token(owner_of(user), expires_in=SOON)}"
    async with gateway.events(id_, Authorization=auth) as (response, events), asyncio.timeout(20):
        assert 200 == response.status_code
        last = [event async for event in events][-1]

    assert ("problem", "UNAUTHENTICATED") == (last.name, last.data["code"])
    async with gateway.events(id_, Authorization=auth) as (response, _):
        assert 401 == response.status_code


async def test_without_authentication_nothing_expires(house: House) -> None:
    """A token may be handed in, and changes nothing."""
    async with (
        running_gateway("127.0.0.1:1", generators=("story",)) as gateway,
        gateway.socket(JSON, f"bearer.{token('x', expires_in=-600)}") as socket,
    ):
        await socket.send(frameId="t", authenticate={"token": "junk"})
        assert {"frameId": "t", "done": {}} == await socket.next()
