"""Reads prompts: each alone, so that what comes of one does not depend on who shares its batch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from fabula.backends.painting.child.loading import Painting

_KEPT = 64
_UNBOUNDED = 1_000_000  # a tokeniser without a limit says a number beyond it
# What pipelines return from `encode_prompt`, in order, under the names by which their call takes it.
_EMBEDDINGS = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds", "negative_pooled_prompt_embeds")

Embeddings = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class Reading:
    """How a prompt is read: its tokens, the most there may be (0: not known), and the end that is left out."""

    tokens: int
    limit: int
    dropped: str


class Prompts:
    """Encodes prompts and keeps the newest."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, str, str, bool], Embeddings] = OrderedDict()

    def encode(self, painting: Painting, prompt: str, negative_prompt: str, guidance: float) -> Embeddings:
        """Return the embeddings of one prompt, by the names under which the pipeline's call takes them."""
        guided = guidance > 1 and painting.pipeline.unet.config.time_cond_proj_dim is None
        key = (id(painting), prompt, negative_prompt if guided else "", guided)
        if key not in self._kept:
            self._kept[key] = _encode(painting, prompt, negative_prompt, guided=guided)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


@torch.no_grad()
def _encode(painting: Painting, prompt: str, negative_prompt: str, *, guided: bool) -> Embeddings:
    pipe = painting.pipeline
    encoded = pipe.encode_prompt(
        prompt=prompt,
        device=pipe._execution_device,  # noqa: SLF001 - what the pipeline's own call uses
        num_images_per_prompt=1,
        do_classifier_free_guidance=guided,
        # None lets a pipeline do what it was trained with; SDXL takes zeros then.
        negative_prompt=negative_prompt or None,
    )
    named = zip(_EMBEDDINGS, encoded, strict=False)
    return {name: embedding for name, embedding in named if embedding is not None}


def join(members: Sequence[Embeddings], counts: Sequence[int]) -> Embeddings:
    """Put the embeddings of several prompts into one batch, each as often as it has pictures."""
    return {
        name: torch.cat(
            [member[name].repeat_interleave(count, dim=0) for member, count in zip(members, counts, strict=True)]
        )
        for name in members[0]
    }


def read(pipe: Any, prompt: str) -> Reading:
    """Count a prompt's tokens, without those that mark its ends, and find what the model leaves out."""
    return count(_tokenizer(pipe), token_limit(pipe), prompt)


def count(tokenizer: Any, limit: int, prompt: str) -> Reading:
    """Count a prompt's tokens as a tokeniser makes them, and find what is beyond a limit (0: there is none)."""
    tokens = tokenizer(prompt, add_special_tokens=False, return_offsets_mapping=tokenizer.is_fast)
    number = len(tokens["input_ids"])
    if not limit or number <= limit:
        return Reading(number, limit, "")
    if tokenizer.is_fast:
        return Reading(number, limit, prompt[tokens["offset_mapping"][limit][0] :])
    return Reading(number, limit, tokenizer.decode(tokens["input_ids"][limit:]))


def token_limit(pipe: Any) -> int:
    """Return how many tokens of a prompt a pipeline reads; 0: not known."""
    tokenizer = _tokenizer(pipe)
    longest = int(tokenizer.model_max_length)
    return 0 if longest > _UNBOUNDED else longest - tokenizer.num_special_tokens_to_add()


def _tokenizer(pipe: Any) -> Any:
    return getattr(pipe, "tokenizer", None) or pipe.tokenizer_2
