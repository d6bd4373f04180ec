from __future__ import annotations

import asyncio
from contextlib import aclosing
from uuid import uuid4

import pytest

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.api.story.v1 import story_pb2 as pb
from fabula.errors import NotFound
from fabula.rpc.kinds import STORY
from tests.integration.story.house import House, User, bodies, first, sequences, story, text_of

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_watch_tells_the_whole_log_and_ends_with_ok(house: House, user: User) -> None:
    """From the start, every event 1 to N comes once, the last one ends the run, and nothing follows it."""
    id_ = await user.start(story(house.script().premise))

    log = await user.log(id_)

    assert list(range(1, len(log) + 1)) == sequences(log)
    assert ("accepted", "succeeded") == (bodies(log)[0], bodies(log)[-1])
    assert 1.0 == log[-1].event.progress.fraction
    assert log[-1].story.chapters[0].text == text_of(log, "write-1").strip()
    assert "scripted" == log[-1].story.model


async def test_a_watch_of_an_ended_run_ends_at_once_wherever_its_cursor_stands(house: House, user: User) -> None:
    """Who has everything, down to the terminal event, is told that it is over: with OK, and with no event."""
    id_ = await user.start(story(house.script().premise))
    whole = await user.log(id_)

    async with asyncio.timeout(5):
        assert [] == await user.log(id_, after_sequence=len(whole))
        assert whole[-1:] == await user.log(id_, after_sequence=len(whole) - 1)
        assert whole == await user.log(id_)
