"""Pictures, and their latents, for training; drawn anew from a seed, never downloaded."""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from torch import Tensor

from training.painter.renderer import render
from training.painter.scene import Scene, draw_scene


def draw_scenes(count: int, seed: int, weights: dict[str, float] | None = None) -> list[Scene]:
    """Draw scenes by lot; the same seed gives the same scenes."""
    lot = random.Random(seed)
    return [draw_scene(lot, weights) for _ in range(count)]


def render_all(scenes: Sequence[Scene]) -> Tensor:
    """Return the pictures of scenes: bytes, shape (count, 3, 128, 128)."""
    pictures = np.stack([np.asarray(render(scene)) for scene in scenes])
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous()


def to_signal(pictures: Tensor) -> Tensor:
    """Turn bytes into numbers from -1 to 1."""
    return (pictures.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def encode_all(autoencoder: AutoencoderTiny, scenes: Sequence[Scene], file: Path, batch: int = 32) -> Tensor:
    """Return the scaled latents of scenes, shape (count, 4, 16, 16); they are kept in a file for next time."""
    if file.exists():
        kept: Tensor = torch.load(file, weights_only=True)
        if len(kept) == len(scenes):
            return kept
    parts = []
    threads = torch.get_num_threads()
    torch.set_num_threads(max(2, threads))
    for start in range(0, len(scenes), batch):
        pictures = to_signal(render_all(scenes[start : start + batch]))
        parts.append(autoencoder.encoder(pictures).contiguous() * autoencoder.config.scaling_factor)
    torch.set_num_threads(threads)
    latents = torch.cat(parts)
    torch.save(latents, file)
    return latents
