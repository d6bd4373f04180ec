"""Trains the autoencoder, and later its decoder alone."""

import random

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from diffusers import AutoencoderTiny
from torch import Tensor, nn

from training.painter.dataset import draw_scenes, render_all, to_signal
from training.painter.networks import build_autoencoder
from training.painter.optimizer import MuonWithAdamW

PICTURES_SEED = 11
CROP = 64
BATCH = 8  # for each worker
LATENT_NOISE = 0.05


class AutoencoderStage:
    """Learns to draw pictures again from 4 × 16 × 16 latents whose channels have mean 0 and deviation 1, roughly.

    Args:
        pictures: how many are drawn to learn from.
        decoder_only: leave the encoder, and with it all latents, as they are.
    """

    def __init__(self, pictures: int = 8000, *, decoder_only: bool = False) -> None:
        self._pictures = render_all(draw_scenes(pictures, PICTURES_SEED))
        self._decoder_only = decoder_only
        model = build_autoencoder().to(memory_format=torch.channels_last)
        model.encoder.requires_grad_(requires_grad=not decoder_only)
        self.modules: nn.Module = model
        self._model: AutoencoderTiny = model
        ends = [model.encoder.layers[0].weight, model.encoder.layers[-1].weight]
        ends += [model.decoder.layers[0].weight, model.decoder.layers[-1].weight]
        self.optimizer = MuonWithAdamW(model, 2e-3, 1.5e-3, plain=ends)

    def loss(self, lot: random.Random, step: int) -> Tensor:  # noqa: ARG002 - the loop offers it
        """Return the loss of a batch of crops."""
        chosen = torch.tensor([lot.randrange(len(self._pictures)) for _ in range(BATCH)])
        top, left = (lot.randrange(0, 128 - CROP + 1, 8) for _ in range(2))
        picture = to_signal(self._pictures[chosen, :, top : top + CROP, left : left + CROP])
        latents = self._model.encoder(picture)
        noisy = latents + LATENT_NOISE * torch.randn_like(latents)
        loss = likeness(self._model.decoder(noisy), picture)
        return loss if self._decoder_only else loss + 0.02 * spread(latents)


def likeness(drawn: Tensor, picture: Tensor) -> Tensor:
    """Return the distance of two batches of pictures in colours and in edges."""
    loss = F.l1_loss(drawn, picture) + F.mse_loss(drawn, picture)
    for axis in (2, 3):
        loss = loss + 0.5 * F.l1_loss(drawn.diff(dim=axis), picture.diff(dim=axis))
    return loss


def spread(latents: Tensor) -> Tensor:
    """Return how far the channels are from mean 0 and deviation 1, and how long the tails are."""
    mean, deviation = latents.mean(dim=(0, 2, 3)), latents.std(dim=(0, 2, 3))
    tails = F.relu(latents.abs() - 2.5).square().mean()
    return mean.square().mean() + (deviation - 1).square().mean() + tails


@torch.no_grad()
def signal_to_noise(model: AutoencoderTiny, count: int = 100, seed: int = 990_001) -> float:
    """Return the mean peak signal-to-noise ratio of unseen pictures drawn again, in decibels."""
    pictures = to_signal(render_all(draw_scenes(count, seed)))
    ratios = []
    for picture in torch.split(pictures, 20):
        error = (model.decoder(model.encoder(picture)).clamp(-1, 1) - picture).square().mean(dim=(1, 2, 3))
        ratios.append(10 * torch.log10(4 / error))
    return float(torch.cat(ratios).mean())
