"""The noise schedule as training sees it."""

import random

import torch
from torch import Tensor

from training.painter.networks import build_scheduler


class Noise:
    """Adds noise to latents and says what a denoiser should answer."""

    def __init__(self) -> None:
        kept = build_scheduler().alphas_cumprod.float()
        # Sampling starts from noise alone; the scheduler keeps a tiny rest of signal there, for numerical reasons.
        self._signal = kept.sqrt()
        self._noise = (1 - kept).sqrt()

    def add(self, latents: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
        """Return noisy latents, and the velocity to predict (Salimans and Ho, 2022, https://arxiv.org/abs/2202.00512).

        Args:
            latents: shape (batch, 4, 16, 16).
            times: steps of noise, 0 to 999, shape (batch,).
        """
        signal = self._signal[times].view(-1, 1, 1, 1)
        noise = self._noise[times].view(-1, 1, 1, 1)
        added = torch.randn_like(latents)
        return signal * latents + noise * added, signal * added - noise * latents


def draw_times(count: int, lot: random.Random, below: int = 1000) -> Tensor:
    """Draw steps of noise by lot: half of them evenly, half about the middle, where a picture's layout is decided."""
    places = [
        lot.random() if lot.random() < 0.5 else 1 / (1 + 2.718281828 ** -lot.gauss(0.5, 1.0)) for _ in range(count)
    ]
    return torch.tensor([min(below - 1, int(place * below)) for place in places])
