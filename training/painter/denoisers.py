"""Trains the base, which paints from noise, and the refiner, which finishes what the base began."""

import random

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from training.painter.captions import Caption, write_caption, write_nothing
from training.painter.diffusion import Noise, draw_times
from training.painter.networks import FIRST_WIDTH, TIME_IDS_BASE, TIME_IDS_REFINER, build_unet
from training.painter.optimizer import MuonWithAdamW
from training.painter.scene import Scene
from training.painter.text import TextReader, to_answers, to_ids
from training.painter.tokenizer import load_tokenizer

BATCH = 16  # for each worker
NAMING_SHARE = 0.05
REFINER_BELOW = 250
ZEROED, EMPTY, MEANINGLESS = 0.05, 0.05, 0.02


class Painter(nn.Module):
    """A denoiser together with the text encoders it was trained with."""

    def __init__(self, *, refiner: bool = False) -> None:
        super().__init__()
        self.reader = TextReader(load_tokenizer())
        self.unet = build_unet(refiner=refiner)


class DenoiserStage:
    """Learns to take noise out of latents, told by captions what they show.

    Args:
        latents: of the pictures, shape (count, 4, 16, 16).
        scenes: what the pictures show, in the same order.
        refiner: learn the last quarter of the noise only, and leave the text encoders as they are.
        batch: pictures in a step.
    """

    def __init__(self, latents: Tensor, scenes: list[Scene], *, refiner: bool = False, batch: int = BATCH) -> None:
        self._latents, self._scenes, self._batch = latents, scenes, batch
        self._refiner = refiner
        self._noise = Noise()
        self._tokenizer = load_tokenizer()
        self._painter = Painter(refiner=refiner)
        self.modules: nn.Module = self._painter
        if refiner:
            self._painter.reader.requires_grad_(requires_grad=False)
        unet = self._painter.unet
        self.optimizer = MuonWithAdamW(self._painter, 2e-3, 1.5e-3, plain=[unet.conv_in.weight, unet.conv_out.weight])

    def loss(self, lot: random.Random, step: int) -> Tensor:  # noqa: ARG002 - the loop offers it
        """Return the loss of a batch."""
        chosen = [lot.randrange(len(self._scenes)) for _ in range(self._batch)]
        times = draw_times(self._batch, lot, REFINER_BELOW if self._refiner else 1000)
        noisy, velocity = self._noise.add(self._latents[chosen], times)
        captions = [self._caption(self._scenes[number], lot) for number in chosen]
        ids = to_ids(self._tokenizer, [caption.text for caption in captions])
        states, summary = self._painter.reader(ids)
        naming = torch.zeros(())
        if not self._refiner:
            naming = self._painter.reader.naming_loss(ids, states, summary, to_answers(captions))
        told = torch.tensor([lot.random() >= ZEROED for _ in range(self._batch)]).float()
        states, summary = states * told.view(-1, 1, 1), summary * told.view(-1, 1)
        guess = self._predict(noisy, times, states, summary)
        return F.mse_loss(guess, velocity) + NAMING_SHARE * naming

    def _caption(self, scene: Scene, lot: random.Random) -> Caption:
        kind = lot.random()
        if kind < EMPTY:
            return Caption("")
        return write_nothing(lot) if kind < EMPTY + MEANINGLESS else write_caption(scene, lot)

    def _predict(self, noisy: Tensor, times: Tensor, states: Tensor, summary: Tensor) -> Tensor:
        count = TIME_IDS_REFINER if self._refiner else TIME_IDS_BASE
        added = {"text_embeds": summary, "time_ids": torch.zeros(len(noisy), count)}
        read = states[..., FIRST_WIDTH:] if self._refiner else states
        guess: Tensor = self._painter.unet(noisy, times, read, added_cond_kwargs=added).sample
        return guess
