"""Fit how a model's latents become colours, for previews: `python scripts/fit_preview.py MODEL_FOLDER PICTURES_FOLDER`.

Writes the result as "preview" into `fabula.json` in the model's folder, beside what is there.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

from training.preview_fit import fit_preview

_MOST_PICTURES = 500


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
