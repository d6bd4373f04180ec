"""What the child tells of the loaded models, and the digest of what decides their pictures' bits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from fabula.backends.host import JsonObject
from fabula.backends.painting.child.loading import Loaded, Painting, versions
from fabula.backends.painting.child.prompts import token_limit
from fabula.backends.painting.child.schedulers import Schedulers

_CONFIGS = frozenset({".json", ".txt", ".model"})
_HINTS = "fabula.json"
# Weights are read whole up to this size; of larger ones the header and blocks all over the file.
_WHOLE_BYTES = 32 * 2**20
_BLOCK_BYTES = 64 * 2**10
_BLOCKS = 128


def details(loaded: Loaded, schedulers: Schedulers, fingerprint: str) -> JsonObject:
    """Describe the loaded models, as JSON; `card` makes an `ImageCard` of it."""
    pipe = loaded.base.pipeline
    scale = int(pipe.vae_scale_factor)
    height, width = _sample_size(pipe)
    own = pipe.scheduler.config
    return {
        **surroundings(loaded, fingerprint),
        "family": loaded.base.family,
        "refines": loaded.refiner is not None,
        "takes_source": True,
        "batches": True,
        "default_width": width * scale,
        "default_height": height * scale,
        "multiple": max(8, scale),
        "channels": int(pipe.unet.config.in_channels),
        "latent_space": "SDXL" if loaded.base.family == "StableDiffusionXL" else "SD",
        "weights": sum(weights.numel() for weights in pipe.unet.parameters()),
        "guidance_is_an_input": pipe.unet.config.time_cond_proj_dim is not None,
        "trailing": own.get("timestep_spacing") == "trailing" and not own.get("rescale_betas_zero_snr"),
        "schedulers": [[scheduler.name, scheduler.resumes] for scheduler in schedulers.all],
        "decoder": loaded.decoder is not None,
        "prompt_tokens": token_limit(pipe),
        "suits": None,
    }


def surroundings(loaded: Loaded, fingerprint: str) -> JsonObject:
    """Describe what a model of any kind is loaded from and computes on."""
    return {
        "folder": str(loaded.base.folder),
        "device": _device_name(loaded.device),
        "dtype": str(loaded.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "libraries": versions(),
        "fingerprint": fingerprint,
    }


def fingerprint(loaded: Loaded) -> str:
    """Return the SHA-256 over everything that decides a picture's bits beside its spec and batch.

    That is: the models' configurations whole, their weights (large files in part), the device, its numbers and threads,
    the libraries' versions.
    """
    digest = hashlib.sha256()
    said = (_device_name(loaded.device), _hardware(loaded.device), loaded.dtype, torch.get_num_threads(), versions())
    digest.update(repr(said).encode())
    for painting in filter(None, (loaded.base, loaded.refiner)):
        for file in _files(painting):
            digest.update(f"{file.relative_to(painting.folder)} {file.stat().st_size}\n".encode())
            for block in _blocks(file):
                digest.update(block)
    return digest.hexdigest()


def _files(painting: Painting) -> Iterator[Path]:
    parts = sorted(part for part in painting.pipeline.components if (painting.folder / part).is_dir())
    for folder in (painting.folder, *(painting.folder / part for part in parts)):
        for file in sorted(folder.iterdir()):
            if file.name != _HINTS and file.suffix in _CONFIGS | {".safetensors"}:
                yield file


def _blocks(file: Path) -> Iterator[bytes]:
    size = file.stat().st_size
    if size <= _WHOLE_BYTES or file.suffix in _CONFIGS:
        yield file.read_bytes()
        return
    with file.open("rb") as opened:
        length = opened.read(8)
        yield length + opened.read(min(int.from_bytes(length, "little"), _WHOLE_BYTES))
        for index in range(_BLOCKS):
            opened.seek((size - _BLOCK_BYTES) * index // (_BLOCKS - 1))
            yield opened.read(_BLOCK_BYTES)


def _sample_size(pipe: Any) -> tuple[int, int]:
    size = pipe.unet.config.sample_size
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))


def _device_name(device: torch.device) -> str:
    if device.type != "cuda":
        return device.type
    return f"cuda:{torch.cuda.current_device() if device.index is None else device.index}"


def _hardware(device: torch.device) -> str:
    """Name what computes: other processors and accelerators add in another order."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return torch.backends.cpu.get_cpu_capability()
