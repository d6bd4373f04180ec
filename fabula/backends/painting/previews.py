"""Previews without a decoder: latents are projected linearly to colours, and made into small WebP pictures.

That works because the latents of these models are little pictures themselves, in colours of their own.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from fabula.backends.painting.tensor_file import RawTensor, unpack

LONGEST_SIDE = 256
MOST_BYTES = 16 * 1024
_QUALITIES = (80, 60, 40, 20, 5)

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Projection:
    """A linear way from latents to colours in -1 … 1.

    Attributes:
        factors: For each channel of the latents, its part in red, green and blue.
        bias: What is added.
    """

    factors: tuple[tuple[float, float, float], ...]
    bias: tuple[float, float, float] = (0.0, 0.0, 0.0)


# Fitted to their decoders by others; https://github.com/comfyanonymous/ComfyUI/blob/master/comfy/latent_formats.py,
# classes SD15 and SDXL.
STABLE_DIFFUSION = Projection(
    ((0.3512, 0.2297, 0.3227), (0.3250, 0.4974, 0.2350), (-0.2829, 0.1762, 0.2721), (-0.2120, -0.2616, -0.7177))
)
STABLE_DIFFUSION_XL = Projection(
    ((0.3651, 0.4232, 0.4341), (-0.2533, -0.0042, 0.1068), (0.1076, 0.1111, -0.0362), (-0.3165, -0.2492, -0.2188)),
    (0.1084, -0.0175, -0.0011),
)


def make_previews(preview: bytes, projection: Projection | None, longest_side: int) -> list[bytes]:
    """Return one WebP picture of at most 16 KiB for each picture of a request.

    Args:
        preview: `StepItem.preview`.
        projection: For latents.
        longest_side: Of the finished picture; a preview is not larger than that.
    """
    tensors, _ = unpack(preview)
    if "rgb" in tensors:
        pixels = np.frombuffer(tensors["rgb"].data, np.uint8).reshape(tensors["rgb"].shape)
    elif projection is not None:
        pixels = project(to_floats(tensors["latents"]), projection)
    else:
        return []
    return [to_webp(enlarge(picture, min(longest_side, LONGEST_SIDE))) for picture in pixels]


def to_floats(raw: RawTensor) -> npt.NDArray[np.float32]:
    """Return a tensor's numbers; numpy does not know bfloat16, which is a float32 without its second half."""
    if raw.dtype == "BF16":
        halves = np.frombuffer(raw.data, "<u2").astype(np.uint32) << 16
        return halves.view(np.float32).reshape(raw.shape)
    kinds: dict[str, Any] = {"F32": "<f4", "F16": "<f2", "F64": "<f8"}
    return np.frombuffer(raw.data, kinds[raw.dtype]).astype(np.float32).reshape(raw.shape)


def project(latents: npt.NDArray[np.float32], projection: Projection) -> Pixels:
    """Return the colours of latents: pictures × height × width × RGB."""
    colours = np.einsum("nchw,cr->nhwr", latents, np.asarray(projection.factors, np.float32))
    colours = np.nan_to_num(colours + np.asarray(projection.bias, np.float32))
    pixels: Pixels = ((colours.clip(-1, 1) + 1) * 127.5).round().astype(np.uint8)
    return pixels


def enlarge(pixels: Pixels, longest_side: int) -> Image.Image:
    """Bring a picture to a size."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    scale = longest_side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image if size == image.size else image.resize(size, Image.Resampling.BICUBIC)


def to_webp(image: Image.Image) -> bytes:
    """Encode a picture in at most 16 KiB: at lower quality, and where that is not enough, smaller."""
    while True:
        for quality in _QUALITIES:
            buffer = io.BytesIO()
            image.save(buffer, "WEBP", quality=quality, method=2)
            if buffer.tell() <= MOST_BYTES:
                return buffer.getvalue()
        image = image.reduce(2)
