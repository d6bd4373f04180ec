"""Loads any text-to-image pipeline: safetensors only, no code that a model brings along."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any

import diffusers
from diffusers import AutoPipelineForImage2Image, DiffusionPipeline, ModelMixin

from fabula.backends.painting.child.folders import LEFT_OUT, Found, unusable
from fabula.backends.painting.child.loading import Ground, Loaded, Painting, cannot_refine, load_decoder, settle
from fabula.backends.painting.child.plain.call import Call, WordsAreNotEnough
from fabula.errors import ModelUnavailable

# What draws a sign upon finished pictures is left out as well.
_LEFT_OUT = {*LEFT_OUT, "watermarker"}


@dataclass(frozen=True, slots=True)
class Calls:
    """How the loaded pipeline is called: from noise, and from a picture (None: it does not paint from one)."""

    from_noise: Call
    from_picture: Call | None


def load_plain(ground: Ground) -> tuple[Loaded, Calls]:
    """Load a pipeline and find out how it is called.

    Raises:
        ModelUnavailable: it is no text-to-image pipeline, or cannot be loaded.
    """
    cls = _class_of(ground.base)
    call = _call_of(ground.base, cls)
    if ground.settings.refiner is not None:
        raise cannot_refine(ground.settings.refiner, ground)
    pipeline = _load_pipeline(cls, ground)
    from_picture, picture_call = _with_picture(pipeline)
    for each in filter(None, (pipeline, from_picture)):
        each.set_progress_bar_config(disable=True)
    painting = Painting(ground.base.folder, ground.family, pipeline, from_picture)
    decoder = load_decoder(ground)
    if decoder is not None and decoder.config.latent_channels != latent_channels(pipeline):
        decoder = None
    settle(pipeline, network_of(pipeline), ground)
    return Loaded(painting, None, decoder, ground.device, ground.dtype), Calls(call, picture_call)


def network_of(pipeline: Any) -> Any:
    """Return what denoises; None where a pipeline calls it otherwise."""
    return getattr(pipeline, "transformer", None) or getattr(pipeline, "unet", None)


def latent_channels(pipeline: Any) -> int:
    """Return the channels of latents that are little pictures, as the autoencoder makes them; 0 where they are not.

    Networks with more inputs than that take latents folded into sequences (Flux) or something beside them.
    """
    config = getattr(getattr(pipeline, "vae", None), "config", {})
    network = getattr(network_of(pipeline), "config", {})
    channels = config.get("latent_channels")
    return channels if isinstance(channels, int) and channels == network.get("in_channels") else 0


def _class_of(found: Found) -> Any:
    cls = getattr(diffusers, found.class_name, None)
    # Where a package is missing, the library has a stand-in that names it.
    if missing := [name for name in getattr(cls, "_backends", ()) if importlib.util.find_spec(name) is None]:
        raise _needs(found, missing[0])
    if not isinstance(cls, type) or not issubclass(cls, DiffusionPipeline):
        raise ModelUnavailable(
            f"{found.source.place} is {found.class_name}, which diffusers {diffusers.__version__} does not know"
        )
    return cls


def _needs(found: Found, package: str) -> ModelUnavailable:
    return ModelUnavailable(f"{found.source.place} needs a package that is not installed: pip install {package}")


def _call_of(found: Found, cls: Any) -> Call:
    try:
        return Call.of(cls)
    except WordsAreNotEnough as reason:
        raise ModelUnavailable(
            f"{found.source.place} is {found.class_name}, which is no text-to-image pipeline for Fabula: it {reason}"
        ) from reason


def _load_pipeline(cls: Any, ground: Ground) -> Any:
    try:
        pipeline = cls.from_pretrained(
            ground.base.folder,
            torch_dtype=ground.dtype,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            **dict.fromkeys(_LEFT_OUT.intersection(cls._optional_components)),
        )
    except Exception as error:
        if "low_cpu_mem_usage" in str(error) and importlib.util.find_spec("accelerate") is None:
            raise _needs(ground.base, "accelerate") from error
        raise unusable(ground.base.source, error) from error
    for part in pipeline.components.values():
        # The library leaves a network as its file has it where a buffer that is never cast comes first (SD 3).
        if isinstance(part, ModelMixin) and part.dtype != ground.dtype and not part._keep_in_fp32_modules:  # noqa: SLF001
            part.to(ground.dtype)
    return pipeline


def _with_picture(pipeline: Any) -> tuple[Any, Call | None]:
    """Return the pipeline that paints from a picture with the same parts, if the library has one."""
    try:
        from_picture = AutoPipelineForImage2Image.from_pipe(pipeline)
        return from_picture, Call.of(type(from_picture), from_picture=True)
    except (ValueError, TypeError, WordsAreNotEnough):
        return None, None
