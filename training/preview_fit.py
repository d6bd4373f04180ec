"""Fits how latents become colours, so that previews of unfinished pictures cost next to nothing.

Pictures are encoded by an autoencoder; from the latents their colours, made as small as the latents, follow by least
squares.
"""

from collections.abc import Sequence
from typing import Any

import torch


def fit_preview(vae: Any, pictures: Sequence[torch.Tensor]) -> dict[str, Any]:
    """Return factors and bias, as `fabula.json` has them.

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
