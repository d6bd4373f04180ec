"""Turning a picture and a conversation about it into what a model expects. Child process only; knows no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jinja2 import TemplateError
from PIL import Image

from fabula.backends.chat_prompt import PLAIN_STOP, Prompt, plain, without_system
from fabula.backends.text import Message

_TOKENS = ("input_ids", "attention_mask")


def to_picture_prompt(
    processor: Any, messages: Sequence[Message], picture: Image.Image
) -> tuple[Prompt, Mapping[str, torch.Tensor]]:
    """Write the conversation in the model's own chat format, or a plain one where the model has none.

    Args:
        processor: The model's, of the library.
        messages: The conversation; the user's first turn is about the picture.
        picture: In RGB.

    Returns:
        The tokens, places for the picture among them; and what goes along: pixels, and what belongs to them.
    """
    stops: tuple[str, ...] = ()
    if getattr(processor, "chat_template", None) is None:
        encoded, stops = _plain(processor, messages, picture), (PLAIN_STOP,)
    else:
        try:
            encoded = _chat(processor, messages, picture)
        except TemplateError:
            encoded = _chat(processor, without_system(messages), picture)
    more = {name: values for name, values in encoded.items() if name not in _TOKENS}
    return Prompt(encoded["input_ids"][0].tolist(), [], stops), more


def _chat(processor: Any, messages: Sequence[Message], picture: Image.Image) -> Any:
    # Templates that know it leave the thoughts out; to the others it would be news, and processors complain.
    switches = {"enable_thinking": False} if "enable_thinking" in str(processor.chat_template) else {}
    return processor.apply_chat_template(
        _turns(messages, picture),
        add_generation_prompt=True,
        sanitize_control_tokens=True,  # what a text says is text, and asks for no second picture
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        **switches,
    )


def _plain(processor: Any, messages: Sequence[Message], picture: Image.Image) -> Any:
    # Some processors put places for the picture before the text by themselves, others want to be shown where.
    place = getattr(processor, "image_token", None)
    text = f"{place}\n{plain(messages)}" if isinstance(place, str) else plain(messages)
    return processor(text=text, images=picture, return_tensors="pt")


def _turns(messages: Sequence[Message], picture: Image.Image) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = [
        {"role": message.role, "content": [{"type": "text", "text": message.content}]} for message in messages
    ]
    first = next(turn for turn in turns if turn["role"] == "user")
    first["content"].insert(0, {"type": "image", "image": picture})
    return turns
