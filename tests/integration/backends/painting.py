"""What tests of painting share: specs, and calls that read a generator to its end."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any

from PIL import Image

from fabula.backends.diffusers_image import DiffusersImage
from fabula.backends.image import Part, PictureFormat, PictureSpec, PreviewMade, Step
from fabula.backends.image_settings import DiffusersSettings, ModelSource, PipelineSettings

SPEC = PictureSpec(
    prompt="a red fox in the snow",
    negative_prompt="blue house",
    width=64,
    height=64,
    steps=6,
    guidance=5.0,
    scheduler="euler",
    seeds=(7,),
)


def new_model(
    folder: Path, refiner: Path | None = None, *, decoder: Path | None = None, dtype: str = "auto", **more: Any
) -> DiffusersImage:
    """Return the model in a folder, not yet loaded."""
    pipeline = PipelineSettings(
        source(folder),
        None if refiner is None else source(refiner),
        None if decoder is None else source(decoder),
        device="cpu",
        dtype=dtype,
        **{name: more.pop(name) for name in ("offload", "vae_tiling", "attention_slicing") if name in more},
    )
    return DiffusersImage(DiffusersSettings(pipeline, **{"max_steps": 1000, "cancel_bound_seconds": 20.0, **more}))


def source(folder: Path) -> ModelSource:
    """Name a folder."""
    return ModelSource(str(folder), is_folder=True, revision=None, setting="FABULA_IMAGE_MODEL")


def like(spec: PictureSpec = SPEC, **changes: Any) -> PictureSpec:
    """Return a spec with some fields changed."""
    return dataclasses.replace(spec, **changes)


async def events(
    model: DiffusersImage, spec: PictureSpec, part: Part = Part.BASE, **given: bytes
) -> list[Step | PreviewMade]:
    """Denoise to the end."""
    return await read(model.denoise(spec, part, **given))


async def steps(model: DiffusersImage, spec: PictureSpec, part: Part = Part.BASE, **given: bytes) -> list[Step]:
    """Denoise to the end, and return the steps alone."""
    return [event for event in await events(model, spec, part, **given) if isinstance(event, Step)]


async def read(stream: AsyncGenerator[Step | PreviewMade, None], most: int = 10**9) -> list[Step | PreviewMade]:
    """Read a generator to its end, or so many events of it, and close it."""
    found: list[Step | PreviewMade] = []
    async with aclosing(stream):
        async for event in stream:
            found.append(event)
            if len(found) >= most:
                break
    return found


async def pixels(model: DiffusersImage, spec: PictureSpec, latents: bytes) -> list[bytes]:
    """Decode, and return what can be compared: the pixels of each picture."""
    return [
        Image.open(io.BytesIO(picture)).tobytes() for picture in await model.decode(spec, latents, PictureFormat.PNG)
    ]


def png(width: int = 64, height: int = 64, colour: tuple[int, int, int] = (200, 40, 90)) -> bytes:
    """Return a picture to start from."""
    buffer = io.BytesIO()
    image = Image.new("RGB", (width, height), colour)
    image.paste((20, 120, 220), (0, 0, width // 2, height // 2))
    image.save(buffer, "PNG")
    return buffer.getvalue()
