"""Loads pipelines of the families that are denoised step by step here: safetensors only, no code of theirs."""

from __future__ import annotations

import importlib.util
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import (
    AutoencoderTiny,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
)

from fabula.backends.devices import choose_device, choose_dtype
from fabula.backends.image_settings import ModelSource, PipelineSettings
from fabula.backends.painting.child.folders import LEFT_OUT, Found, find, folder_of, unusable
from fabula.errors import ModelUnavailable

_FAMILIES: dict[str, tuple[Any, Any]] = {
    "StableDiffusionXL": (StableDiffusionXLPipeline, StableDiffusionXLImg2ImgPipeline),
    "StableDiffusion": (StableDiffusionPipeline, StableDiffusionImg2ImgPipeline),
    # The same network with the guidance as an input, which the pipelines of Stable Diffusion know as well.
    "LatentConsistencyModel": (StableDiffusionPipeline, StableDiffusionImg2ImgPipeline),
}
# What a refiner's folder may leave to its base.
_SHARED = ("vae", "text_encoder_2", "tokenizer_2")


@dataclass(frozen=True, slots=True, eq=False)
class Painting:
    """A loaded model.

    Attributes:
        folder: Where its files are.
        family: "StableDiffusionXL", "StableDiffusion", "LatentConsistencyModel"; of others what its class is called.
        pipeline: Paints from noise; for a refiner the same as `from_picture`.
        from_picture: Paints from a picture, or goes on from latents, with the same parts. None: it cannot.
    """

    folder: Path
    family: str
    pipeline: Any
    from_picture: Any


@dataclass(frozen=True, slots=True)
class Loaded:
    """Everything that the settings name."""

    base: Painting
    refiner: Painting | None
    decoder: Any
    device: torch.device
    dtype: torch.dtype


@dataclass(frozen=True, slots=True)
class Ground:
    """What is known before anything is loaded: where the base is, and on what is computed."""

    settings: PipelineSettings
    base: Found
    device: torch.device
    dtype: torch.dtype

    @property
    def family(self) -> str:
        """What the base's class is called."""
        return _family(self.base)


def prepare(settings: PipelineSettings) -> Ground:
    """Look at what the settings name.

    Raises:
        ModelUnavailable: something is not on this machine.
    """
    device = choose_device(settings.device)
    dtype = choose_dtype(settings.dtype, device)
    if settings.offload != "none" and importlib.util.find_spec("accelerate") is None:
        raise ModelUnavailable(
            f"FABULA_IMAGE_OFFLOAD={settings.offload} needs a package that is not installed: pip install accelerate"
        )
    return Ground(settings, find(settings.base, settings), device, dtype)


def is_denoised_here(ground: Ground) -> bool:
    """Whether the base is of the families that `load_all` loads."""
    return ground.family in _FAMILIES


def load_all(ground: Ground) -> Loaded:
    """Load what the settings name; the base is of the families of `is_denoised_here`.

    Raises:
        ModelUnavailable: something is not on this machine, or is no model that may be loaded.
    """
    settings = ground.settings
    base = _load_base(ground)
    refiner = _load_refiner(settings.refiner, ground, base) if settings.refiner else None
    decoder = load_decoder(ground)
    for painting in filter(None, (base, refiner)):
        if ground.device.type == "cpu":
            for module in (painting.pipeline.unet, painting.pipeline.vae):
                module.to(memory_format=torch.channels_last)  # what convolutions on processors like
        settle(painting.pipeline, painting.pipeline.unet, ground)
    return Loaded(base, refiner, decoder, ground.device, ground.dtype)


def _load_base(ground: Ground) -> Painting:
    from_noise, from_picture = _FAMILIES[ground.family]
    pipeline = _load_pipeline(from_noise, ground.base, ground.dtype, {})
    return Painting(
        ground.base.folder, ground.family, pipeline, from_picture(**pipeline.components, **_plain(from_picture))
    )


def _load_refiner(source: ModelSource, ground: Ground, base: Painting) -> Painting:
    found = find(source, ground.settings)
    family = _family(found)
    if family != "StableDiffusionXL" or base.family != family:
        raise cannot_refine(source, ground)
    missing = [name for name in _SHARED if not (found.folder / name).is_dir()]
    shared = {name: getattr(base.pipeline, name) for name in missing}
    pipeline = _load_pipeline(StableDiffusionXLImg2ImgPipeline, found, ground.dtype, shared)
    return Painting(found.folder, family, pipeline, pipeline)


def cannot_refine(source: ModelSource, ground: Ground) -> ModelUnavailable:
    """Return what to raise for a refiner that the base cannot have."""
    return ModelUnavailable(
        f"{source.place} cannot refine {ground.settings.base.place}: both must be of the family Stable Diffusion XL; "
        f"change {source.setting}"
    )


def _family(found: Found) -> str:
    return found.class_name.removesuffix("Pipeline").removesuffix("Img2Img")


def _load_pipeline(cls: Any, found: Found, dtype: torch.dtype, shared: dict[str, Any]) -> Any:
    left_out = dict.fromkeys(part for part in LEFT_OUT if part in inspect.signature(cls).parameters)
    try:
        pipeline = cls.from_pretrained(
            found.folder,
            torch_dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            **left_out,
            **shared,
            **_plain(cls),
        )
    except Exception as error:
        raise unusable(found.source, error) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _plain(cls: Any) -> dict[str, Any]:
    """Return what switches off what a pipeline would do to finished pictures."""
    if cls in (StableDiffusionXLPipeline, StableDiffusionXLImg2ImgPipeline):
        return {"add_watermarker": False}
    return {"requires_safety_checker": False}


def load_decoder(ground: Ground) -> Any:
    """Load the decoder for previews; None where none is named."""
    source = ground.settings.decoder
    if source is None:
        return None
    folder = folder_of(source, ground.settings, whole_pipeline=False)
    try:
        loader: Any = AutoencoderTiny
        decoder = loader.from_pretrained(
            folder, torch_dtype=ground.dtype, use_safetensors=True, local_files_only=True
        ).eval()
    except Exception as error:
        raise unusable(source, error) from error
    return decoder.to(ground.device)


def settle(pipeline: Any, network: Any, ground: Ground) -> None:
    """Put a pipeline where it computes, and as the settings want it; `network` denoises."""
    settings = ground.settings
    if settings.offload == "model" and ground.device.type != "cpu":
        pipeline.enable_model_cpu_offload(device=ground.device)
    elif settings.offload == "sequential" and ground.device.type != "cpu":
        pipeline.enable_sequential_cpu_offload(device=ground.device)
    elif ground.device.type != "cpu":
        pipeline.to(ground.device)
    if settings.attention_slicing:
        pipeline.enable_attention_slicing()
    if settings.vae_tiling and hasattr(getattr(pipeline, "vae", None), "enable_tiling"):
        pipeline.vae.enable_tiling()
    if settings.compile and network is not None:
        network.compile()


def versions() -> str:
    """Name the libraries that decide a picture's bits, with their versions."""
    import transformers  # noqa: PLC0415 - loaded by now

    return f"torch {torch.__version__}, diffusers {diffusers.__version__}, transformers {transformers.__version__}"
