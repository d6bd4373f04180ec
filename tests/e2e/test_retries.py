"""A stage that fails for real, at an endpoint that refuses: the run fails, and a retry keeps what was finished."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest_asyncio

from tests.e2e.observer import Observer, all_doors, bodies, check_equal, check_log, check_story, stages
from tests.e2e.stories import api_of, watching
from tests.integration.backends.chat_server import ChatServer, chat_server, refuses, streams
from tests.system import System

CHAPTERS = ("Ida went up to the lamp, and the sea was quiet.", "In the morning the letter was gone, and so was she.")
OUTLINE = json.dumps(
    {
        "title": "The Letter",
        "logline": "A keeper finds a letter.",
        "genre": "mystery",
        "setting": "Gull Point",
        "theme": "waiting",
        "cast": [{"name": "Ida", "description": "a keeper"}],
        "chapters": [{"title": f"Night {number}", "summary": "Ida waits.", "mentions": []} for number in (1, 2)],
    }
)
REVIEW = json.dumps({"accepted": True, "findings": []})


@pytest_asyncio.fixture
async def endpoint() -> AsyncIterator[ChatServer]:
    """Run an endpoint that speaks the chat completions protocol."""
    async with chat_server() as server:
        yield server


@pytest_asyncio.fixture
async def system(endpoint: ChatServer, tmp_path: Path) -> AsyncIterator[System]:
    """Run a system whose stories that endpoint writes."""
    running = System(tmp_path / "data", environment={"FABULA_TEXT_MODEL": f"openai:author@{endpoint.base_url}"})
    await asyncio.to_thread(running.start)
    yield running
    await asyncio.to_thread(running.stop)


def words(text: str) -> list[str]:
    """Cut a text as a model streams it."""
    return [f"{word} " for word in text.split()]


async def test_a_retry_keeps_the_finished_stages(endpoint: ChatServer, system: System) -> None:
    """The second chapter is refused until the run fails; the retry asks for that chapter and nothing before it."""
    endpoint.replies = [streams(OUTLINE), streams(*words(CHAPTERS[0])), refuses(400, "the model is overloaded")]
    async with api_of(system) as api:
        story = await api.start(words=100, chapters=2, revisions=0)
        observers = [Observer(story, [door]) for door in all_doors(system)]
        async with watching(observers):
            pass
        failed = observers[0].events[-1]
        assert ("write-2", True) == (failed.failed.stage, failed.failed.retryable)
        assert ("MODEL_UNAVAILABLE", True) == (failed.failed.failure.code, "400" in failed.failed.failure.message)
        found = await api.read(story)
        assert ("STATE_FAILED", failed.sequence) == (found["generation"]["state"], found["generation"]["lastSequence"])
        assert [CHAPTERS[0], ""] == [chapter["text"].strip() for chapter in found["story"]["chapters"]]
        asked_before = len(endpoint.bodies)

        unknown = await api.command(story, "retry", fromStage="write-9")
        assert (400, "fromStage") == (unknown.status_code, unknown.json()["error"]["violations"][0]["field"])

        endpoint.replies = [streams(*words(CHAPTERS[1])), streams(REVIEW)]
        for _ in range(2):
            assert httpx.codes.OK == (await api.command(story, "retry")).status_code
        async with watching(observers):
            pass

        for observer in observers:
            assert list(CHAPTERS) == [chapter.text.strip() for chapter in check_story(observer).chapters]
        check_equal(observers)
        assert 2 == len(endpoint.bodies) - asked_before, "only the second chapter and the review were asked for"
        started, finished = stages(observers[0], "stage_started"), stages(observers[0], "stage_finished")
        assert (2, 1) == (started.count("write-2"), finished.count("write-2"))
        for kept in ("load_prompts", "outline", "write-1"):
            assert (1, 1) == (started.count(kept), finished.count(kept))
        assert 1 == bodies(observers[0]).count("retried")
        assert (await api.command(story, "retry")).status_code == httpx.codes.CONFLICT


async def test_a_retry_may_begin_at_an_earlier_stage(endpoint: ChatServer, system: System) -> None:
    """From the outline on everything is done again; the log tells both runs, each with its own end."""
    endpoint.replies = [streams(OUTLINE), refuses(400)]
    async with api_of(system) as api:
        story = await api.start(words=100, chapters=2, revisions=0)
        observer = Observer(story, all_doors(system))
        await observer.watch()
        endpoint.replies = [streams(OUTLINE), *(streams(*words(text)) for text in CHAPTERS), streams(REVIEW)]
        assert httpx.codes.OK == (await api.command(story, "retry", fromStage="outline")).status_code
        await observer.watch()

        check_log(observer)
        assert ["failed", "succeeded"] == [each for each in bodies(observer) if each in ("failed", "succeeded")]
        finished = stages(observer, "stage_finished")
        assert (1, 2) == (finished.count("load_prompts"), finished.count("outline"))
