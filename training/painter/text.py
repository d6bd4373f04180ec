"""Teaches the text encoders what the words of the captions mean, before and while the denoiser learns to paint them."""

import random

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn
from transformers import CLIPTokenizer

from training.painter.captions import Caption, write_caption
from training.painter.networks import FIRST_WIDTH, SECOND_WIDTH, TOKENS, build_text_encoders
from training.painter.optimizer import MuonWithAdamW
from training.painter.palette import COLOURS, EYES, HAIR, SKIN
from training.painter.scene import FOLK, GENDERS, LENGTHS, SETTINGS, SUBJECTS, TIMES, draw_scene
from training.painter.tokenizer import load_tokenizer

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "subject": SUBJECTS,
    "colour": tuple(COLOURS),
    "setting": SETTINGS,
    "time": TIMES,
    "folk": FOLK,
    "gender": GENDERS,
    "hair": tuple(HAIR),
    "length": LENGTHS,
    "skin": tuple(SKIN),
    "eyes": tuple(EYES),
    "beard": ("yes",),
}
BATCH = 64  # for each worker


class TextReader(nn.Module):
    """The two text encoders, and heads that name the attributes a text tells (used in training only)."""

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        super().__init__()
        ids = (len(tokenizer), int(tokenizer.bos_token_id), int(tokenizer.eos_token_id))
        self.first, self.second = build_text_encoders(*ids)
        self.end = ids[2]
        answers = sum(len(values) + 1 for values in ATTRIBUTES.values())
        self.from_pooled = nn.Linear(SECOND_WIDTH, answers)
        self.from_hidden = nn.Linear(FIRST_WIDTH + SECOND_WIDTH, answers)

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the denoiser reads: states (batch, tokens, 32 + 96) and a summary (batch, 96)."""
        first = self.first(ids, output_hidden_states=True)
        second = self.second(ids, output_hidden_states=True)
        # The pipeline reads the states before the last layer.
        return torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1), second.text_embeds

    def naming_loss(self, ids: Tensor, states: Tensor, summary: Tensor, answers: Tensor) -> Tensor:
        """Return how badly both outputs name the attributes; `answers` has a column for each, 0 for untold."""
        ends = (ids == self.end).int().argmax(dim=1)
        at_end = states[torch.arange(len(ids)), ends]
        loss = torch.zeros(())
        for scores in (self.from_pooled(summary), self.from_hidden(at_end)):
            parts = scores.split([len(values) + 1 for values in ATTRIBUTES.values()], dim=1)
            for column, part in enumerate(parts):
                loss = loss + F.cross_entropy(part, answers[:, column])
        return loss / (2 * len(ATTRIBUTES))


def to_answers(captions: list[Caption]) -> Tensor:
    """Return which value of each attribute the captions tell: 0 for none, else one more than its place in the list."""
    rows = [
        [values.index(told) + 1 if (told := caption.told.get(name)) else 0 for name, values in ATTRIBUTES.items()]
        for caption in captions
    ]
    return torch.tensor(rows)


def to_ids(tokenizer: CLIPTokenizer, texts: list[str]) -> Tensor:
    """Return the pieces of texts, shape (count, 48), closed and padded as the pipeline does it."""
    ids: Tensor = tokenizer(
        texts, padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt"
    ).input_ids
    return ids


class TextStage:
    """Learns to name what captions tell; a few minutes of it spare the denoiser hours."""

    def __init__(self, batch: int = BATCH) -> None:
        self._tokenizer = load_tokenizer()
        self._batch = batch
        self._reader = TextReader(self._tokenizer)
        self.modules: nn.Module = self._reader
        self.optimizer = MuonWithAdamW(self._reader, 2e-3, 2e-3)

    def loss(self, lot: random.Random, step: int) -> Tensor:  # noqa: ARG002 - the loop offers it
        """Return the loss of a batch of fresh captions."""
        captions = [write_caption(draw_scene(lot), lot) for _ in range(self._batch)]
        ids = to_ids(self._tokenizer, [caption.text for caption in captions])
        states, summary = self._reader(ids)
        return self._reader.naming_loss(ids, states, summary, to_answers(captions))
