"""Loads pipelines: safetensors only, no code that a model brings along, nothing fetched unasked."""

from __future__ import annotations

import importlib.util
import inspect
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import (
    AutoencoderTiny,
    DiffusionPipeline,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
)

from fabula.backends.devices import choose_device, choose_dtype
from fabula.backends.host.failures import is_out_of_memory
from fabula.backends.image_settings import ModelSource, PipelineSettings
from fabula.errors import ModelUnavailable

_FAMILIES: dict[str, tuple[Any, Any]] = {
    "StableDiffusionXL": (StableDiffusionXLPipeline, StableDiffusionXLImg2ImgPipeline),
    "StableDiffusion": (StableDiffusionPipeline, StableDiffusionImg2ImgPipeline),
    # The same network with the guidance as an input, which the pipelines of Stable Diffusion know as well.
    "LatentConsistencyModel": (StableDiffusionPipeline, StableDiffusionImg2ImgPipeline),
}
# Parts that look at finished pictures or read pictures as prompts: they do not take part here.
_LEFT_OUT = ("safety_checker", "feature_extractor", "image_encoder")
# What a refiner's folder may leave to its base.
_SHARED = ("vae", "text_encoder_2", "tokenizer_2")


@dataclass(frozen=True, slots=True, eq=False)
class Painting:
    """A loaded model.

    Attributes:
        folder: Where its files are.
        family: "StableDiffusionXL", "StableDiffusion" or "LatentConsistencyModel".
        pipeline: Paints from noise; for a refiner the same as `from_picture`.
        from_picture: Paints from a picture, or goes on from latents, with the same parts.
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


def load_all(settings: PipelineSettings) -> Loaded:
    """Load what the settings name.

    Raises:
        ModelUnavailable: something is not on this machine, or is no model that may be loaded.
    """
    device = choose_device(settings.device)
    dtype = choose_dtype(settings.dtype, device)
    if settings.offload != "none" and importlib.util.find_spec("accelerate") is None:
        raise ModelUnavailable(
            f"FABULA_IMAGE_OFFLOAD={settings.offload} needs a package that is not installed: pip install accelerate"
        )
    base = _load_base(settings, dtype)
    refiner = _load_refiner(settings, dtype, base) if settings.refiner else None
    decoder = _load_decoder(settings.decoder, settings, dtype).to(device) if settings.decoder else None
    for painting in filter(None, (base, refiner)):
        _settle(painting.pipeline, settings, device)
    return Loaded(base, refiner, decoder, device, dtype)


def _load_base(settings: PipelineSettings, dtype: torch.dtype) -> Painting:
    folder = _folder(settings.base, settings)
    family = _family(folder, settings.base)
    from_noise, from_picture = _FAMILIES[family]
    pipeline = _load_pipeline(from_noise, folder, settings.base, dtype, {})
    return Painting(folder, family, pipeline, from_picture(**pipeline.components, **_plain(from_picture)))


def _load_refiner(settings: PipelineSettings, dtype: torch.dtype, base: Painting) -> Painting:
    source = settings.refiner or settings.base
    folder = _folder(source, settings)
    family = _family(folder, source)
    if family != "StableDiffusionXL" or base.family != family:
        raise ModelUnavailable(
            f"{source.place} cannot refine {settings.base.place}: both must be of the family Stable Diffusion XL; "
            f"change {source.setting}"
        )
    missing = [name for name in _SHARED if not (folder / name).is_dir()]
    shared = {name: getattr(base.pipeline, name) for name in missing}
    pipeline = _load_pipeline(StableDiffusionXLImg2ImgPipeline, folder, source, dtype, shared)
    return Painting(folder, family, pipeline, pipeline)


def _load_pipeline(cls: Any, folder: Path, source: ModelSource, dtype: torch.dtype, shared: dict[str, Any]) -> Any:
    left_out = dict.fromkeys(part for part in _LEFT_OUT if part in inspect.signature(cls).parameters)
    try:
        pipeline = cls.from_pretrained(
            folder,
            torch_dtype=dtype,
            use_safetensors=True,
            local_files_only=True,
            **left_out,
            **shared,
            **_plain(cls),
        )
    except Exception as error:
        raise _unusable(source, error) from error
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _plain(cls: Any) -> dict[str, Any]:
    """Return what switches off what a pipeline would do to finished pictures."""
    if cls in (StableDiffusionXLPipeline, StableDiffusionXLImg2ImgPipeline):
        return {"add_watermarker": False}
    return {"requires_safety_checker": False}


def _load_decoder(source: ModelSource, settings: PipelineSettings, dtype: torch.dtype) -> Any:
    folder = _folder(source, settings, whole_pipeline=False)
    try:
        loader: Any = AutoencoderTiny
        return loader.from_pretrained(folder, torch_dtype=dtype, use_safetensors=True, local_files_only=True).eval()
    except Exception as error:
        raise _unusable(source, error) from error


def _folder(source: ModelSource, settings: PipelineSettings, *, whole_pipeline: bool = True) -> Path:
    if source.is_folder:
        if not Path(source.place).is_dir():
            raise ModelUnavailable(
                f"there is no folder {source.place}; set {source.setting} to one that holds a diffusers pipeline"
            )
        return Path(source.place)
    where: dict[str, Any] = {"revision": source.revision, "local_files_only": not settings.allow_download}
    try:
        if whole_pipeline:
            return Path(DiffusionPipeline.download(source.place, use_safetensors=True, **where))
        from huggingface_hub import snapshot_download  # noqa: PLC0415 - only a decoder on the hub needs it

        return Path(snapshot_download(source.place, allow_patterns=["*.json", "*.safetensors"], **where))
    except (OSError, ValueError) as error:
        raise ModelUnavailable(_why_not_here(source, settings, error)) from error


def _family(folder: Path, source: ModelSource) -> str:
    try:
        index = json.loads((folder / "model_index.json").read_bytes())
        name = str(index["_class_name"]).removesuffix("Pipeline").removesuffix("Img2Img")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnavailable(
            f"{source.place} holds no diffusers pipeline: its model_index.json is missing or broken"
        ) from error
    if name not in _FAMILIES:
        raise ModelUnavailable(
            f"{source.place} is a {index['_class_name']}, and Fabula paints with pipelines of Stable Diffusion 1, 2 "
            "and XL and their few-step kin"
        )
    return name


def _unusable(source: ModelSource, error: Exception) -> Exception:
    """Return what to raise where a folder could not be loaded, for which the libraries have many errors."""
    if is_out_of_memory(error):
        return error
    return ModelUnavailable(
        f"{source.place} cannot be loaded: it is not complete, or its weights are not in safetensors, the only format "
        f"that is read ({_said(error)})"
    )


def _said(error: Exception) -> str:
    """Return the first line of what an error says; some libraries begin with an empty one."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _why_not_here(source: ModelSource, settings: PipelineSettings, error: Exception) -> str:
    if settings.allow_download:
        return f"{source.place} is not on this machine and could not be fetched ({_said(error)})"
    return f"{source.place} is not on this machine; fetch it once with `hf download {source.place}` ({_said(error)})"


def _settle(pipeline: Any, settings: PipelineSettings, device: torch.device) -> None:
    """Put a pipeline where it computes, and as the settings want it."""
    if device.type == "cpu":
        for module in (pipeline.unet, pipeline.vae):
            module.to(memory_format=torch.channels_last)  # what convolutions on processors like
    elif settings.offload == "model":
        pipeline.enable_model_cpu_offload(device=device)
    elif settings.offload == "sequential":
        pipeline.enable_sequential_cpu_offload(device=device)
    else:
        pipeline.to(device)
    if settings.attention_slicing:
        pipeline.enable_attention_slicing()
    if settings.vae_tiling and hasattr(pipeline.vae, "enable_tiling"):
        pipeline.vae.enable_tiling()
    if settings.compile:
        pipeline.unet.compile()


def versions() -> str:
    """Name the libraries that decide a picture's bits, with their versions."""
    import transformers  # noqa: PLC0415 - loaded by now

    return f"torch {torch.__version__}, diffusers {diffusers.__version__}, transformers {transformers.__version__}"
