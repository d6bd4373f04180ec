"""The bundled painter: where its finished weights lie; nothing here loads them."""

from pathlib import Path

FOLDER = Path(__file__).parent

BASE = FOLDER / "base"
"""A Stable Diffusion XL pipeline in the folder format of diffusers."""

REFINER = FOLDER / "refiner"
"""Its refiner. It has no autoencoder, second text encoder and second tokenizer of its own: pass those of the base."""

SHARED_WITH_REFINER = ("vae", "text_encoder_2", "tokenizer_2")
"""The parts of the base that a loader passes to the refiner, by their names in the pipeline."""
