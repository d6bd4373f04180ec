"""The room of one's stories while connections to the service come and go, before a service that a test writes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway import owner_feeds
from gateway.frontends import story_rooms
from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.socket_io_clients import Packets, doors, packets
from tests.scripted_service import ScriptedStories, until

NAMESPACE = "/stories"
START, COMPLETE = "story:processing:start", "story:processing:complete"


async def let_in(client: Packets, **auth: Any) -> None:
    """Enter the namespace, and wait until the feed is open."""
    assert (await client.connect(NAMESPACE, auth)).startswith("40")


async def open_feed(gateway: Gateway) -> Any:
    """Return the local user's feed once it has told of what there is."""
    feeds = doors(gateway).known[NAMESPACE]._feeds._feeds
    await until(lambda: "local" in feeds and feeds["local"].known)
    return feeds["local"]


def told(events: list[tuple[str, Any]]) -> list[tuple[str, str]]:
    """Return names and stories, the latter by their numbers."""
    return [(name, content["storyId"][-1]) for name, content in events]


async def test_stories_of_before_are_told_once_they_go_on(gateway: Gateway, stories: ScriptedStories) -> None:
    """From where they had ended: what was over before is not told."""
    old = stories.new(1)
    old.append(failed={"failure": {"message": "no"}})
    async with packets(gateway) as client:
        await let_in(client)
        await open_feed(gateway)
        old.append(retried={"from_stage": "write-1"})
        old.succeed(story={"text": "x", "word_count": 1})
        names = [name for name, _ in await client.events(3)]

    assert [START, "story:processing:progress", COMPLETE] == names


async def test_a_story_that_came_and_ended_while_the_service_was_away_is_told(
    gateway: Gateway, stories: ScriptedStories
) -> None:
    """All of it, and those of before not again."""
    stories.new(1).succeed(story={"text": "old", "word_count": 1})
    async with packets(gateway) as client:
        await let_in(client)
        feed = await open_feed(gateway)
        stories.feed_cuts += 1
        await until(lambda: feed.task is not None)
        late = stories.new(2)
        late.succeed(story={"text": "new", "word_count": 1})
        assert [(START, "2"), (COMPLETE, "2")] == told(await client.events(2))
        stories.feed_cuts += 1
        stories.new(3)
        assert [(START, "3")] == told(await client.events(1))


async def test_a_watch_that_is_cut_is_taken_up_again(gateway: Gateway, stories: ScriptedStories) -> None:
    """Nothing is lost or told twice."""
    async with packets(gateway) as client:
        await let_in(client)
        await until(lambda: "local" in doors(gateway).known[NAMESPACE]._feeds._feeds)
        log = stories.new(1)
        assert [(START, "1")] == told(await client.events(1))
        log.cut()
        log.append(stage_started={"stage": "outline"})
        log.cut()
        log.succeed(story={"text": "x", "word_count": 1})
        assert ["story:processing:progress", COMPLETE] == [name for name, _ in await client.events(2)]


async def test_a_deleted_story_is_forgotten(gateway: Gateway, stories: ScriptedStories) -> None:
    """It is watched no more; nobody hears of it as a trouble."""
    async with packets(gateway) as client:
        await let_in(client)
        log = stories.new(1)
        assert [(START, "1")] == told(await client.events(1))
        await until(lambda: bool(gateway.house.hub._watchers))
        del stories.logs[log.id]
        await until(lambda: not gateway.house.hub._watchers)
        stories.new(2)
        assert [(START, "2")] == told(await client.events(1))


async def test_a_cursor_ahead_of_the_log_begins_anew(gateway: Gateway, stories: ScriptedStories) -> None:
    """As where a log was lost: the client is told where the story stands."""
    log = stories.new(1)
    log.append(stage_started={"stage": "outline"})
    async with packets(gateway) as client:
        await let_in(client, after={log.id: 900})
        events = await client.events(2)

    assert [START, "story:cursor"] == [name for name, _ in events]
    assert 2 == events[-1][1]["cursor"]


async def test_a_feed_is_kept_for_who_comes_back_soon(
    gateway: Gateway, stories: ScriptedStories, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that is reloaded does not have everything listed again."""
    monkeypatch.setattr(owner_feeds, "LINGER_SECONDS", 0.3)
    stories.new(1)
    feeds = doors(gateway).known[NAMESPACE]._feeds._feeds
    async with packets(gateway) as client:
        await let_in(client)
        first = await open_feed(gateway)
    async with packets(gateway) as client:
        await let_in(client)
        assert [(START, "1")] == told(await client.events(1))
        assert first is feeds["local"]
        await asyncio.sleep(0.4)
        assert first is feeds["local"]
    await until(lambda: "local" not in feeds)


async def test_stories_that_were_left_are_remembered_up_to_a_bound(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names cost memory, and anybody can make them up."""
    monkeypatch.setattr(story_rooms, "MOST_LEFT", 2)
    async with packets(gateway) as client:
        await let_in(client)
        answers = [
            (await client.ask("story:leave", {"storyId": f"story-00000000-0000-4000-8000-00000000000{n}"}, NAMESPACE))[
                0
            ]
            for n in range(3)
        ]

    assert [True, True, False] == [answer["success"] for answer in answers]
    assert "RESOURCE_EXHAUSTED" == answers[-1]["code"]
