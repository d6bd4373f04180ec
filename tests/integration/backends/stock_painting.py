"""Paints with diffusers alone, without Fabula, in a process of its own: what Fabula's pictures are compared with."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from fabula.backends.image import PictureSpec

_SCRIPT = """
import json, sys
import torch
from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline

base_folder, refiner_folder, out, spec = *sys.argv[1:4], json.loads(sys.argv[4])
base = StableDiffusionXLPipeline.from_pretrained(base_folder, use_safetensors=True)
refiner = StableDiffusionXLImg2ImgPipeline.from_pretrained(
    refiner_folder, vae=base.vae, text_encoder_2=base.text_encoder_2, tokenizer_2=base.tokenizer_2, use_safetensors=True
)
for module in (base.unet, base.vae, refiner.unet):
    module.to(memory_format=torch.channels_last)
common = {
    "prompt": spec["prompt"],
    "negative_prompt": spec["negative_prompt"],
    "num_inference_steps": spec["steps"],
    "guidance_scale": spec["guidance"],
    "generator": torch.Generator().manual_seed(spec["seed"]),
}
size = {"width": spec["width"], "height": spec["height"]}
latents = base(**common, **size, denoising_end=spec["handover"], output_type="latent").images
picture = refiner(**common, image=latents, denoising_start=spec["handover"]).images[0]
open(out, "wb").write(picture.tobytes())
"""


def painted_by_the_library(base: Path, refiner: Path, spec: PictureSpec) -> bytes:
    """Return the pixels of a spec's first picture, denoised by base and refiner."""
    words = {
        name: getattr(spec, name)
        for name in ("prompt", "negative_prompt", "width", "height", "steps", "guidance", "handover")
    }
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "pixels"
        arguments = [str(base), str(refiner), str(out), json.dumps({**words, "seed": spec.seeds[0]})]
        subprocess.run([sys.executable, "-W", "ignore", "-c", _SCRIPT, *arguments], check=True, capture_output=True)
        return out.read_bytes()
