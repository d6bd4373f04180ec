"""What goes over the wire to and from an OpenAI-compatible endpoint. Pure: no sockets, no clocks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any

from fabula.backends.text import JsonSchema, Message, Sampling

_MOST_STOPS = 4  # more are an error at some endpoints; the adapter cuts the answer itself anyway
_LONGEST_REASON = 300


class BadChunk(ValueError):
    """A chunk of the stream is not what the protocol says."""


class ErrorReported(ValueError):
    """A chunk of the stream is an error that the endpoint reports; the message is what it says."""


@dataclass(frozen=True, slots=True)
class Question:
    """One answer that is wanted; the fields are those of `TextModel.stream`.

    Attributes:
        messages: The conversation so far.
        sampling: Limits and randomness.
        schema: What the answer must satisfy.
        prefix: What the answer already says.
        picture: What the user's first turn is about, as a data URL (RFC 2397); empty where there is none.
    """

    messages: tuple[Message, ...]
    sampling: Sampling
    schema: JsonSchema | None = None
    prefix: str = ""
    picture: str = ""


@dataclass(frozen=True, slots=True)
class Dialect:
    """What an endpoint was found to understand.

    Attributes:
        json_schema: Whether it can hold an answer to a JSON Schema.
        limit_name: What it calls the largest number of tokens.
    """

    json_schema: bool = True
    limit_name: str = "max_tokens"

    def after_refusal(self, question: Question, reason: str) -> Dialect | None:
        """Return a dialect in which a question that was refused may be asked again; None where nothing is left."""
        if self.limit_name == "max_tokens" and "max_completion_tokens" in reason:
            return replace(self, limit_name="max_completion_tokens")
        if self.json_schema and question.schema is not None:
            return replace(self, json_schema=False)
        return None


@dataclass(frozen=True, slots=True)
class Chunk:
    """One piece of an answer; `finish` says why it ended, in the last one."""

    text: str = ""
    finish: str | None = None


def to_body(question: Question, model: str, dialect: Dialect) -> Mapping[str, Any]:
    """Return the body of the request for `/chat/completions`."""
    sampling = question.sampling
    body: dict[str, Any] = {
        "model": model,
        "messages": _messages(question, dialect),
        "stream": True,
        dialect.limit_name: sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
    }
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    if sampling.stop:
        body["stop"] = list(sampling.stop[:_MOST_STOPS])
    if question.schema is not None and dialect.json_schema:
        schema = {"name": "answer", "strict": True, "schema": dict(question.schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if question.prefix:  # vLLM and SGLang need to be told; llama.cpp goes on by itself, and ignores these
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    return body


def read_chunk(data: str) -> Chunk:
    """Read one event of the stream.

    Raises:
        BadChunk: it is malformed.
        ErrorReported: the endpoint reports an error.
    """
    try:
        chunk = json.loads(data)
    except ValueError as error:
        raise BadChunk("sent a chunk that is not JSON") from error
    if isinstance(chunk, dict) and chunk.get("error"):
        raise ErrorReported(reason_in(data))
    try:
        choices = chunk["choices"]
        if not choices:  # the last chunk of some endpoints counts tokens
            return Chunk()
        text, finish = choices[0]["delta"].get("content"), choices[0].get("finish_reason")
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise BadChunk("sent a chunk that is none of a chat completion") from error
    if not isinstance(text, str | None) or not isinstance(finish, str | None):
        raise BadChunk("sent a chunk whose content is no text")
    return Chunk(text or "", finish)


def reason_in(body: str) -> str:
    """Return what an error's body says, shortened; every server puts it somewhere else."""
    try:
        said = json.loads(body)
    except ValueError:
        said = body
    for key in ("error", "message", "detail"):
        if isinstance(said, dict) and said.get(key):
            said = said[key]
    text = said if isinstance(said, str) else json.dumps(said)
    return " ".join(text.split())[:_LONGEST_REASON]


def is_too_long(reason: str) -> bool:
    """Tell whether a refusal says that the text does not fit into the model's window."""
    said = reason.lower()
    return "context" in said and any(word in said for word in ("length", "size", "window"))


def seconds_to_wait(retry_after: str | None, now: float) -> float | None:
    """Return what a `Retry-After` header asks for (RFC 9110, section 10.2.3): seconds, or a date.

    Args:
        retry_after: The header; None where there was none.
        now: Seconds since the epoch.
    """
    if retry_after is None:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - now)
    except ValueError:
        return None


def _messages(question: Question, dialect: Dialect) -> Sequence[Mapping[str, Any]]:
    messages = list(question.messages)
    if question.schema is not None and not dialect.json_schema:
        messages.insert(0, Message("system", _json_instruction(question.schema)))
        messages = _one_system_turn(messages)
    if question.prefix:
        messages.append(Message("assistant", question.prefix))
    turns: list[dict[str, Any]] = [asdict(message) for message in messages]
    if question.picture:
        first = next(turn for turn in turns if turn["role"] == "user")
        first["content"] = [
            {"type": "image_url", "image_url": {"url": question.picture}},
            {"type": "text", "text": first["content"]},
        ]
    return turns


def _json_instruction(schema: JsonSchema) -> str:
    return (
        "Answer with JSON and nothing else: no explanation, no Markdown. "
        f"It must satisfy this JSON Schema:\n{json.dumps(schema, ensure_ascii=False)}"
    )


def _one_system_turn(messages: Sequence[Message]) -> list[Message]:
    """Join the system's turns into one at the head: many chat templates take no more."""
    said = "\n\n".join(message.content for message in messages if message.role == "system")
    return [Message("system", said), *(message for message in messages if message.role != "system")]
