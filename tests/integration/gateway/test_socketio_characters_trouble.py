"""Family C when something goes wrong on the way, and pictures that an `<img>` shows by the key in their address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.errors import FabulaError, InvalidRequest, LogCorrupted, Unavailable
from fabula.journal.embedded import EmbeddedServer
from fabula.rpc.client import Caller, Patience
from fabula.rpc.expiry import Expiry
from gateway import upstream
from gateway.doors.socket_io import client as socket_io_client
from tests.integration.character.house import Customer
from tests.integration.character.studio import Studio, open_studio
from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conftest import running_gateway
from tests.integration.gateway.socket_io_clients import CHARACTERS, doors, packets
from tests.integration.gateway.test_expiry import SOON
from tests.integration.gateway.test_socketio_characters import (
    JOIN,
    MADE,
    PATH,
    START,
    bearer,
    begin,
    join,
    let_in,
    steps,
    told,
)
from tests.integration.story.house import SECRET, token
from tests.scripted_service import until
from tests.unit.image.sketches import Sketcher

pytestmark = pytest.mark.asyncio(loop_scope="module")

DISLIKE = InvalidRequest("the maker does not like foxes")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def opened(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Studio]:
    """Both services, and a keeper."""
    async with EmbeddedServer(tmp_path_factory.mktemp("nats")) as nats, open_studio(nats.url) as studio:
        yield studio


@pytest.fixture
def studio(opened: Studio) -> Iterator[Studio]:
    """The same, with a maker and a model as new."""
    yield opened
    opened.house.renew()
    opened.model.go.set()
    fresh = Sketcher()
    for name in fresh.__slots__:
        setattr(opened.model, name, getattr(fresh, name))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(opened: Studio) -> AsyncIterator[Gateway]:
    """A gateway before them."""
    async with running_gateway("127.0.0.1:1", **settings(opened)) as running:
        yield running


def settings(studio: Studio) -> dict[str, Any]:
    """Return the settings of a gateway before them."""
    return {
        "character_address": f"127.0.0.1:{studio.house.port}",
        "image_address": f"127.0.0.1:{studio.images.port}",
        "generators": ("character", "image"),
        "jwt_secret": SECRET,
    }


@pytest.fixture
def ida(studio: Studio) -> Customer:
    """Somebody who has no characters yet."""
    return studio.house.customer()


async def failed(gateway: Gateway, studio: Studio, ida: Customer) -> str:
    """Begin a session that fails; return its id."""
    studio.house.maker.telling = [(1, DISLIKE)]
    session_id = await begin(gateway, ida)
    await ida.reaches(f"character-{session_id}", gen.STATE_FAILED)
    return session_id


async def retry(gateway: Gateway, ida: Customer, session_id: str) -> None:
    """Retry a failed session."""
    answer = await gateway.http.post(f"{START}/{session_id}/retry", headers=bearer(ida))
    assert 202 == answer.status_code


@pytest.mark.parametrize("more", [{}, {"after": 0}])
async def test_who_joins_after_a_retry_is_not_told_the_error_before_it(
    gateway: Gateway, studio: Studio, ida: Customer, more: dict[str, Any]
) -> None:
    """To front ends an error is the end; the steps before it come, and then what the retry brings."""
    session_id = await failed(gateway, studio, ida)
    await retry(gateway, ida, session_id)
    async with packets(gateway, CHARACTERS) as client:
        await let_in(client, ida)
        await join(client, session_id, **more)
        seen = await told(client)

    assert MADE == steps(seen)


async def test_who_joins_a_failed_session_is_told_its_error(gateway: Gateway, studio: Studio, ida: Customer) -> None:
    """Also where the run before it has failed as well: its own, once."""
    session_id = await failed(gateway, studio, ida)
    studio.house.maker.telling = [(1, InvalidRequest("nor the second time"))]
    await retry(gateway, ida, session_id)
    await until(lambda: not studio.house.maker.telling)
    await ida.reaches(f"character-{session_id}", gen.STATE_FAILED)
    async with packets(gateway, CHARACTERS) as client:
        await let_in(client, ida)
        await join(client, session_id)
        seen = await told(client, "error", 0)

    assert ["nor the second time"] == [each["message"] for each in seen if each["step"] == "error"]


class Away:
    """A service that is away for so many calls of a name, or answers with an error of another kind."""

    def __init__(
        self, gateway: Gateway, monkeypatch: pytest.MonkeyPatch, kind: str, rpc: str, times: int,
        *, error: FabulaError | None = None,
    ) -> None:  # fmt: skip
        service, self.left = gateway.house.clients[kind], times
        self._error = error or Unavailable("the service is being restarted")
        call, stream = service.call, service.stream

        async def calls(name: str, *args: Any, **options: Any) -> Any:
            self._check(name, rpc)
            return await call(name, *args, **options)

        async def streams(name: str, *args: Any) -> AsyncIterator[bytes]:
            self._check(name, rpc)
            async for data in stream(name, *args):
                yield data

        monkeypatch.setattr(service, "call", calls)
        monkeypatch.setattr(service, "stream", streams)
        # What is tried again below for a few seconds is not what is tested.
        monkeypatch.setattr(upstream, "Patience", lambda seconds=None: Patience(None if seconds is None else 0.0))

    def _check(self, name: str, rpc: str) -> None:
        if name == rpc and self.left:
            self.left -= 1
            raise self._error


@pytest.mark.parametrize(
    ("kind", "rpc"), [("character", "GetCharacter"), ("image", "WatchProgress"), ("image", "GetGeneration")]
)
async def test_a_restart_while_the_avatar_is_waited_for_is_not_noticed(
    gateway: Gateway, ida: Customer, monkeypatch: pytest.MonkeyPatch, kind: str, rpc: str
) -> None:
    """No step tells of it, whichever service and whichever call it is."""
    session_id = await begin(gateway, ida)
    away = Away(gateway, monkeypatch, kind, rpc, 4)
    async with packets(gateway, CHARACTERS) as client:
        await let_in(client, ida)
        await join(client, session_id)
        seen = await told(client)

    assert MADE == steps(seen)
    assert 0 == away.left


@pytest.mark.parametrize(("kind", "step"), [("character", "error"), ("image", "generating_avatar")])
async def test_a_log_that_cannot_be_read_is_told(
    gateway: Gateway, ida: Customer, monkeypatch: pytest.MonkeyPatch, kind: str, step: str
) -> None:
    """Nobody waits for ever; where it is the avatar's, the character is complete all the same."""
    session_id = await begin(gateway, ida)
    Away(gateway, monkeypatch, kind, "WatchProgress", 100, error=LogCorrupted("its log cannot be read"))
    async with packets(gateway, CHARACTERS) as client:
        await let_in(client, ida)
        await join(client, session_id)
        seen = await told(client, step, 0)

    assert (step, "its log cannot be read") == (seen[-1]["step"], seen[-1]["data"]["error"])
    assert ("completed" in [each["step"] for each in seen]) is (kind == "image")


async def test_a_retry_is_told_that_came_while_the_end_was_being_told(
    gateway: Gateway, studio: Studio, ida: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where all of it has happened before the telling has ended."""
    service, held, go = gateway.house.clients["character"], asyncio.Event(), asyncio.Event()
    real = service.call

    async def calls(rpc: str, *args: Any, **options: Any) -> Any:
        if rpc == "GetCharacter":
            held.set()
            await go.wait()
        return await real(rpc, *args, **options)

    session_id = await failed(gateway, studio, ida)
    monkeypatch.setattr(service, "call", calls)
    async with packets(gateway, CHARACTERS) as client:
        await let_in(client, ida)
        await join(client, session_id)
        await told(client, "error", 0)
        await asyncio.wait_for(held.wait(), 20)
        await ida.call("RetryGeneration", generation_id=f"character-{session_id}")
        last = (await ida.reaches(f"character-{session_id}", gen.STATE_SUCCEEDED)).generation.last_sequence
        known = gateway.house.feeds.of("character")._feeds[ida.owner].known
        await until(lambda: known[f"character-{session_id}"].generation.last_sequence >= last)
        go.set()
        rest = await told(client, "completed")

    assert MADE[2:-1] == [each for each in steps(rest) if each[0] != "generating_avatar"]


class Never(Expiry):
    """A clock of the gateway's that is behind the service's."""

    def set(self, expires: float | None) -> None:
        """Wait for nothing."""


async def test_a_token_that_the_service_finds_expired_first_ends_the_connection(
    gateway: Gateway, studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client comes back with a fresh one: nothing has failed."""
    monkeypatch.setattr(socket_io_client, "Expiry", Never)
    monkeypatch.setattr(gateway.house.feeds.of("character"), "join", lambda *_: None)
    owner = "ida whose token expires"
    ida = Customer(studio.house.customer().client, Caller(token(owner, expires_in=SOON)), owner)
    studio.house.maker.hold_before = 1
    async with packets(gateway, CHARACTERS) as client:
        await let_in(client, ida)
        session_id = await begin(gateway, ida)
        await join(client, session_id)
        seen = await client.rest()

    assert "generating_details" in seen
    assert "error" not in seen


async def test_who_goes_while_a_session_is_being_joined_leaves_nothing_behind(
    gateway: Gateway, studio: Studio, ida: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No room, no watch, no listener."""
    studio.house.maker.hold_before = 1
    session_id = await begin(gateway, ida)
    reached, go, real = asyncio.Event(), asyncio.Event(), gateway.house.hub.open

    async def opens(*args: Any) -> Any:
        reached.set()
        await go.wait()
        return await real(*args)

    monkeypatch.setattr(gateway.house.hub, "open", opens)
    server = doors(gateway, CHARACTERS)
    async with packets(gateway, CHARACTERS) as client:
        await let_in(client, ida)
        await client.emit(JOIN, {"sessionId": session_id}, ack=1)
        await asyncio.wait_for(reached.wait(), 20)
        await server.end(client.handshake["sid"])
    await until(lambda: not gateway.house.connections)
    go.set()
    await asyncio.sleep(0.2)
    house = gateway.house
    await until(lambda: not (server.known["/"]._rooms or house.hub._watchers))
    assert ida.owner not in house.feeds.of("character")._feeds


async def painted(gateway: Gateway, ida: Customer) -> tuple[str, str]:
    """Make a character; return its id, and its avatar's address as the socket tells it."""
    session_id = await begin(gateway, ida)
    async with packets(gateway, CHARACTERS) as client:
        await let_in(client, ida)
        await join(client, session_id)
        address: str = (await told(client))[-1]["data"]["avatarUrl"]
    return session_id, address


async def test_an_img_shows_an_avatar_by_its_address(gateway: Gateway, ida: Customer) -> None:
    """All say the same one; it needs no token, whoever asks and from wherever, and gives nothing but the picture."""
    session_id, address = await painted(gateway, ida)
    _, others = await painted(gateway, ida)
    polled = (await gateway.http.get(f"{PATH}/{session_id}/avatar", headers=bearer(ida))).json()
    sheet = (await gateway.http.get(f"{PATH}/{session_id}", headers=bearer(ida))).json()["character"]
    listed = (await gateway.http.get(PATH, headers=bearer(ida))).json()["characters"]
    assert {address, others} == {each["avatarUrl"] for each in listed}
    assert address == polled["avatarUrl"] == sheet["avatarUrl"]
    assert ida.owner not in address

    embedded = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"}
    shown = await gateway.http.get(address, headers=embedded)
    head = await gateway.http.head(address)
    assert (200, "image/png", 200) == (shown.status_code, shown.headers["content-type"], head.status_code)
    assert shown.content == (await gateway.http.get(address.partition("?")[0], headers=bearer(ida))).content

    path, _, key = address.partition("?key=")
    for wrong in (
        f"{others.partition('?')[0]}?key={key}",
        f"{path}?key={key[:-1]}",
        f"{path}?key={key}A",
        f"{path}?key={key}=",
        f"{path}?key={'B' if key[0] == 'A' else 'A'}{key[1:]}",
        f"{path}?key=%C3%BC",
        f"{path}?key=x",
        f"{path}?key={'A' * 5000}",
        f"{address}&index=1",
    ):
        assert 404 == (await gateway.http.get(wrong)).status_code, wrong
    assert 401 == (await gateway.http.get(path)).status_code
    assert 401 == (await gateway.http.get(f"{path}?key=")).status_code
    for elsewhere in (f"/v1/generations/{path.rpartition('/')[2]}", f"{path}/events", f"{PATH}/{session_id}"):
        assert (await gateway.http.get(f"{elsewhere}?key={key}")).status_code in {401, 404}, elsewhere
    assert (await gateway.http.delete(address)).status_code in {401, 405}

    picture = path.rpartition("/")[2]
    deleted = await gateway.http.delete(f"/v1/generations/{picture}", headers=bearer(ida))
    assert 204 == deleted.status_code, deleted.text
    assert 404 == (await gateway.http.get(address)).status_code
    assert 200 == (await gateway.http.get(others)).status_code


async def test_a_changed_secret_ends_all_addresses(gateway: Gateway, studio: Studio, ida: Customer) -> None:
    """As it ends all tokens."""
    _, address = await painted(gateway, ida)
    async with running_gateway("127.0.0.1:1", **{**settings(studio), "jwt_secret": f"not {SECRET}"}) as changed:
        assert 404 == (await changed.http.get(address)).status_code
