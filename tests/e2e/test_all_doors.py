"""One story through all doors at once, in every dialect: each tells the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
import websockets

from fabula.api.story.v1.story_pb2 import Story
from tests.e2e.observer import Observer, all_doors, check_equal, check_story
from tests.e2e.stories import PREMISE, api_of, watching
from tests.integration.gateway.official_client import official_client
from tests.system import System

Said = Sequence[tuple[str, dict[str, Any]]]
"""Payloads by the names of their events."""


@pytest.mark.timeout(180)
async def test_one_story_is_the_same_through_every_door(house: System) -> None:
    """Eight native watchers see the same bytes; the dialects' payloads agree with them, and with who asks again."""
    async with api_of(house) as api, official_client() as official:
        await official.connect("page", house.url, "/stories")
        await official.until("page", "connect")
        started = await api.http.post("/api/v1/stories/generate", json={"premise": PREMISE, "length": 120, "seed": 7})
        assert started.status_code == httpx.codes.ACCEPTED, started.text
        story_id = started.json()["generation_id"]
        observers = [Observer(story_id, [door]) for door in all_doors(house)]
        async with asyncio.TaskGroup() as tasks:
            workshop = tasks.create_task(updates(house, story_id))
            rooms = tasks.create_task(room(official, story_id))
            pipeline = tasks.create_task(stream(api.http, story_id))
            async with watching(observers):
                pass
        story = check_story(observers[0])
        check_equal(observers)
        fractions = [event.progress.fraction for event in observers[0].events]
        check_workshop(workshop.result(), fractions)
        check_rooms(rooms.result(), story_id, story)
        check_pipeline(pipeline.result(), story)
        await check_who_asks(api.http, story_id, workshop.result()[-1], story)


async def updates(house: System, story_id: str) -> list[dict[str, Any]]:
    """Return what the socket of family A tells, to its end."""
    url = f"ws{house.url.removeprefix('http')}/api/v1/stories/progress/{story_id}"
    async with websockets.connect(url) as socket:
        told = [json.loads(message) async for message in socket]
        assert socket.close_code == 1000
        return told


async def room(official: Any, story_id: str) -> Said:
    """Return what the room of family B tells of the story, to its end; it tells of others that have just ended, too."""

    def is_ours(args: list[Any]) -> bool:
        return bool(args and isinstance(args[0], dict) and args[0].get("storyId") == story_id)

    seen = await official.until("page", "story:processing:complete", is_ours)
    return [(event, args[0]) for event, args in seen if event.startswith("story:processing:") and is_ours(args)]


async def stream(http: httpx.AsyncClient, story_id: str) -> Said:
    """Return what the stream of family D tells, to its end."""
    told: list[tuple[str, dict[str, Any]]] = []
    event = ""
    async with http.stream("GET", f"/run/stream/{story_id}", timeout=None) as response:
        assert response.status_code == httpx.codes.OK
        async for line in response.aiter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                event = value
            elif name == "data":
                told.append((event, json.loads(value)))
    return told


def check_workshop(told: Sequence[dict[str, Any]], fractions: Sequence[float]) -> None:
    """Every event of the log is an update, unless the socket was opened after it; none goes back."""
    shown = [update["progress"] for update in told]
    assert shown == sorted(shown)
    assert shown == [round(100 * fraction, 2) for fraction in fractions][-len(shown) :]
    assert (100, "completed") == (told[-1]["progress"], told[-1]["stage"])


def check_rooms(told: Said, story_id: str, story: Story) -> None:
    """The start, each step once, and the story in full."""
    assert {story_id} == {content["storyId"] for _, content in told}
    assert [None, 50, 75, None] == [content.get("progress") for _, content in told]
    end = told[-1][1]
    assert (story.text, story.word_count) == (end["generatedContent"], end["generatedWordCount"])


def check_pipeline(told: Said, story: Story) -> None:
    """The draft is what was written; the output is the story."""
    end = dict(told)["complete"]
    assert (True, story.text) == (end["success"], end["output"])
    assert (story.word_count, story.model) == (end["metadata"]["word_count"], end["metadata"]["model"])
    draft = next(content["draft"] for event, content in told if event == "draft")
    for chapter in story.chapters:
        assert chapter.text.split()[:20] == draft[draft.index(chapter.text[:20]) :].split()[:20]


async def check_who_asks(http: httpx.AsyncClient, story_id: str, newest: dict[str, Any], story: Story) -> None:
    """The addresses for polling show what the sockets have told last."""
    status = (await http.get(f"/api/v1/stories/status/{story_id}")).json()
    assert newest == {name: status[name] for name in newest}
    assert ("completed", story.text) == (status["status"], status["story"]["content"])
    native = (await http.get(f"/v1/generations/{story_id}")).json()
    assert (story.text, story.title) == (native["story"]["text"], native["story"]["title"])
    result = (await http.get(f"/run/{story_id}")).json()
    assert story.text == result["output"]
