"""Fit how a model's latents become colours, for previews: `python scripts/fit_preview.py MODEL_FOLDER PICTURES_FOLDER`.

Pictures are encoded by the model's autoencoder; from the latents their colours, made as small as the latents, follow
by least squares. Writes the result as "preview" into `fabula.json` in the model's folder, beside what is there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

_MOST_PICTURES = 500


def fit_preview(vae: Any, pictures: Sequence[torch.Tensor]) -> dict[str, Any]:
    """Return factors and bias, as `fabula.json` has them, and prints how much of the colours they explain.

    Args:
        vae: An autoencoder of diffusers.
        pictures: Each 3 × height × width, in -1 … 1; sides are multiples of the autoencoder's.
    """
    rows, colours = [], []
    for picture in pictures:
        latents = _encode(vae, picture[None])
        small = torch.nn.functional.interpolate(picture[None], size=latents.shape[-2:], mode="area")
        rows.append(latents[0].flatten(1).T)
        colours.append(small[0].flatten(1).T)
    latents, wanted = torch.cat(rows).double(), torch.cat(colours).double()
    latents = torch.cat([latents, torch.ones(len(latents), 1, dtype=torch.float64)], dim=1)
    solution = torch.linalg.lstsq(latents, wanted).solution
    rest = (wanted - latents @ solution).square().mean() / wanted.var(dim=0).mean()
    print(f"{len(pictures)} pictures; the projection explains {100 * (1 - float(rest)):.1f} % of the colours' variance")
    *factors, bias = [[round(value, 4) for value in row] for row in solution.tolist()]
    return {"factors": factors, "bias": bias}


@torch.no_grad()
def _encode(vae: Any, picture: torch.Tensor) -> torch.Tensor:
    encoded = vae.encode(picture)
    latents: torch.Tensor = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mean
    mean, deviation = getattr(vae.config, "latents_mean", None), getattr(vae.config, "latents_std", None)
    if mean is not None and deviation is not None:
        shape = (1, -1, 1, 1)
        latents = (latents - torch.tensor(mean).view(shape)) / torch.tensor(deviation).view(shape)
    scaled: torch.Tensor = latents * vae.config.scaling_factor
    return scaled


def read_pictures(folder: Path, side: int) -> list[torch.Tensor]:
    """Read the pictures of a folder, cropped to squares."""
    files = [file for file in sorted(folder.rglob("*")) if file.suffix.lower() in {".png", ".jpg", ".jpeg", ".webp"}]
    pictures = []
    for file in files[:_MOST_PICTURES]:
        with Image.open(file) as opened:
            image = ImageOps.fit(opened.convert("RGB"), (side, side))
        pictures.append(torch.from_numpy(np.asarray(image, np.float32) / 127.5 - 1).permute(2, 0, 1))
    return pictures


def main() -> None:
    """Fit the projection of one model and keep it in its folder."""
    from diffusers import DiffusionPipeline  # noqa: PLC0415 - takes seconds, and the arguments are checked first

    folder, pictures = Path(sys.argv[1]), Path(sys.argv[2])
    loader: Any = DiffusionPipeline
    pipeline = loader.from_pretrained(folder, use_safetensors=True, local_files_only=True)
    side = int(pipeline.unet.config.sample_size * pipeline.vae_scale_factor)
    path = folder / "fabula.json"
    hints = json.loads(path.read_bytes()) if path.exists() else {}
    hints["preview"] = fit_preview(pipeline.vae, read_pictures(pictures, side))
    path.write_text(json.dumps(hints, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
