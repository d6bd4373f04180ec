from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image

from fabula.backends.text import Message, Sampling
from fabula.backends.text_request import LanguageModelConfig
from fabula.backends.text_settings import TransformersSettings
from fabula.backends.transformers_vision import TransformersVision
from fabula.errors import InvalidRequest, ModelUnavailable
from services.character.prompted_reader import HEADINGS, PromptedReader
from tests.tiny_vision import build_tiny_vision_model
from tests.unit.backends.pictures import encoded, plain

# One child serves the whole file: importing torch takes seconds.
pytestmark = pytest.mark.asyncio(loop_scope="module")

MESSAGES = (Message("system", "You look at pictures."), Message("user", "What is there?"))
GREEDY = Sampling(max_tokens=40, temperature=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny model that looks at pictures."""
    return build_tiny_vision_model(tmp_path_factory.mktemp("models") / "seer", window=4096, fond_of='"')


def new_model(folder: Path) -> TransformersVision:
    """Return the model in a folder, not yet loaded."""
    return TransformersVision(
        TransformersSettings(str(folder), is_folder=True, device="cpu", setting="FABULA_VISION_MODEL")
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model(folder: Path) -> AsyncIterator[TransformersVision]:
    """The tiny model."""
    model = new_model(folder)
    yield model
    await model.close()


async def text(model: TransformersVision, picture: bytes, sampling: Sampling = GREEDY, **more: Any) -> str:
    """Return the whole answer."""
    return "".join([piece async for piece in model.stream(picture, MESSAGES, sampling, **more)])


async def test_the_answer_is_what_the_library_itself_generates(model: TransformersVision, folder: Path) -> None:
    """Template, pixels and tokens are those of the library; the processor works without torchvision."""
    answer = await text(model, plain("teal"))

    assert await asyncio.to_thread(generated_by_the_library, folder, plain("teal")) == answer
    assert ("seer", "cpu", "float32") == (model.name, model.state.details["device"], model.state.details["dtype"])


def generated_by_the_library(folder: Path, picture: bytes) -> str:
    """Generate greedily, without Fabula."""
    from transformers import AutoModelForImageTextToText, AutoProcessor  # noqa: PLC0415 - seconds, and only here

    processor: Any = AutoProcessor.from_pretrained(folder)  # type: ignore[no-untyped-call]  # the library's
    model: Any = AutoModelForImageTextToText.from_pretrained(folder)
    turns = [
        {"role": "system", "content": [{"type": "text", "text": MESSAGES[0].content}]},
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": MESSAGES[1].content}]},
    ]
    prompt = processor.apply_chat_template(turns, add_generation_prompt=True)
    inputs = processor(text=prompt, images=Image.open(io.BytesIO(picture)), return_tensors="pt")
    tokens = model.generate(**inputs, do_sample=False, max_new_tokens=GREEDY.max_tokens)
    return str(processor.decode(tokens[0, inputs["input_ids"].shape[1] :]))


async def test_the_answer_depends_on_the_picture_and_the_seed_alone(model: TransformersVision) -> None:
    """Another picture gets another answer, and so does another seed; the same ones get the same."""
    sampling = Sampling(max_tokens=40, temperature=1, seed=7)
    red = await text(model, plain("red"), sampling)
    blue = await text(model, plain("blue"), sampling)
    other = await text(model, plain("red"), Sampling(max_tokens=40, temperature=1, seed=8))

    assert 3 == len({red, blue, other})
    assert red == await text(model, plain("red"), sampling)


async def test_pictures_of_every_kind_are_looked_at(model: TransformersVision) -> None:
    """Grey, palette, transparent, and of one pixel: each becomes what the model's processor wants."""
    for kind in ("L", "P", "RGBA", "LA", "1"):
        assert await text(model, encoded(Image.new(kind, (9, 5))), Sampling(max_tokens=2))
    assert await text(model, plain("red", 1, 1), Sampling(max_tokens=2))


async def test_an_answer_satisfies_its_schema_whatever_the_model_would_say(model: TransformersVision) -> None:
    """Random weights write valid JSON about a picture."""
    schema = {
        "type": "object",
        "properties": {"seen": {"type": "string", "maxLength": 40}, "sure": {"type": "boolean"}},
        "required": ["seen", "sure"],
        "additionalProperties": False,
    }
    answer = await text(model, plain(), Sampling(max_tokens=200, temperature=1, seed=1), schema=schema)

    assert {"seen", "sure"} == set(json.loads(answer))


async def test_places_for_a_picture_in_a_text_are_text(model: TransformersVision) -> None:
    """Each character of such a word is a token, none a place that wants a picture; the window's bound has numbers."""
    said = "<image>" * 60
    with pytest.raises(InvalidRequest, match=r"has 42[0-9] tokens and the answer may have 4000 more"):
        async for _ in model.stream(plain(), [Message("user", said)], Sampling(max_tokens=4000)):
            pass


async def test_a_damaged_picture_is_the_callers_to_change(model: TransformersVision) -> None:
    """The model stays loaded."""
    await model.warm()
    pid = model.state.pid
    with pytest.raises(InvalidRequest, match="the picture cannot be read"):
        await text(model, plain()[:60])

    assert pid == model.state.pid


async def test_a_cancelled_answer_leaves_the_model_warm_and_the_next_answer_right(model: TransformersVision) -> None:
    """Closing the generator stops at the next token."""
    expected = await text(model, plain())
    pid = model.state.pid
    async with aclosing(model.stream(plain(), MESSAGES, Sampling(max_tokens=400))) as answer:
        await anext(answer)

    assert expected == await text(model, plain())
    assert pid == model.state.pid


async def test_a_model_without_a_chat_template_is_asked_in_plain_text(folder: Path) -> None:
    """The places for the picture stand before the conversation, once."""
    from transformers import AutoProcessor  # noqa: PLC0415 - seconds, and only here

    from fabula.backends.picture_prompt import to_picture_prompt  # noqa: PLC0415

    processor: Any = AutoProcessor.from_pretrained(folder)  # type: ignore[no-untyped-call]  # the library's
    processor.chat_template = None
    prompt, pixels = to_picture_prompt(processor, MESSAGES, Image.new("RGB", (8, 8)))

    said = processor.decode(prompt.tokens)
    assert said.startswith("<image>" * 4 + "\nYou look at pictures.\n\nUser: What is there?")
    assert (1, 3, 32, 32) == tuple(pixels["pixel_values"].shape)
    assert ("\nUser:",) == prompt.stops


async def test_a_reader_gets_findings_and_looks_from_it(model: TransformersVision) -> None:
    """From prompts to what is stored, with a model that writes noise of the right form."""
    reader = PromptedReader(model)
    analysis = await reader.analyse(plain())
    looks = await reader.extract(plain(), analysis)

    assert HEADINGS == tuple(heading for heading, _ in analysis.facts)
    assert all(text for _, text in analysis.facts)
    assert looks.physical_description
    assert looks.visual_style


@pytest.mark.skipif(find_spec("torchvision") is not None, reason="torchvision is installed")
async def test_a_model_that_needs_torchvision_says_so(tmp_path: Path, folder: Path) -> None:
    """Its processor takes videos as well, and the library has none for these without it."""
    from fabula.backends.transformers_vision_child import PictureModel  # noqa: PLC0415 - imports torch

    for file in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / file).write_bytes((folder / file).read_bytes())
    processor = {"image_processor_type": "Qwen2VLImageProcessor", "processor_class": "Qwen2_5_VLProcessor"}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(processor))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2_5_vl"}))
    config = LanguageModelConfig(
        str(tmp_path), is_folder=True, revision=None, device="cpu", dtype="auto", allow_download=False, setting="X"
    )
    with pytest.raises(ModelUnavailable, match="needs torchvision, which Fabula does not bring"):
        await asyncio.to_thread(PictureModel, config)


async def test_a_model_that_cannot_see_is_refused(tiny_text_model: Path) -> None:
    """A language model's folder is named, and what it lacks."""
    model = new_model(tiny_text_model)
    with pytest.raises(ModelUnavailable, match="tiny is no model of the library that looks at pictures"):
        await text(model, plain())
    await model.close()
