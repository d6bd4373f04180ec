"""Writes `fabula.json` beside the base: what suits the painter, and how its latents become colours in previews."""

import json
import random
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny

from training.painter.renderer import render
from training.painter.scene import draw_scene
from training.preview_fit import fit_preview

HINTS = {
    "default_steps": 25,
    "high_quality_steps": 40,
    "default_guidance": 4.0,
    "default_handover": 0.8,
    "min_side": 64,
    "max_side": 256,
}
PICTURES, SEED = 200, 20


def write_hints(autoencoder: AutoencoderTiny, folder: Path) -> None:
    """Write the file into the base's folder.

    Args:
        autoencoder: the one that is shipped; its latents are fitted to pictures that the renderer draws.
        folder: the base's.
    """
    lot = random.Random(SEED)
    pictures = [_tensor(render(draw_scene(lot))) for _ in range(PICTURES)]
    hints = {**HINTS, "preview": fit_preview(autoencoder, pictures)}
    (folder / "fabula.json").write_text(json.dumps(hints, indent=2) + "\n", encoding="utf-8")


def _tensor(picture: object) -> torch.Tensor:
    return torch.from_numpy(np.asarray(picture, np.float32) / 127.5 - 1).permute(2, 0, 1)
