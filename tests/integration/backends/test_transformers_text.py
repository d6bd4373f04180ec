from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from fabula.backends.text import Message, Sampling
from fabula.backends.text_settings import TransformersSettings
from fabula.backends.transformers_text import TransformersText
from fabula.errors import InvalidRequest, ModelCrashed, ModelOutputInvalid, ModelUnavailable
from tests.tiny_models import build_tiny_text_model

# One child serves the whole file: importing torch takes seconds.
pytestmark = pytest.mark.asyncio(loop_scope="module")

MESSAGES = (Message("system", "You tell stories."), Message("user", "Tell me of the sea."))
GREEDY = Sampling(max_tokens=60, temperature=0)
SEEDED = Sampling(max_tokens=60, temperature=1, seed=7)


def new_model(folder: Path) -> TransformersText:
    """Return the model in a folder, not yet loaded."""
    return TransformersText(TransformersSettings(str(folder), is_folder=True, device="cpu"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def model(tiny_text_model: Path) -> AsyncIterator[TransformersText]:
    """A tiny model that writes printable ASCII."""
    model = new_model(tiny_text_model)
    yield model
    await model.close()


async def pieces(model: TransformersText, sampling: Sampling = GREEDY, **more: Any) -> list[str]:
    """Return the answer's pieces."""
    return [piece async for piece in model.stream(MESSAGES, sampling, **more)]


async def text(model: TransformersText, sampling: Sampling = GREEDY, **more: Any) -> str:
    """Return the whole answer."""
    return "".join(await pieces(model, sampling, **more))


async def test_the_model_names_itself_and_its_state(model: TransformersText) -> None:
    """The name is the folder's, and the state tells device and number format."""
    await model.warm()

    assert ("tiny", True) == (model.name, model.continues)
    assert "ready" == model.state.phase
    assert {"device": "cpu", "dtype": "float32", "window": 512, "commit": None} == model.state.details


async def test_the_pieces_are_tokens_and_together_the_whole_that_the_library_itself_generates(
    model: TransformersText, tiny_text_model: Path
) -> None:
    """Streaming changes nothing: the text is what `generate` gives in one go."""
    streamed = await pieces(model)

    assert await asyncio.to_thread(generated_by_the_library, tiny_text_model) == "".join(streamed)
    assert GREEDY.max_tokens == len(streamed)  # this tokeniser's tokens are characters


def generated_by_the_library(folder: Path) -> str:
    """Generate greedily, without Fabula."""
    from transformers import AutoModelForCausalLM, AutoTokenizer  # noqa: PLC0415 - seconds, and only here

    tokeniser: Any = AutoTokenizer.from_pretrained(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    conversation = [{"role": message.role, "content": message.content} for message in MESSAGES]
    prompt = tokeniser.apply_chat_template(conversation, add_generation_prompt=True, return_tensors="pt")
    tokens = model.generate(**prompt, do_sample=False, max_new_tokens=GREEDY.max_tokens)
    return str(tokeniser.decode(tokens[0, prompt["input_ids"].shape[1] :]))


async def test_the_same_seed_gives_the_same_text_and_another_seed_another(model: TransformersText) -> None:
    """Randomness comes from the seed alone, whatever ran in between."""
    first = await text(model, SEEDED)
    other = await text(model, Sampling(max_tokens=60, temperature=1, seed=8))

    assert first == await text(model, SEEDED)
    assert first != other


async def test_without_a_seed_each_answer_is_another(model: TransformersText) -> None:
    """An absent seed is drawn afresh for each answer."""
    unseeded = Sampling(max_tokens=60, temperature=1)

    assert await text(model, unseeded) != await text(model, unseeded)


async def test_a_narrow_nucleus_leaves_the_likeliest_token(model: TransformersText) -> None:
    """With a tiny top_p sampling is greedy, at any temperature and seed."""
    assert await text(model) == await text(model, Sampling(max_tokens=60, temperature=2, top_p=1e-6, seed=3))


@pytest.mark.parametrize("sampling", [GREEDY, SEEDED])
async def test_a_continued_answer_is_the_one_that_was_interrupted(model: TransformersText, sampling: Sampling) -> None:
    """From every place the model goes on as if it had not been interrupted, to the same end."""
    whole = await text(model, sampling)

    for place in (1, 17, 59, 60):
        assert whole[place:] == await text(model, sampling, prefix=whole[:place])


async def test_an_answer_ends_before_the_first_stop_string(model: TransformersText) -> None:
    """The stop string may lie across tokens, and is not shown, nor is its beginning."""
    whole = await text(model, SEEDED)
    stop = whole[20:23]
    sampling = Sampling(max_tokens=60, temperature=1, seed=7, stop=("never said", stop))

    assert whole[: whole.index(stop)] == await text(model, sampling)


async def test_an_answer_satisfies_its_schema_whatever_the_model_would_say(model: TransformersText) -> None:
    """Random weights write valid JSON, in characters of several bytes that are never torn."""
    schema = {
        "type": "object",
        "properties": {
            "title": {"enum": ["Grüße aus 漢字 😀", "Ünï"]},
            "chapters": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3},
        },
        "required": ["title", "chapters"],
        "additionalProperties": False,
    }
    for seed in range(5):
        answer = await pieces(model, Sampling(max_tokens=200, temperature=1, seed=seed), schema=schema)
        value = json.loads("".join(answer))

        assert {"title", "chapters"} == set(value)
        assert not any("\ufffd" in piece for piece in answer)


async def test_json_can_be_continued_too(model: TransformersText) -> None:
    """The schema holds for prefix and continuation together."""
    schema = {"type": "array", "items": {"type": "integer", "maximum": 9}, "minItems": 2, "maxItems": 4}
    sampling = Sampling(max_tokens=100, temperature=1, seed=1)
    whole = await text(model, sampling, schema=schema)

    assert whole[2:] == await text(model, sampling, schema=schema, prefix=whole[:2])
    assert [] == await pieces(model, sampling, schema=schema, prefix=whole)


async def test_an_answer_cut_short_within_its_json_is_an_error(model: TransformersText) -> None:
    """What cannot be parsed is not passed off as an answer; the model stays loaded."""
    schema = {"type": "object", "properties": {"a_long_name": {"type": "string"}}, "required": ["a_long_name"]}
    with pytest.raises(ModelOutputInvalid, match="Allow more tokens"):
        await text(model, Sampling(max_tokens=8), schema=schema)


@pytest.mark.parametrize(
    ("schema", "prefix", "error_class", "words"),
    [
        ({"type": "nonsense"}, "", InvalidRequest, "no JSON Schema"),
        ({"type": "string", "pattern": "(?<=a)b"}, "", InvalidRequest, "cannot be enforced"),
        ({"type": "integer"}, "no number", ModelOutputInvalid, "does not fit its schema"),
    ],
)
async def test_a_schema_that_cannot_be_kept_is_refused(
    model: TransformersText, schema: dict[str, Any], prefix: str, error_class: type[Exception], words: str
) -> None:
    """The refusal says why, and the model stays loaded."""
    with pytest.raises(error_class, match=words):
        await text(model, schema=schema, prefix=prefix)


async def test_a_text_beyond_the_window_is_refused_with_the_numbers(model: TransformersText) -> None:
    """Nothing is cut off silently."""
    with pytest.raises(InvalidRequest, match="may have 500 more, but the model's window holds 512"):
        await text(model, Sampling(max_tokens=500))


async def test_control_tokens_in_a_text_are_text(model: TransformersText) -> None:
    """A source that contains the end of a turn does not end its turn: each of its characters is a token."""
    said = "<|end|>" * 40
    with pytest.raises(InvalidRequest, match=f"has {len(said) + 3} tokens"):
        async for _ in model.stream([Message("user", said)], Sampling(max_tokens=500)):
            pass


async def test_a_cancelled_answer_leaves_the_model_warm_and_the_next_answer_right(model: TransformersText) -> None:
    """Closing the generator stops at the next token; nothing of the answer leaks into the next."""
    expected = await text(model)
    pid = model.state.pid
    async with aclosing(model.stream(MESSAGES, Sampling(max_tokens=400))) as answer:
        await anext(answer)

    assert expected == await text(model)
    assert pid == model.state.pid


async def test_a_model_killed_in_mid_answer_is_loaded_again(model: TransformersText) -> None:
    """The answer fails by name, and the next one comes from a fresh process."""
    expected = await text(model)
    with pytest.raises(ModelCrashed, match="signal 9"):
        await kill_in_mid_answer(model)

    assert expected == await text(model)


async def kill_in_mid_answer(model: TransformersText) -> None:
    """Kill the model's process after the first piece."""
    async with aclosing(model.stream(MESSAGES, Sampling(max_tokens=400))) as answer:
        await anext(answer)
        assert model.state.pid is not None
        os.kill(model.state.pid, signal.SIGKILL)
        async for _ in answer:
            pass


async def test_bytes_that_are_no_text_never_stall_the_stream(tmp_path: Path) -> None:
    """A model that writes any byte is streamed as it writes, with U+FFFD for what is no character."""
    model = new_model(build_tiny_text_model(tmp_path / "bytes", ascii_only=False))
    answer = await pieces(model, Sampling(max_tokens=300, temperature=1, seed=1))
    await model.close()

    assert len(answer) > 75  # a piece holds four bytes at most
    "".join(answer).encode("utf-8")


async def test_a_model_without_a_chat_template_is_asked_in_plain_text(tmp_path: Path) -> None:
    """A base model is given the conversation as text."""
    model = new_model(build_tiny_text_model(tmp_path / "base", template=False))
    answer = await pieces(model)
    await model.close()

    assert GREEDY.max_tokens == len("".join(answer))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (TransformersSettings("/no/such/folder", is_folder=True), "there is no folder /no/such/folder"),
        (TransformersSettings("fabula-tests/no-such-model", is_folder=False), "hf download fabula-tests/no-such-model"),
    ],
)
async def test_a_model_that_is_not_here_says_what_to_do(settings: TransformersSettings, words: str) -> None:
    """A missing folder is named; a hub model that was never fetched is not fetched unasked."""
    model = TransformersText(settings)
    with pytest.raises(ModelUnavailable, match=words):
        await text(model)
    await model.close()


@pytest.fixture
def folder_without_safetensors(tmp_path: Path, tiny_text_model: Path) -> Path:
    """A model's folder with its weights in the old format."""
    for file in tiny_text_model.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(b"not looked at")
    return tmp_path


async def test_a_folder_without_safetensors_is_refused(folder_without_safetensors: Path) -> None:
    """Weights in another format, which may hold code, are not loaded."""
    model = new_model(folder_without_safetensors)
    with pytest.raises(ModelUnavailable, match="safetensors"):
        await text(model)
    await model.close()
