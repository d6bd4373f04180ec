"""Tiny pipelines on disk, and the real adapter on them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fabula.backends.diffusers_image import DiffusersImage
from fabula.backends.image_settings import DiffusersSettings, ModelSource, PipelineSettings

_BUILD = """
import sys
from pathlib import Path
from tests.tiny_pipelines import build_tiny_refiner, build_tiny_sdxl
folder = Path(sys.argv[1])
build_tiny_refiner(folder / "refiner", build_tiny_sdxl(folder / "base"))
"""


def build(folder: Path) -> Path:
    """Write a base and a refiner into the folder, in a process of its own: this one needs no torch."""
    subprocess.run([sys.executable, "-W", "ignore", "-c", _BUILD, str(folder)], check=True, timeout=120)
    return folder


def settings_of(folder: Path) -> DiffusersSettings:
    """Return settings for the tiny pipelines."""
    base, refiner = (ModelSource(str(folder / name), True, None, "") for name in ("base", "refiner"))
    pipeline = PipelineSettings(base, refiner, device="cpu")
    # Two make a batch, and one waits long enough for the other, however busy the machine.
    return DiffusersSettings(pipeline, max_pixels=256 * 256, batch=2, batch_wait_seconds=0.25)


def environment_of(folder: Path) -> dict[str, str]:
    """Return the variables with which a worker paints with the tiny pipelines."""
    return {
        "FABULA_IMAGE_MODEL": f"diffusers:{folder / 'base'}",
        "FABULA_IMAGE_REFINER": f"diffusers:{folder / 'refiner'}",
        "FABULA_IMAGE_BATCH": "4",
        "FABULA_DEVICE": "cpu",
        **ONE_THREAD,
    }


ONE_THREAD = {"OMP_NUM_THREADS": "1"}
"""On a busy machine, threads that wait for each other cost more than they bring at 64 pixels."""


@asynccontextmanager
async def open_tiny(folder: Path) -> AsyncIterator[DiffusersImage]:
    """Open the real adapter on the tiny pipelines; its process ends with the block."""
    model = DiffusersImage(settings_of(folder))
    try:
        yield model
    finally:
        await model.close()
