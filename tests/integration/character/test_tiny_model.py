"""A character by a real language model of random weights: nonsense, but by all parts that a sensible one goes by."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.backends.text_settings import TransformersSettings
from fabula.backends.transformers_text import TransformersText
from fabula.engine.worker import WorkerSettings
from fabula.journal import Journal
from fabula.runtime import Stop, worker
from services.character.contract import CharacterContract
from services.character.pipeline import CharacterPipeline
from services.character.prompted import PromptedMaker
from services.character.stages import Tools
from tests.integration.character.house import KEEP, House, bodies, open_house, picture_file
from tests.integration.story.house import running
from tests.tiny_models import build_tiny_text_model

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]  # a small model, a busy machine

WINDOW_TOKENS = 8192
"""A token of the tiny model is a byte: it needs many for what others say in few."""


def part(house: House, model: TransformersText) -> Any:
    """Return a worker that makes characters up with this model."""

    async def part(journal: Journal, stop: Stop) -> None:
        @asynccontextmanager
        async def open_pipeline() -> AsyncIterator[CharacterPipeline]:
            yield CharacterPipeline(Tools(PromptedMaker(model), house.reader, journal.records, KEEP))

        await worker(CharacterContract().codec, open_pipeline, WorkerSettings(4, 1.0))(journal, stop)

    return part


async def test_a_whole_character_is_made_and_goes_on_after_a_pause(nats_url: str, tmp_path: Path) -> None:
    """The details have their form, whoever makes them; the history is streamed, and goes on in the middle."""
    folder = build_tiny_text_model(tmp_path / "tiny", window=WINDOW_TOKENS, fond_of='"')
    model = TransformersText(TransformersSettings(str(folder), is_folder=True, device="cpu"))
    async with open_house(nats_url, working=False) as house, running(part(house, model), house.settings):
        ida = house.customer()
        id_ = await ida.start("a knight", picture={"data": picture_file()})
        await ida.until_written(id_, 20)
        await ida.call("PauseGeneration", generation_id=id_)
        paused = await ida.reaches(id_, gen.STATE_PAUSED, gen.STATE_SUCCEEDED)
        await ida.call("ResumeGeneration", generation_id=id_)
        character = await ida.result(id_)
        seen = await ida.watched(id_)
    await model.close()

    assert gen.STATE_PAUSED == paused.generation.state
    told = "".join(one.event.text_delta.text for one in seen)
    assert told.startswith(paused.character.history)
    assert told.strip() == character.history
    assert "stage_restarted" not in bodies(seen)
    details = character.details
    assert ("tiny", paused.character.details) == (character.maker, details)
    assert details.first_name
    assert details.species
    assert 2 <= len(details.traits) <= 6
