"""Paints prompts with the exported pipelines, for sheets and for the checker."""

from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline
from PIL import Image

STEPS = 25
GUIDANCE = 4.0
HANDOVER = 0.8

SHEET = (
    "a red castle on a hill at sunset",
    "a blue ship on the sea by day",
    "a green dragon in the forest at night",
    "a white tower in the snow, moonlight",
    "a yellow cottage in the desert at noon",
    "a pink tree on a meadow, sunny day",
    "a purple mountain by the ocean at dusk",
    "a knight with a red shield in the woods",
    "a portrait of Mira, a young elf woman with silver hair, wearing a green cloak",
    "portrait of a dwarf with a red beard, blue tunic",
    "Grok, a fierce orc warrior with black hair, in a brown vest, desert",
    "a human woman with long blond hair and a purple dress by the sea, evening",
    "a young man with short brown hair, dark skin, orange shirt, forest",
    "elf man with blue hair, white robe, in the snow at night",
    "a girl with pink hair in teal, on a hill, sunny",
    "an old king with white hair, wearing a golden robe",
    "epic crimson fortress near the ocean, dusk, masterpiece",
    "a black dragon in the snow, daylight",
    "golden dragon over the sea at sunset",
    "a turquoise house in the woods at midnight",
    "an orange tower on an island by day",
    "a gray mountain in winter at sunrise",
    "a pirate ship with black sails at night",
    "a brown castle in the dunes under the stars",
)


def paint(
    base: StableDiffusionXLPipeline,
    refiner: StableDiffusionXLImg2ImgPipeline | None,
    prompts: Sequence[str],
    seed: int,
    *,
    batch: int = 25,
    guidance: float = GUIDANCE,
) -> list[Image.Image]:
    """Return one picture for each prompt; with a refiner, it does the last fifth of the steps."""
    generator = torch.Generator().manual_seed(seed)
    pictures: list[Image.Image] = []
    for start in range(0, len(prompts), batch):
        texts = list(prompts[start : start + batch])
        settings = {"num_inference_steps": STEPS, "guidance_scale": guidance, "generator": generator}
        if refiner is None:
            pictures += base(texts, height=128, width=128, **settings).images
            continue
        latents = base(texts, height=128, width=128, denoising_end=HANDOVER, output_type="latent", **settings).images
        pictures += refiner(texts, image=latents, denoising_start=HANDOVER, **settings).images
    return pictures


def sheet(pictures: Sequence[Image.Image], columns: int, scale: int = 1) -> Image.Image:
    """Return pictures in rows and columns."""
    side = 128 * scale
    whole = Image.new("RGB", (columns * side, -(-len(pictures) // columns) * side))
    for number, picture in enumerate(pictures):
        place = (number % columns * side, number // columns * side)
        whole.paste(picture.resize((side, side), Image.Resampling.LANCZOS), place)
    return whole


def save_sheet(pictures: Sequence[Image.Image], columns: int, file: Path) -> None:
    """Write pictures in rows and columns, as WebP or PNG by the file's name."""
    file.parent.mkdir(parents=True, exist_ok=True)
    sheet(pictures, columns).save(file, quality=86)
