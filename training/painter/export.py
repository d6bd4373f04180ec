"""Writes what was trained as two pipelines in the folder format of diffusers, and reads them again to go on from."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderTiny, DiffusionPipeline, StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline

from training.painter.denoisers import Painter
from training.painter.networks import build_autoencoder, build_scheduler
from training.painter.tokenizer import load_tokenizer

BASE, REFINER = "base", "refiner"
SHARED = ("vae", "text_encoder_2", "tokenizer_2")


def export(autoencoder: AutoencoderTiny, base: Painter, refiner: Painter | None, folder: Path) -> None:
    """Write `base` and `refiner` under a folder, as float16 safetensors.

    The refiner's folder leaves out the parts it shares with the base (`SHARED`); who loads it passes them on.
    """
    base_pipe = StableDiffusionXLPipeline(
        vae=autoencoder,
        text_encoder=base.reader.first,
        text_encoder_2=base.reader.second,
        tokenizer=load_tokenizer(),
        tokenizer_2=load_tokenizer(),
        unet=base.unet,
        scheduler=build_scheduler(),
        add_watermarker=False,
    )
    _save(base_pipe, folder / BASE)
    if refiner is not None:
        refiner_pipe = StableDiffusionXLImg2ImgPipeline(
            vae=None,
            text_encoder=None,
            text_encoder_2=None,
            tokenizer=None,
            tokenizer_2=None,
            unet=refiner.unet,
            scheduler=build_scheduler(),
            requires_aesthetics_score=True,
            add_watermarker=False,
        )
        _save(refiner_pipe, folder / REFINER)


def _save(pipe: DiffusionPipeline, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    pipe.to(torch.float16).save_pretrained(folder, safe_serialization=True)
    for file in folder.rglob("config.json"):
        content = _tidy(json.loads(file.read_text(encoding="utf-8")), vae=file.parent.name == "vae")
        file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _tidy(config: dict[str, Any], *, vae: bool) -> dict[str, Any]:
    """Mend a part's configuration.

    Where the weights lay while they were trained is nobody's business. What the autoencoder notes down for the
    pipeline, it does not take back without a complaint. And transformers loads a part in the type that is noted down
    unless told otherwise, diffusers in float32: in a pipeline they must agree.
    """
    unwanted = {"_name_or_path"} | ({"block_out_channels"} if vae else set())
    kept = {name: value for name, value in config.items() if name not in unwanted}
    return kept | ({"dtype": "float32"} if "dtype" in kept else {})


def load_pipelines(folder: Path) -> tuple[StableDiffusionXLPipeline, StableDiffusionXLImg2ImgPipeline | None]:
    """Load both pipelines for the CPU, as float32 (float16 is slow there)."""
    base = StableDiffusionXLPipeline.from_pretrained(
        folder / BASE, use_safetensors=True, local_files_only=True, dtype=torch.float32
    )
    base.set_progress_bar_config(disable=True)
    base.unet.to(memory_format=torch.channels_last)
    if not (folder / REFINER / "model_index.json").exists():
        return base, None
    shared = {name: getattr(base, name) for name in SHARED}
    refiner = StableDiffusionXLImg2ImgPipeline.from_pretrained(
        folder / REFINER, use_safetensors=True, local_files_only=True, dtype=torch.float32, **shared
    )
    refiner.set_progress_bar_config(disable=True)
    refiner.unet.to(memory_format=torch.channels_last)
    return base, refiner


def warm_autoencoder(folder: Path) -> AutoencoderTiny:
    """Return the shipped autoencoder, ready for training."""
    shipped = AutoencoderTiny.from_pretrained(folder / BASE / "vae", dtype=torch.float32)
    model = build_autoencoder()
    model.load_state_dict(shipped.state_dict())
    model.register_to_config(scaling_factor=shipped.config.scaling_factor)
    return model


def warm_painter(folder: Path, *, refiner: bool = False) -> Painter:
    """Return the shipped base or refiner with its text encoders, ready for training; the naming heads are fresh."""
    base_pipe, refiner_pipe = load_pipelines(folder)
    painter = Painter(refiner=refiner)
    painter.reader.first.load_state_dict(base_pipe.text_encoder.state_dict())
    painter.reader.second.load_state_dict(base_pipe.text_encoder_2.state_dict())
    source = refiner_pipe if refiner else base_pipe
    if source is None:
        raise FileNotFoundError(f"no refiner in {folder}")
    painter.unet.load_state_dict(source.unet.state_dict())
    return painter


def refiner_from_base(base: Painter) -> Painter:
    """Return an untrained refiner that knows what the base knows, as far as the shapes allow."""
    refiner = Painter(refiner=True)
    refiner.reader.load_state_dict(base.reader.state_dict())
    theirs = base.unet.state_dict()
    ours = refiner.unet.state_dict()
    for name, weight in ours.items():
        given = theirs[name]
        if given.shape == weight.shape:
            weight.copy_(given)
        elif "attn2" in name:
            weight.copy_(given[:, -weight.shape[1] :])  # the second encoder's states come last
        else:
            weight.copy_(given[:, : weight.shape[1]])  # the summary comes first, the deaf columns after it
    return refiner
