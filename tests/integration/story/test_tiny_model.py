"""A story by a real language model of random weights: nonsense, but by every part that a sensible one goes through."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.api.story.v1 import story_pb2 as pb
from fabula.backends.text_settings import TransformersSettings
from fabula.backends.transformers_text import TransformersText
from tests.integration.story.house import bodies, open_house, sequences, text_of
from tests.tiny_models import build_tiny_text_model

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(180)]  # a small model, a busy machine

WINDOW_TOKENS = 16_384
"""A token of the tiny model is a byte: it needs many for what others say in few."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[TransformersText]:
    """A tiny model in its host."""
    folder = build_tiny_text_model(tmp_path_factory.mktemp("models") / "tiny", window=WINDOW_TOKENS)
    model = TransformersText(TransformersSettings(str(folder), is_folder=True, device="cpu"))
    yield model
    await model.close()


async def test_a_whole_story_is_told_judged_and_kept(model: TransformersText, nats_url: str) -> None:
    """The outline has its form, whoever makes it; the nonsense is refused, revised and kept with what is wrong in it.

    With the model's own distribution, untempered, random weights come to the end of a string at some time.
    """
    wanted = pb.StoryRequest(
        premise="A boat.",
        title="The Boats",
        words=50,
        chapters=1,
        seed=7,  # one whose outline is short
        revisions=1,
        characters=[pb.Character(name="Zoe")],
        sampling=pb.Sampling(temperature=2, top_p=1),
    )
    async with open_house(nats_url, writer=model) as house:
        user = house.user()
        log = await user.log(await user.start(wanted))

    assert "succeeded" == bodies(log)[-1], log[-1]
    assert list(range(1, len(log) + 1)) == sequences(log)
    story = log[-1].story
    assert ("The Boats", "tiny", 7, gen.STATE_SUCCEEDED) == (
        story.title,
        story.model,
        story.seed,
        log[-1].event.state,
    )
    assert ("The Boats", "Zoe", [50]) == (
        story.outline.title,
        story.outline.cast[0].name,
        [plan.words for plan in story.outline.chapters],
    )
    assert [False, False] == [review.accepted for review in story.reviews]
    for review in story.reviews:
        assert "Zoe was asked for and does not occur" in [finding.reason for finding in review.findings]
    written = next(r.chapter for r in log if r.event.stage_finished.stage == "write-1")
    assert written.text == text_of(log, "write-1")
    assert text_of(log, "revise-1") != written.text
    assert story.text.startswith("# The Boats\n\n")
