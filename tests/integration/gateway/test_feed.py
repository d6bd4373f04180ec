"""The feed of one's own generations, over the WebSocket and as server-sent events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from fabula.api.gateway.v1 import gateway_pb2
from gateway import owner_feeds
from gateway.feed_watch import FeedWatch
from gateway.owner_feeds import Told
from tests.integration.gateway.clients import JSON, PROTO, Gateway, Socket, SseEvent
from tests.integration.gateway.conftest import OpenGateway
from tests.integration.gateway.tokens import SECRET, token
from tests.scripted_service import ScriptedImages, ScriptedServer, ScriptedStories, until

FEED = "/v1/generations/events"


async def watch(socket: Socket, *kinds: str) -> None:
    """Ask for the feed."""
    await socket.send(frameId="w", watchGenerations={"kinds": list(kinds)})
    assert {"frameId": "w", "done": {}} == await socket.next()


async def until_listed(socket: Socket, *kinds: str) -> list[dict[str, Any]]:
    """Read until all of these kinds are listed; return the generations."""
    left, found = set(kinds), []
    while left:
        frame = await socket.next()
        if "listed" in frame:
            left.remove(frame["listed"]["kind"])
        else:
            found.append(frame["generation"])
    return found


def ids(found: list[dict[str, Any]]) -> list[str]:
    """Return the generations by kind and number."""
    return sorted(f"{each['generation']['kind']}-{each['generation']['id'][-1]}" for each in found)


def known(gateway: Gateway, owner: str = "local", kind: str = "story") -> Any:
    """Return an owner's feed; None if there is none."""
    return gateway.house.feeds.of(kind)._feeds.get(owner)


async def test_who_comes_is_told_of_all_there_are_and_then_of_changes(
    gateway: Gateway, stories: ScriptedStories, images: ScriptedImages
) -> None:
    """Of every kind; in the end that one was deleted, with its id and kind."""
    first = stories.new(1)
    stories.new(2).append(failed={})
    images.new(3)
    async with gateway.socket() as socket:
        await watch(socket)
        there = await until_listed(socket, "story", "image")
        sequence = first.write("Once ")
        changed = await socket.next()
        stories.new(4)
        new = await socket.next()
        del stories.logs[first.id]
        gone = await socket.next()

    assert ["image-3", "story-1", "story-2"] == ids(there)
    assert (first.id, sequence) == (changed["generation"]["generation"]["id"], sequence)
    assert sequence == changed["generation"]["generation"]["lastSequence"]
    assert ["story-4"] == ids([new["generation"]])
    assert {"generation": {"generation": {"id": first.id, "kind": "story"}, "deleted": True}} == gone


async def test_nothing_is_listed_as_such(gateway: Gateway) -> None:
    """A page without generations knows that there are none."""
    async with gateway.socket() as socket:
        await watch(socket)
        assert [] == await until_listed(socket, "story", "image")


async def test_only_some_kinds_are_told_of(gateway: Gateway, stories: ScriptedStories, images: ScriptedImages) -> None:
    """An unknown one is refused, with those there are."""
    stories.new(1)
    images.new(2)
    async with gateway.socket() as socket:
        await watch(socket, "image")
        assert ["image-2"] == ids(await until_listed(socket, "image"))
        stories.new(3)
        images.new(4)
        assert ["image-4"] == ids([(await socket.next())["generation"]])
        await socket.send(frameId="x", watchGenerations={"kinds": ["song"]})
        error = (await socket.next())["error"]

    assert ("INVALID_REQUEST", "kind") == (error["code"], error["violations"][0]["field"])
    assert "story, image" in error["message"]


async def test_the_feed_is_ended_and_begun_anew_on_the_same_socket(gateway: Gateway, stories: ScriptedStories) -> None:
    """After the answer nothing of it comes; asked again, it tells of all again."""
    log = stories.new(1)
    async with gateway.socket() as socket:
        await watch(socket, "story")
        await until_listed(socket, "story")
        await socket.send(frameId="u", unwatchGenerations={})
        assert {"frameId": "u", "done": {}} == await socket.next()
        log.write("x")
        await until(lambda: known(gateway).known[log.id].generation.last_sequence == 2)
        await watch(socket, "story")
        assert ["story-1"] == ids(await until_listed(socket, "story"))


async def test_it_is_spoken_in_protobuf(gateway: Gateway, stories: ScriptedStories) -> None:
    """The same frames."""
    log = stories.new(1)
    frame = gateway_pb2.ClientFrame(watch_generations=gateway_pb2.WatchGenerations(kinds=["story"]))
    async with gateway.socket(PROTO) as socket:
        await socket.connection.send(frame.SerializeToString())
        answers = [gateway_pb2.ServerFrame.FromString(await socket.connection.recv(decode=False)) for _ in range(3)]

    assert ["done", "generation", "listed"] == [answer.WhichOneof("frame") for answer in answers]
    assert log.id == answers[1].generation.generation.id


async def test_a_lost_service_is_healed_with_a_renewed_listing(
    gateway: Gateway, stories: ScriptedStories, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came, changed and went meanwhile is told; what has not changed is not told again."""
    monkeypatch.setattr(owner_feeds, "LARGEST_PAGE", 2)  # so that the list has several pages
    old, same, gone = stories.new(1), stories.new(2), stories.new(3)
    async with gateway.socket() as socket:
        await watch(socket, "story")
        await until_listed(socket, "story")
        stories.feed_cuts += 1
        del stories.logs[gone.id]
        old.write("x")
        stories.new(4)
        told = await until_listed(socket, "story")

    assert ["story-1", "story-3", "story-4"] == ids(told)
    assert [gone.id] == [each["generation"]["id"] for each in told if each.get("deleted")]
    assert same.id not in str(told)


async def test_all_deleted_while_the_service_was_lost_are_told(gateway: Gateway, stories: ScriptedStories) -> None:
    """Where nothing is left, the stream of changes is silent, and says nothing of it."""
    stories.new(1)
    async with gateway.socket() as socket:
        await watch(socket, "story")
        await until_listed(socket, "story")
        stories.feed_cuts += 1
        stories.logs.clear()
        told = await until_listed(socket, "story")

    assert [True] == [each.get("deleted") for each in told]


async def test_all_of_an_owners_watchers_share_one_upstream(gateway: Gateway, stories: ScriptedStories) -> None:
    """One call for each kind; who comes later is told of all there are by the gateway."""
    stories.new(1)
    async with gateway.socket() as first, gateway.socket() as second, gateway.stream(FEED) as (_, events):
        for socket in (first, second):
            await watch(socket, "story")
            assert ["story-1"] == ids(await until_listed(socket, "story"))
        await next_named(events, "generation")
        assert 3 == len(known(gateway).listeners)
    await until(lambda: not known(gateway).listeners)


async def test_who_does_not_read_costs_one_place_for_each_generation(
    gateway: Gateway, stories: ScriptedStories
) -> None:
    """The newest state takes the place of those before, in their place in the order."""
    feeds, visitor = gateway.house.feeds, await visitor_of(gateway)
    first, second = stories.new(1), stories.new(2)
    slow = FeedWatch(feeds, visitor, ["story"])
    await until(lambda: known(gateway).listed)
    for number in range(50):
        first.write(f"{number} ")
        second.write(f"{number} ")
        await asyncio.sleep(0.002)
    await until(lambda: known(gateway).known[second.id].generation.last_sequence == 51)
    assert 3 == slow.waiting
    told = [await slow.next() for _ in range(3)]
    slow.close()

    assert [51, 51] == [each.generation.last_sequence for each in told if isinstance(each, Told)]
    assert "story" == told[2]


async def visitor_of(gateway: Gateway) -> Any:
    """Return the local user."""
    from starlette.requests import HTTPConnection  # noqa: PLC0415 - for this only

    scope = {"type": "http", "method": "GET", "headers": [], "query_string": b"", "path": "/"}
    return await gateway.house.doorkeeper.let_in(HTTPConnection(scope))


async def next_named(events: AsyncIterator[SseEvent], name: str) -> SseEvent:
    """Return the next event of this name."""
    async for event in events:
        if event.name == name:
            return event
    raise AssertionError(f"the stream has ended without {name}")


async def test_the_feed_as_server_sent_events(
    gateway: Gateway, stories: ScriptedStories, images: ScriptedImages
) -> None:
    """Names and data are those of the frames; there are no ids, as every stream begins with all there are."""
    log = stories.new(1)
    images.new(2)
    async with gateway.stream(f"{FEED}?kind=story") as (response, events):
        assert 200 == response.status_code
        opening, there, listed = await anext(events), await anext(events), await anext(events)
        stories.new(3)
        new = await next_named(events, "generation")

    assert ("", None) == (opening.name, opening.id)
    assert ("generation", log.id, None) == (there.name, there.data["generation"]["id"], there.id)
    assert ("listed", {"kind": "story"}) == (listed.name, listed.data)
    assert new.data["generation"]["id"].endswith("3")


@pytest.mark.parametrize("query", ["?kind=song", "?kind=story&kind=song", "?state=running", "?after=1"])
async def test_what_the_stream_does_not_know_is_refused(gateway: Gateway, query: str) -> None:
    """Before it begins."""
    assert 400 == (await gateway.http.get(f"{FEED}{query}")).status_code


async def test_the_feed_has_no_head(gateway: Gateway) -> None:
    """Its answer never ends."""
    assert 405 == (await gateway.http.head(FEED)).status_code


@pytest.fixture
async def guarded() -> AsyncIterator[ScriptedServer]:
    """Services that ask for tokens."""
    running = ScriptedServer(ScriptedStories(SECRET), ScriptedImages(SECRET))
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def strict(open_gateway: OpenGateway, guarded: ScriptedServer) -> AsyncIterator[Gateway]:
    """A gateway that asks for tokens."""
    async with open_gateway(guarded.address, jwt_secret=SECRET) as running:
        yield running


async def test_everybody_is_told_of_their_own(strict: Gateway, guarded: ScriptedServer) -> None:
    """Another owner's generations are not in one's feed, at either door."""
    mine, theirs = guarded.stories.new(1, "ada"), guarded.stories.new(2, "bob")
    async with (
        strict.socket(JSON, f"bearer.{token('ada')}") as socket,
        strict.stream(FEED, Authorization=f"Bearer {token('bob')}") as (_, events),
    ):
        await watch(socket, "story")
        there = await until_listed(socket, "story")
        other = await next_named(events, "generation")
        guarded.stories.new(3, "bob")
        mine.write("x")
        changed = await socket.next()

    assert [mine.id] == [each["generation"]["id"] for each in there]
    assert theirs.id == other.data["generation"]["id"]
    assert mine.id == changed["generation"]["generation"]["id"]
    assert 401 == (await strict.http.get(FEED)).status_code


async def test_a_stream_ends_with_its_token_and_others_of_the_owner_go_on(
    strict: Gateway, guarded: ScriptedServer
) -> None:
    """Its last event says why; the shared feed goes on by the other token."""
    guarded.stories.new(1, "ada")
    async with (
        strict.stream(FEED, Authorization=f"Bearer {token('ada', 3 - 30)}") as (_, short),
        strict.stream(FEED, Authorization=f"Bearer {token('ada')}") as (_, long),
    ):
        await until(lambda: known(strict, "ada").visitor.expires > time.time() + 60)
        problem = await next_named(short, "problem")
        guarded.stories.new(2, "ada")
        names = [(await next_named(long, "generation")).data["generation"]["id"][-1] for _ in range(2)]

    assert "UNAUTHENTICATED" == problem.data["code"]
    assert ["1", "2"] == names


async def test_a_fresh_token_keeps_the_feed(strict: Gateway, guarded: ScriptedServer) -> None:
    """Handed in by `authenticate`, it is the one by which the service is asked."""
    guarded.stories.new(1, "ada")
    fresh = token("ada", 900)
    async with strict.socket(JSON, f"bearer.{token('ada')}") as socket:
        await watch(socket, "story")
        await until_listed(socket, "story")
        await socket.send(frameId="a", authenticate={"token": fresh})
        assert "done" in await socket.next()
        assert fresh == known(strict, "ada").visitor.caller.token
        guarded.stories.feed_cuts += 1
        guarded.stories.new(2, "ada")
        assert ["story-2"] == ids(await until_listed(socket, "story"))
