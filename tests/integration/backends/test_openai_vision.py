from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
from PIL import Image

from fabula.backends.openai_vision import OpenAIVision
from fabula.backends.text import Message, Sampling
from fabula.backends.text_settings import OpenAISettings
from fabula.errors import InvalidRequest, ModelCrashed, ModelOutputInvalid, ModelUnavailable
from tests.integration.backends.chat_server import ChatServer, breaks_off, chat_server, refuses, streams
from tests.unit.backends.pictures import encoded, plain

MESSAGES = (Message("system", "You look at pictures."), Message("user", "What is there?"))
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}


@pytest.fixture
async def server() -> AsyncIterator[ChatServer]:
    """A server on the loopback."""
    async with chat_server() as server:
        yield server


@pytest.fixture
async def model(server: ChatServer) -> AsyncIterator[OpenAIVision]:
    """A model behind it that retries quickly."""
    settings = OpenAISettings(
        "looker", server.base_url, api_key="sk-1", retries=2, backoff_seconds=0.01, setting="FABULA_VISION_MODEL"
    )
    model = OpenAIVision(settings)
    yield model
    await model.close()


async def pieces(model: OpenAIVision, picture: bytes, **more: Any) -> list[str]:
    """Return the answer's pieces."""
    return [piece async for piece in model.stream(picture, MESSAGES, Sampling(seed=4), **more)]


async def test_an_answer_about_a_picture_is_streamed_piece_by_piece(server: ChatServer, model: OpenAIVision) -> None:
    """The pieces come as they were sent."""
    server.replies = [streams("A fox", " in", " 雪.")]

    assert ["A fox", " in", " 雪."] == await pieces(model, plain())
    assert "looker" == model.name


async def test_the_picture_lies_in_the_users_first_turn(server: ChatServer, model: OpenAIVision) -> None:
    """As a data URL before the text, byte by byte what was given; the other turns are text as ever."""
    server.replies = [streams("x")]
    conversation = (*MESSAGES, Message("assistant", "A cat."), Message("user", "Look again."))
    async for _ in model.stream(plain(), conversation, Sampling()):
        pass

    system, first, answer, second = server.bodies[0]["messages"]
    assert [("image/png", plain())] == server.pictures
    assert ["image_url", "text"] == [part["type"] for part in first["content"]]
    assert "What is there?" == first["content"][1]["text"]
    assert ["You look at pictures.", "A cat.", "Look again."] == [turn["content"] for turn in (system, answer, second)]


async def test_a_large_picture_is_made_smaller_before_it_is_sent(server: ChatServer, model: OpenAIVision) -> None:
    """Its proportions stay; it goes as JPEG, of at most a million pixels."""
    server.replies = [streams("x")]
    await pieces(model, plain("navy", 3000, 1500))

    [(kind, data)] = server.pictures
    sent = Image.open(io.BytesIO(data))
    assert "image/jpeg" == kind
    assert sent.width * sent.height <= 1024 * 1024
    assert 2.0 == pytest.approx(sent.width / sent.height, abs=0.01)


async def test_what_endpoints_may_not_know_is_sent_as_jpeg_on_white(server: ChatServer, model: OpenAIVision) -> None:
    """A GIF is not taken everywhere, and a transparent one would be black in JPEG."""
    server.replies = [streams("x")]
    await pieces(model, encoded(Image.new("RGBA", (8, 8), (0, 0, 0, 0)), "GIF"))

    [(kind, data)] = server.pictures
    assert ("image/jpeg", (255, 255, 255)) == (kind, Image.open(io.BytesIO(data)).getpixel((4, 4)))


@pytest.mark.parametrize("picture", [b"", b"GIF89a", plain()[:60]])
async def test_what_is_no_picture_is_not_sent(server: ChatServer, model: OpenAIVision, picture: bytes) -> None:
    """The caller gives another one."""
    with pytest.raises(InvalidRequest, match="the picture cannot be read"):
        await pieces(model, picture)

    assert [] == server.bodies


async def test_an_endpoint_without_schemas_is_asked_in_words_with_the_picture(
    server: ChatServer, model: OpenAIVision
) -> None:
    """The picture goes along again; the answer is checked."""
    server.replies = [refuses(400, "response_format is not supported"), streams('```json\n{"a": 3}\n```')]

    assert ['{"a": 3}'] == await pieces(model, plain(), schema=SCHEMA)
    assert 2 == len(server.pictures)
    assert "JSON Schema" in server.bodies[1]["messages"][0]["content"]


async def test_an_answer_outside_its_schema_is_an_error(server: ChatServer, model: OpenAIVision) -> None:
    """What cannot be used is not passed off as an answer."""
    server.replies = [streams('{"a": "three"}')]
    with pytest.raises(ModelOutputInvalid, match=r"\$\.a"):
        await pieces(model, plain(), schema=SCHEMA)


async def test_what_fails_before_the_first_piece_is_tried_again(server: ChatServer, model: OpenAIVision) -> None:
    """Two failures are survived without the reader noticing."""
    server.replies = [refuses(503), breaks_off(), streams("here")]

    assert ["here"] == await pieces(model, plain())


async def test_a_break_in_mid_answer_is_told(server: ChatServer, model: OpenAIVision) -> None:
    """What was shown is not shown again."""
    server.replies = [breaks_off("A fox")]
    with pytest.raises(ModelCrashed, match="in the middle of its answer"):
        await pieces(model, plain())


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (refuses(401), "check FABULA_VISION_API_KEY"),
        (refuses(404, "no such model"), "the model's name in FABULA_VISION_MODEL"),
        (refuses(400, "this model takes no images"), "this model takes no images"),
    ],
)
async def test_a_refusal_names_the_settings_of_this_model(
    server: ChatServer, model: OpenAIVision, reply: Any, words: str
) -> None:
    """Not those of the model that writes."""
    server.replies = [reply]
    with pytest.raises(ModelUnavailable, match=words):
        await pieces(model, plain())


async def test_closing_the_generator_hangs_up(server: ChatServer, model: OpenAIVision) -> None:
    """A cancel reaches the endpoint."""
    server.replies = [server.stalls("A fox")]
    async with aclosing(model.stream(plain(), MESSAGES, Sampling())) as answer:
        await anext(answer)

    async with asyncio.timeout(2):
        await server.hung_up.wait()
