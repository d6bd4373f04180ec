"""From latents to pixels: finished pictures by the model's own decoder, previews by a tiny one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch

from fabula.backends.painting.child.loading import Loaded
from fabula.backends.painting.child.torch_tensors import to_raw
from fabula.backends.painting.previews import LONGEST_SIDE
from fabula.backends.painting.tensor_file import RawTensor, pack
from fabula.errors import ModelOutputInvalid


@torch.no_grad()
def decode(pipe: Any, latents: torch.Tensor, check: Callable[[], None]) -> Iterator[RawTensor]:
    """Yield the pictures, height × width × RGB in bytes.

    Each is decoded alone, so that its bits do not depend on the others. The same steps as at the end of the pipelines'
    own call, which cannot be asked for them alone.

    Args:
        pipe: The base's pipeline.
        latents: Denoised.
        check: Raises where nobody wants the pictures any more.

    Raises:
        ModelOutputInvalid: what comes out is not a number.
    """
    vae = pipe.vae
    widened = vae.dtype == torch.float16 and vae.config.force_upcast  # it overflows in float16
    if widened:
        vae.to(torch.float32)
    try:
        for one in torch.split(latents, 1):
            check()
            yield _to_pixels(vae.decode(_unscale(vae, one.to(pipe._execution_device)), return_dict=False)[0])  # noqa: SLF001
    finally:
        if widened:
            vae.to(torch.float16)


def _unscale(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    unscaled: torch.Tensor = latents.to(vae.dtype) / vae.config.scaling_factor
    mean, deviation = getattr(vae.config, "latents_mean", None), getattr(vae.config, "latents_std", None)
    if mean is None or deviation is None:
        return unscaled
    return unscaled * _like(deviation, unscaled) + _like(mean, unscaled)


def _like(values: Any, latents: torch.Tensor) -> torch.Tensor:
    return torch.tensor(values, device=latents.device, dtype=latents.dtype).view(1, -1, 1, 1)


def _to_pixels(image: torch.Tensor) -> RawTensor:
    if not torch.isfinite(image).all():
        raise ModelOutputInvalid(
            "The decoded picture is not a number; set FABULA_DTYPE=float32, or try another seed or guidance."
        )
    # The same rounding as in the library's image processor.
    pixels = (image[0].float() * 0.5 + 0.5).clamp(0, 1).permute(1, 2, 0).mul(255).round().to(torch.uint8)
    return to_raw(pixels)


def preview_maker(loaded: Loaded) -> Callable[[torch.Tensor], bytes]:
    """Return what makes of latents what the parent makes a preview of: the latents themselves, or pixels."""
    decoder = loaded.decoder
    if decoder is None:
        return lambda latents: pack({"latents": to_raw(latents)}, {})

    @torch.no_grad()
    def make(latents: torch.Tensor) -> bytes:
        scaled = latents.to(loaded.device, decoder.dtype) / decoder.config.scaling_factor
        image = torch.cat([decoder.decode(one, return_dict=False)[0] for one in torch.split(scaled, 1)]).float()
        longest = max(image.shape[-2:])
        if longest > LONGEST_SIDE:
            image = torch.nn.functional.interpolate(image, scale_factor=LONGEST_SIDE / longest, mode="area")
        pixels = (image * 0.5 + 0.5).nan_to_num().clamp(0, 1).permute(0, 2, 3, 1).mul(255).to(torch.uint8)
        return pack({"rgb": to_raw(pixels)}, {})

    return make
