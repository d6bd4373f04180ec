from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from fabula.backends.painting.previews import (
    MOST_BYTES,
    STABLE_DIFFUSION_XL,
    Projection,
    enlarge,
    make_previews,
    project,
    to_floats,
    to_webp,
)
from fabula.backends.painting.tensor_file import RawTensor, pack

IDENTITY = Projection(((1, 0, 0), (0, 1, 0), (0, 0, 1)))


def opened(image: bytes) -> Image.Image:
    """Read a preview."""
    return Image.open(io.BytesIO(image))


def test_latents_are_projected_channel_by_channel() -> None:
    """-1 is dark, 1 is bright, what is beyond is cut off, and what is no number is grey."""
    latents = np.zeros((1, 3, 1, 2), np.float32)
    latents[0, :, 0, 0] = (-1, 1, 9)
    latents[0, 0, 0, 1] = np.nan

    assert [[0, 255, 255], [128, 128, 128]] == project(latents, IDENTITY)[0, 0].tolist()


def test_the_bias_is_added() -> None:
    """SDXL's latents of nothing are not quite grey."""
    assert [[141, 125, 127]] == project(np.zeros((1, 4, 1, 1), np.float32), STABLE_DIFFUSION_XL)[0, 0].tolist()


@pytest.mark.parametrize(
    ("dtype", "data"),
    [
        ("F32", b"\x00\x00\xc0\x3f\x00\x00\x00\xc0"),
        ("F16", b"\x00\x3e\x00\xc0"),
        ("BF16", b"\xc0\x3f\x00\xc0"),
    ],
)
def test_numbers_of_all_widths_are_read(dtype: str, data: bytes) -> None:
    """1.5 and -2 in each of them; numpy has no bfloat16 of its own."""
    assert [1.5, -2.0] == to_floats(RawTensor(dtype, (2,), data)).tolist()


def test_a_preview_keeps_the_shape_and_is_no_larger_than_the_picture_or_256_pixels() -> None:
    """A wide picture has a wide preview."""
    latents = pack({"latents": RawTensor("F32", (2, 3, 16, 32), bytes(4 * 2 * 3 * 16 * 32))}, {})

    assert [(256, 128), (256, 128)] == [opened(image).size for image in make_previews(latents, IDENTITY, 1024)]
    assert [(128, 64), (128, 64)] == [opened(image).size for image in make_previews(latents, IDENTITY, 128)]


def test_decoded_previews_are_taken_as_they_are() -> None:
    """Pixels need no projection."""
    pixels = pack({"rgb": RawTensor("U8", (1, 2, 4, 3), bytes([250, 10, 10] * 8))}, {})
    (image,) = make_previews(pixels, None, 4)

    assert ("WEBP", (4, 2)) == (opened(image).format, opened(image).size)


def test_without_a_projection_latents_give_no_preview() -> None:
    """A latent space that nobody knows is not shown in wrong colours."""
    assert [] == make_previews(pack({"latents": RawTensor("F32", (1, 4, 1, 1), bytes(16))}, {}), None, 64)


@pytest.mark.parametrize("side", [256, 512])
def test_even_noise_fits_into_16_kib(side: int) -> None:
    """Noise is what compresses worst, and what a first step looks like."""
    noise = np.random.default_rng(1).integers(0, 256, (side, side, 3), np.uint8)
    image = to_webp(enlarge(noise, side))

    assert len(image) <= MOST_BYTES
    assert "WEBP" == opened(image).format
