"""Turning a conversation into the tokens that a model expects. Child process only; knows no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from fabula.backends.text import Message

# Said where a base model, which has no chat template, would otherwise go on and write the user's next turn as well.
PLAIN_STOP = "\nUser:"


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation in tokens.

    Attributes:
        tokens: Everything up to where the answer begins.
        prefix_tokens: What the answer already says.
        stops: Further strings that end the answer.
    """

    tokens: list[int]
    prefix_tokens: list[int]
    stops: tuple[str, ...]


def to_prompt(tokeniser: PreTrainedTokenizerBase, messages: Sequence[Message], prefix: str) -> Prompt:
    """Write the conversation in the model's own chat format, or a plain one where the model has none."""
    # The prefix is tokenised by itself, as the model wrote it by itself: joined with the prompt's end, a line break
    # there and one here may become another token than the model has seen.
    prefix_tokens = list(tokeniser(prefix, add_special_tokens=False)["input_ids"]) if prefix else []
    if tokeniser.chat_template is None:
        return Prompt(list(tokeniser(plain(messages))["input_ids"]), prefix_tokens, (PLAIN_STOP,))
    try:
        tokens = _chat(tokeniser, messages)
    except TemplateError:  # Gemma's and Mistral's first templates know no system turn
        tokens = _chat(tokeniser, without_system(messages))
    return Prompt(tokens, prefix_tokens, ())


def _chat(tokeniser: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[int]:
    encoded: Any = tokeniser.apply_chat_template(
        [asdict(message) for message in messages],
        add_generation_prompt=True,
        sanitize_control_tokens=True,  # a source text that contains "<|im_end|>" must not end its turn
        enable_thinking=False,  # templates that know it leave the thoughts out; the others ignore it
        return_dict=True,
    )
    return list(encoded["input_ids"])


def without_system(messages: Sequence[Message]) -> list[Message]:
    """Put what the system says at the head of the user's first turn."""
    said = "\n\n".join(message.content for message in messages if message.role == "system")
    turns = [message for message in messages if message.role != "system"]
    if not turns or not said:
        return turns
    return [Message(turns[0].role, f"{said}\n\n{turns[0].content}"), *turns[1:]]


def plain(messages: Sequence[Message]) -> str:
    """Return the conversation for a model that knows no chat format; `PLAIN_STOP` ends its answer."""
    names = {"system": "", "user": "User: ", "assistant": "Assistant: "}
    turns = [f"{names[message.role]}{message.content}" for message in messages]
    return "\n\n".join([*turns, "Assistant:\n"])
