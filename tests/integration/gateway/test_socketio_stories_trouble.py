"""Family B when something goes wrong on the way: watches that do not open, ends that were missed, places, goodbyes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.errors import FabulaError, Unavailable
from fabula.journal.embedded import EmbeddedServer
from fabula.rpc.expiry import Expiry
from gateway.doors.socket_io import client as socket_io_client
from gateway.doors.socket_io.following import Follower
from gateway.frontends import story_rooms
from gateway.watch import Watch
from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conftest import running_gateway
from tests.integration.gateway.socket_io_clients import doors, packets
from tests.integration.gateway.test_expiry import SOON
from tests.integration.gateway.test_socketio_stories import (
    COMPLETE,
    ERROR,
    NAMESPACE,
    START,
    UNKNOWN,
    let_in,
    names,
    told,
)
from tests.integration.story.house import SECRET, House, User, open_house, owner_of, story, token
from tests.scripted_service import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A story server and a worker that writes by scripts."""
    async with EmbeddedServer(tmp_path_factory.mktemp("nats")) as nats, open_house(nats.url) as opened:
        yield opened
        opened.release()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(house: House) -> AsyncIterator[Gateway]:
    """A gateway before it."""
    async with running_gateway(house.address, generators=("story",), jwt_secret=SECRET) as running:
        yield running


@pytest.fixture
def ann(house: House) -> User:
    """Somebody who has no stories yet."""
    return house.user()


def feed_of(gateway: Gateway, user: User) -> Any:
    """Return the feed of an owner's stories."""
    return gateway.house.feeds.of("story")._feeds[owner_of(user)]


def failing(gateway: Gateway, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """Have so many watches not open, as if the service were away."""
    real, left = gateway.house.hub.open, times

    async def opens(*args: Any) -> Any:
        nonlocal left
        left -= 1
        if left >= 0:
            raise Unavailable("the service is being restarted")
        return await real(*args)

    monkeypatch.setattr(gateway.house.hub, "open", opens)


class Held:
    """Has watches wait before they are open."""

    def __init__(self, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.go = asyncio.Event(), asyncio.Event()
        real = gateway.house.hub.open

        async def opens(*args: Any) -> Any:
            self.reached.set()
            await self.go.wait()
            return await real(*args)

        monkeypatch.setattr(gateway.house.hub, "open", opens)


@pytest.mark.parametrize("late", [False, True])
async def test_a_watch_that_does_not_open_at_first_loses_nothing(
    gateway: Gateway, house: House, ann: User, monkeypatch: pytest.MonkeyPatch, late: bool
) -> None:
    """It is said once, and then everything is told: of a new story from its beginning, else where it stands."""
    script = house.script(hold_before=1)
    if late:
        await ann.start(story(script.premise))
        await script.held.wait()
    failing(gateway, monkeypatch, 3)
    async with packets(gateway) as client:
        await let_in(client, ann)
        if not late:
            await until(lambda: feed_of(gateway, ann).listed)
            await ann.start(story(script.premise))
        trouble, content = await client.event()
        assert ("story:watch:error", True) == (trouble, content["retryable"])
        assert [START, "50 ai_processing"] == names(await client.events(2))
        script.go.set()
        assert ["75 saving_file", COMPLETE] == names(await told(client))


async def test_an_end_that_was_missed_is_told_again_to_who_keeps_no_cursors(
    gateway: Gateway, house: House, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that was away for a moment would wait for ever; of what is long over nothing is told."""
    script = house.script(hold_before=1)
    async with packets(gateway) as client:
        await let_in(client, ann)
        id_ = await ann.start(story(script.premise))
        await client.events(2)
    script.go.set()
    await ann.reaches(id_, gen.STATE_SUCCEEDED)
    async with packets(gateway) as client:
        await let_in(client, ann)
        missed = await told(client)
    async with packets(gateway) as client:
        await let_in(client, ann, after={})
        keeper = await client.ask("story:leave", {"storyId": UNKNOWN}, NAMESPACE)
    monkeypatch.setattr(story_rooms, "RECENT_SECONDS", 0.0)
    async with packets(gateway) as client:
        await let_in(client, ann)
        later = await client.ask("story:leave", {"storyId": UNKNOWN}, NAMESPACE)

    assert ([COMPLETE], id_) == (names(missed), missed[0][1]["storyId"])
    assert [({"success": True}, [])] * 2 == [keeper, later]


async def test_a_retry_is_told_that_came_while_the_end_was_being_told(
    gateway: Gateway, house: House, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow reader hears of it as anybody does."""
    script = house.script(hold_before=1, failure=FabulaError("it is broken"))
    script.go.set()
    real, ending, go = Follower.follow, asyncio.Event(), asyncio.Event()

    async def follows(self: Follower, watch: Watch) -> None:
        await real(self, watch)
        ending.set()
        await go.wait()

    monkeypatch.setattr(Follower, "follow", follows)
    async with packets(gateway) as client:
        await let_in(client, ann)
        id_ = await ann.start(story(script.premise))
        await told(client, ERROR)
        await asyncio.wait_for(ending.wait(), 20)
        await ann.call("RetryGeneration", generation_id=id_)
        last = (await ann.reaches(id_, gen.STATE_SUCCEEDED)).last_sequence
        known = feed_of(gateway, ann).known
        await until(lambda: known[id_].generation.last_sequence >= last)
        go.set()
        assert [START, "50 ai_processing", "75 saving_file", COMPLETE] == names(await told(client))


@pytest.mark.parametrize(
    "key", ["image-00000000-0000-4000-8000-999999999999", "x", "", "story-" + "1" * 60, "story-\ud800"]
)
async def test_cursors_of_what_is_no_story_are_refused(gateway: Gateway, ann: User, key: str) -> None:
    """As anybody's who asks for no story."""
    async with packets(gateway) as client:
        answer = await client.connect(NAMESPACE, {"token": ann.caller.token, "after": {key: 0}})

    assert '"INVALID_REQUEST"' in answer


@pytest.mark.parametrize("freed_by", ["leaving", "deleting", "the end of what was joined"])
async def test_every_place_that_is_freed_is_given_to_who_has_waited_longest(
    gateway: Gateway, house: House, ann: User, monkeypatch: pytest.MonkeyPatch, freed_by: str
) -> None:
    """However it was freed."""
    scripts = [house.script(hold_before=1) for _ in range(3)]
    first = await ann.start(story(scripts[0].premise))
    monkeypatch.setattr(story_rooms, "MOST_STORIES", 1)
    async with packets(gateway) as client:
        await let_in(client, ann)
        if freed_by == "the end of what was joined":
            await client.events(2)
            await client.ask("story:leave", {"storyId": first}, NAMESPACE)
            await client.ask("story:join", {"storyId": first}, NAMESPACE)
        await until(lambda: feed_of(gateway, ann).listed)
        others = []
        for script in scripts[1:]:
            others.append(await ann.start(story(script.premise)))
            await until(lambda: others[-1] in feed_of(gateway, ann).known)
        match freed_by:
            case "leaving":
                await client.emit("story:leave", {"storyId": first}, NAMESPACE)
            case "deleting":
                await ann.call("CancelGeneration", generation_id=first)
                await ann.reaches(first, gen.STATE_CANCELLED)
                await ann.call("DeleteGeneration", generation_id=first)
            case _:
                scripts[0].go.set()
        while (content := (await client.event())[1])["storyId"] == first:
            pass
        assert others[0] == content["storyId"]
        scripts[1].go.set()
        while (content := (await client.event())[1])["storyId"] != others[1]:
            pass
    house.release()


async def test_a_story_that_was_deleted_while_all_were_listed_stays_away(
    gateway: Gateway, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page with it was on its way when the stream told of its end."""
    id_ = await ann.start()
    await ann.reaches(id_, gen.STATE_SUCCEEDED)
    service, held, go = gateway.house.clients["story"], asyncio.Event(), asyncio.Event()
    real = service.call

    async def calls(rpc: str, request: Any, *args: Any, **options: Any) -> Any:
        answer = await real(rpc, request, *args, **options)
        if rpc == "ListGenerations" and request.page_size > 1:
            held.set()
            await go.wait()
        return answer

    monkeypatch.setattr(service, "call", calls)
    async with packets(gateway) as client:
        await let_in(client, ann, after={})
        await asyncio.wait_for(held.wait(), 20)
        feed = feed_of(gateway, ann)
        await until(lambda: id_ in feed.known)
        await ann.call("DeleteGeneration", generation_id=id_)
        await until(lambda: id_ not in feed.known)
        go.set()
        await until(lambda: feed.listed)
        assert id_ not in feed.known


async def nothing_is_left(gateway: Gateway, user: User) -> None:
    """Wait until nobody listens and nothing is watched any more."""
    house = gateway.house
    await until(lambda: not (house.connections or house.hub._watchers))
    assert not house.feeds.of("story")._feeds[owner_of(user)].listeners


async def test_who_goes_while_a_story_is_being_joined_leaves_nothing_behind(
    gateway: Gateway, house: House, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watch that opens afterwards is closed."""
    script = house.script(hold_before=1)
    id_ = await ann.start(story(script.premise))
    await script.held.wait()
    async with packets(gateway) as client:
        await let_in(client, ann)
        await client.events(2)
        held, last = Held(gateway, monkeypatch), (await ann.get(id_)).last_sequence
        await client.emit("story:join", {"storyId": id_, "after": last}, NAMESPACE, ack=1)
        await asyncio.wait_for(held.reached.wait(), 20)
        await doors(gateway).end(client.handshake["sid"])
    await until(lambda: not gateway.house.connections)
    held.go.set()
    await asyncio.sleep(0.2)
    await nothing_is_left(gateway, ann)
    script.go.set()


async def test_who_asks_twice_at_once_to_be_let_in_is_let_in_once(
    gateway: Gateway, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Packets of one connection are taken one after the other, whichever transport each has come by."""
    server = doors(gateway)
    served = server.known[NAMESPACE]
    real = served.admit

    async def admits(*args: Any) -> Any:
        await asyncio.sleep(0.1)  # an identity provider is asked for its keys
        return await real(*args)

    monkeypatch.setattr(served, "admit", admits)
    async with packets(gateway) as client:
        eio_sid = client.handshake["sid"]
        asked = f'0/stories,{{"token":"{ann.caller.token}"}}'
        await asyncio.gather(*(server._handle_eio_message(eio_sid, asked) for _ in range(2)))
        answers = {await client.next() for _ in range(2)}
        assert 1 == len(feed_of(gateway, ann).listeners)
    assert 1 == len(answers)
    await nothing_is_left(gateway, ann)


async def test_who_goes_while_being_let_in_leaves_nothing_behind(
    gateway: Gateway, ann: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a place of its owner's nor a name in a room."""
    server = doors(gateway)
    served, reached, go = server.known[NAMESPACE], asyncio.Event(), asyncio.Event()
    real = served.admit

    async def admits(*args: Any) -> Any:
        reached.set()
        await go.wait()
        return await real(*args)

    monkeypatch.setattr(served, "admit", admits)
    owners = gateway.house.places._owners
    async with packets(gateway) as client:
        eio_sid = client.handshake["sid"]
        await client.send(f'40/stories,{{"token":"{ann.caller.token}"}}')
        await asyncio.wait_for(reached.wait(), 20)
        await server.end(eio_sid)
    await until(lambda: not gateway.house.connections)
    go.set()
    await asyncio.sleep(0.2)
    assert server.manager.sid_from_eio_sid(eio_sid, NAMESPACE) is None
    assert 0 == owners[owner_of(ann)]
    assert owner_of(ann) not in gateway.house.feeds.of("story")._feeds


class Never(Expiry):
    """A clock of the gateway's that is behind the service's."""

    def set(self, expires: float | None) -> None:
        """Wait for nothing."""


async def test_a_token_that_the_service_finds_expired_first_ends_the_connection(
    gateway: Gateway, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is told that sounds as if the story were in trouble."""
    monkeypatch.setattr(socket_io_client, "Expiry", Never)
    monkeypatch.setattr(gateway.house.feeds.of("story"), "join", lambda *_: None)
    user = house.user_with(token("ann who expires", expires_in=SOON))
    script = house.script(hold_before=1)
    async with packets(gateway) as client:
        await let_in(client, user)
        id_ = await user.start(story(script.premise))
        await script.held.wait()
        await client.emit("story:join", {"storyId": id_}, NAMESPACE)
        told = await client.rest()
    script.go.set()
    assert "story:watch:error" not in told
    assert START in told
