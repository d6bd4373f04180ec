from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest
import structlog

from fabula.backends.openai_text import OpenAIText
from fabula.backends.text import Message, Sampling
from fabula.backends.text_settings import OpenAISettings
from fabula.errors import InvalidRequest, ModelCrashed, ModelOutputInvalid, ModelUnavailable
from tests.integration.backends.chat_server import (
    ChatServer,
    breaks_off,
    chat_server,
    event,
    refuses,
    repeats_the_key,
    sends,
    streams,
)

MESSAGES = (Message("system", "You tell stories."), Message("user", "Tell me of the sea."))
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
KEY = "sk-very-secret"


@pytest.fixture
async def server() -> AsyncIterator[ChatServer]:
    """A server on the loopback."""
    async with chat_server() as server:
        yield server


@pytest.fixture
async def model(server: ChatServer) -> AsyncIterator[OpenAIText]:
    """A model behind it that retries quickly."""
    model = new_model(server)
    yield model
    await model.close()


@pytest.fixture
async def impatient_model(server: ChatServer) -> AsyncIterator[OpenAIText]:
    """A model behind it that does not wait for tokens long."""
    model = new_model(server, first_token_seconds=0.3, between_tokens_seconds=0.2)
    yield model
    await model.close()


def new_model(server: ChatServer, **settings: Any) -> OpenAIText:
    """Return a model behind the server."""
    quick: dict[str, Any] = {
        "api_key": KEY,
        "connect_seconds": 2.0,
        "first_token_seconds": 10.0,
        "between_tokens_seconds": 10.0,
        "retries": 2,
        "backoff_seconds": 0.01,
        "longest_wait_seconds": 1.5,
    }
    return OpenAIText(OpenAISettings("teller", server.base_url, **{**quick, **settings}))


async def pieces(model: OpenAIText, sampling: Sampling | None = None, **more: Any) -> list[str]:
    """Return the answer's pieces."""
    return [piece async for piece in model.stream(MESSAGES, sampling or Sampling(), **more)]


async def pieces_until_failure(model: OpenAIText, error_class: type[Exception], words: str) -> list[str]:
    """Return the pieces that came before the error that is expected."""
    came: list[str] = []
    with pytest.raises(error_class, match=words):  # noqa: PT012 - the pieces before the error are wanted
        async for piece in model.stream(MESSAGES, Sampling()):
            came.append(piece)  # noqa: PERF401
    return came


async def test_an_answer_is_streamed_piece_by_piece(server: ChatServer, model: OpenAIText) -> None:
    """The pieces come as they were sent, characters of every kind and Unicode's own line breaks included."""
    texts = ["The sea", " was\u2028calm", ", 漢字 😀", ".\n"]
    server.replies = [streams(*texts)]

    assert texts == await pieces(model)


async def test_the_request_says_what_was_asked(server: ChatServer, model: OpenAIText) -> None:
    """Conversation, sampling and key reach the endpoint."""
    server.replies = [streams("x")]
    await pieces(model, Sampling(max_tokens=9, temperature=0.5, top_p=0.9, seed=4, stop=("END",)))

    assert {
        "model": "teller",
        "messages": [
            {"role": "system", "content": "You tell stories."},
            {"role": "user", "content": "Tell me of the sea."},
        ],
        "stream": True,
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 4,
        "stop": ["END"],
    } == server.bodies[0]
    assert [f"Bearer {KEY}"] == server.authorizations


async def test_without_a_key_none_is_sent(server: ChatServer) -> None:
    """Local servers are asked without any Authorization."""
    server.replies = [streams("x")]
    model = new_model(server, api_key="")
    await pieces(model)
    await model.close()

    assert [""] == server.authorizations


async def test_an_answer_ends_before_a_stop_string_even_if_the_endpoint_ignores_it(
    server: ChatServer, model: OpenAIText
) -> None:
    """The adapter cuts by itself, and hangs up."""
    server.replies = [server.stalls("once", " upon E", "ND a time")]

    assert "once upon " == "".join(await pieces(model, Sampling(stop=("END",))))
    async with asyncio.timeout(2):
        await server.hung_up.wait()


@pytest.mark.parametrize(
    "fault",
    [
        refuses(429, retry_after="0"),
        refuses(500),
        refuses(503),
        refuses(529),
        streams(finish=None, done=False),
        breaks_off(),
        sends('data: {"error": {"message": "overloaded"}}\n\n'),
    ],
    ids=["429", "500", "503", "529", "empty stream", "dropped connection", "error object"],
)
async def test_what_fails_before_the_first_piece_is_tried_again(
    server: ChatServer, model: OpenAIText, fault: Any
) -> None:
    """Two failures are survived without the reader noticing."""
    server.replies = [fault, fault, streams("here")]

    assert ["here"] == await pieces(model)
    assert 3 == len(server.bodies)


async def test_a_slow_first_token_is_tried_again(server: ChatServer, impatient_model: OpenAIText) -> None:
    """A stream that stays empty beyond the limit is given up for another."""
    server.replies = [server.stalls(), streams("here")]

    assert ["here"] == await pieces(impatient_model)
    async with asyncio.timeout(2):
        await server.hung_up.wait()


async def test_retry_after_is_honoured(server: ChatServer, model: OpenAIText) -> None:
    """The endpoint's own wish outweighs the backoff."""
    server.replies = [refuses(429, retry_after="1"), streams("here")]
    loop = asyncio.get_running_loop()
    began = loop.time()
    await pieces(model)

    assert loop.time() - began >= 1.0


async def test_a_wait_that_is_too_long_is_not_waited_for(server: ChatServer, model: OpenAIText) -> None:
    """Who asks for an hour is told to the caller at once."""
    server.replies = [refuses(429, "quota used up", retry_after="3600")]

    assert [] == await pieces_until_failure(model, ModelUnavailable, r"429 \(quota used up\) and asks to wait 3600 s")


async def test_giving_up_names_the_reason_and_the_attempts(server: ChatServer, model: OpenAIText) -> None:
    """After the last retry the caller learns what happened."""
    server.replies = [refuses(500, "out of order")]

    assert [] == await pieces_until_failure(model, ModelUnavailable, r"500 \(out of order\) at 3 attempts")
    assert 3 == len(server.bodies)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (refuses(401), "check FABULA_TEXT_API_KEY"),
        (refuses(404, "no such model"), "404 .no such model.; check the address and the model's name"),
        (refuses(400, "bad temperature"), "400 .bad temperature."),
        (sends("<html>", media_type="text/html"), "text/html instead of a stream of events"),
        (sends("data: {broken\n\n"), "a chunk that is not JSON"),
        (sends('data: {"choices": [{}]}\n\n'), "none of a chat completion"),
        (sends('data: {"choices": [{"delta": {"content": 7}}]}\n\n'), "whose content is no text"),
        (sends("data: \udcff\n\n".encode("utf-8", "surrogateescape").decode("latin-1")), "not JSON"),
    ],
)
async def test_what_no_retry_can_heal_is_reported_at_once(
    server: ChatServer, model: OpenAIText, reply: Any, words: str
) -> None:
    """One request, and a reason with what to do."""
    server.replies = [reply]

    assert [] == await pieces_until_failure(model, ModelUnavailable, words)
    assert 1 == len(server.bodies)


async def test_nobody_listening_is_reported_after_the_retries(server: ChatServer) -> None:
    """A refused connection is tried again, then told: where the endpoint is reads the operator, who is told is a user."""
    model = new_model(server)
    closed = new_model(server, retries=1)
    closed._endpoint._url = "http://127.0.0.1:1/v1/chat/completions"

    with structlog.testing.capture_logs() as logs:
        told = r"^(?!.*127\.0\.0\.1).*cannot be reached .*at 2 attempts"
        assert [] == await pieces_until_failure(closed, ModelUnavailable, told)
    assert server.base_url in {line.get("endpoint") for line in logs}
    await closed.close()
    await model.close()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (streams("The sea", finish=None, done=False), "closed the stream before its end in the middle"),
        (breaks_off("The sea"), "broke the stream off"),
        (sends(event("The sea"), "data: {broken\n\n"), "a chunk that is not JSON"),
        (sends(event("The sea"), 'data: {"error": {"message": "gone"}}\n\n'), "reported an error: gone"),
    ],
    ids=["cut", "dropped connection", "bad chunk", "error object"],
)
async def test_what_fails_after_the_first_piece_is_never_tried_again(
    server: ChatServer, model: OpenAIText, fault: Any, words: str
) -> None:
    """The reader keeps what came, and learns that it is not the whole."""
    server.replies = [fault, streams("another answer")]

    assert ["The sea"] == await pieces_until_failure(model, ModelCrashed, words)
    assert 1 == len(server.bodies)


async def test_a_stream_that_stalls_after_the_first_piece_is_reported(
    server: ChatServer, impatient_model: OpenAIText
) -> None:
    """Silence beyond the limit ends the answer, and the connection."""
    server.replies = [server.stalls("The sea")]

    assert ["The sea"] == await pieces_until_failure(
        impatient_model, ModelCrashed, r"no token for 0\.2 s in the middle"
    )
    async with asyncio.timeout(2):
        await server.hung_up.wait()


async def test_closing_the_generator_hangs_up(server: ChatServer, model: OpenAIText) -> None:
    """The endpoint learns at once that nobody wants the rest."""
    server.replies = [server.stalls("The sea")]
    async with aclosing(model.stream(MESSAGES, Sampling())) as answer:
        assert "The sea" == await anext(answer)

    async with asyncio.timeout(2):
        await server.hung_up.wait()


@pytest.mark.parametrize("end", [{"finish": "stop", "done": False}, {"finish": None, "done": True}])
async def test_either_end_of_the_stream_is_an_end(server: ChatServer, model: OpenAIText, end: Any) -> None:
    """Some servers leave out the reason, some the mark."""
    server.replies = [streams("The sea", **end)]

    assert ["The sea"] == await pieces(model)


async def test_an_answer_is_held_to_its_schema_by_the_endpoint(server: ChatServer, model: OpenAIText) -> None:
    """An endpoint that can enforce a schema is given it, and the answer is streamed."""
    server.replies = [streams('{"a"', ": 1}")]

    assert ['{"a"', ": 1}"] == await pieces(model, schema=SCHEMA)
    assert SCHEMA == server.bodies[0]["response_format"]["json_schema"]["schema"]


async def test_an_endpoint_without_schemas_is_asked_in_words(server: ChatServer, model: OpenAIText) -> None:
    """The answer is checked, taken out of its fence, and yielded whole; the lesson is kept for the next request."""
    server.replies = [refuses(400, "response_format is not supported"), streams("```json\n", '{"a": 1}', "\n```")]

    assert ['{"a": 1}'] == await pieces(model, schema=SCHEMA)
    assert ['{"a": 1}'] == await pieces(model, schema=SCHEMA)
    assert [True, False, False] == ["response_format" in body for body in server.bodies]
    assert json.dumps(SCHEMA) in server.bodies[1]["messages"][0]["content"]
    assert ["system", "user"] == [message["role"] for message in server.bodies[1]["messages"]]


async def test_a_newer_name_of_the_limit_is_learnt(server: ChatServer, model: OpenAIText) -> None:
    """An endpoint that wants `max_completion_tokens` gets it, from then on."""
    server.replies = [refuses(400, "Unsupported parameter; use 'max_completion_tokens' instead"), streams("x")]
    await pieces(model)
    await pieces(model)

    assert [False, True, True] == ["max_completion_tokens" in body for body in server.bodies]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (streams('{"a": ', finish="length"), "Allow more tokens"),
        (streams('{"a": "one"}'), r"at \$\.a \(type\)"),
        (streams("I would rather not."), "not JSON"),
        (streams('{"a": 1}', finish="content_filter"), "content filter"),
    ],
)
async def test_an_answer_that_breaks_its_schema_is_an_error(
    server: ChatServer, model: OpenAIText, reply: Any, words: str
) -> None:
    """What an endpoint claims to enforce is checked all the same."""
    server.replies = [reply]
    with pytest.raises(ModelOutputInvalid, match=words):
        await pieces(model, schema=SCHEMA)


async def test_a_text_beyond_the_window_is_the_callers_to_change(server: ChatServer, model: OpenAIText) -> None:
    """No retry, and no guess that the schema was at fault."""
    server.replies = [refuses(400, "This model's maximum context length is 4096 tokens.")]
    with pytest.raises(InvalidRequest, match="maximum context length is 4096"):
        await pieces(model, schema=SCHEMA)

    assert 1 == len(server.bodies)


async def test_a_prefix_is_continued_only_where_that_is_promised(server: ChatServer, model: OpenAIText) -> None:
    """The protocol cannot tell whether an endpoint continues or begins anew, so it must be said."""
    server.replies = [streams(" was calm")]
    continuing = new_model(server, continues=True)

    assert (False, True) == (model.continues, continuing.continues)
    with pytest.raises(InvalidRequest, match="cannot go on"):
        await pieces(model, prefix="The sea")
    assert [" was calm"] == await pieces(continuing, prefix="The sea")
    assert {"role": "assistant", "content": "The sea"} == server.bodies[0]["messages"][-1]
    await continuing.close()


@pytest.mark.parametrize("status", [401, 500])
async def test_the_key_is_in_no_message_log_or_repr(server: ChatServer, model: OpenAIText, status: int) -> None:
    """Even where a server repeats the key, it goes no further."""
    server.replies = [repeats_the_key(status)]
    with structlog.testing.capture_logs() as logs, pytest.raises(ModelUnavailable) as failure:
        await pieces(model)

    chain = [str(failure.value), str(failure.value.__cause__), repr(logs), repr(model._settings), repr(model)]
    assert not any(KEY in said for said in chain)
