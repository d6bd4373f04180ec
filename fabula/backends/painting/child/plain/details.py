"""What the child tells of a pipeline that it knows only by its call and its configuration."""

from __future__ import annotations

from typing import Any

from fabula.backends.host import JsonObject
from fabula.backends.painting.child.details import surroundings
from fabula.backends.painting.child.loading import Loaded
from fabula.backends.painting.child.plain.call import Call
from fabula.backends.painting.child.plain.loading import Calls, latent_channels, network_of
from fabula.backends.painting.child.schedulers import name_of

_SIDE = 1024  # where a pipeline says nothing
_SMALLEST_MULTIPLE = 16  # many fold two by two cells of an eighth of a pixel's size, and do not say so
_LARGEST_LATENT = 256  # a sample size beyond it is one of pixels
# Networks that are taught with a prompt alone read it with these, and no template of words around it.
_READERS = ("T5", "CLIP")
# Autoencoders whose latents are known, by the number that brings these to unit variance.
_SPACES = {0.18215: "SD", 0.13025: "SDXL"}


def details(loaded: Loaded, calls: Calls, fingerprint: str) -> JsonObject:
    """Describe the loaded pipeline, as JSON; `card` makes an `ImageCard` of it."""
    pipe, call = loaded.base.pipeline, calls.from_noise
    scheduler = getattr(pipe, "scheduler", None)
    width, height = default_size(pipe, call)
    _, tokens = reader(pipe, call)
    steps = call.default("num_inference_steps") or 50
    return {
        **surroundings(loaded, fingerprint),
        "family": loaded.base.family,
        "refines": False,
        "takes_source": calls.from_picture is not None,
        "batches": False,
        "default_width": width,
        "default_height": height,
        "multiple": side_multiple(pipe),
        "channels": latent_channels(pipe),
        "latent_space": latent_space(pipe),
        "weights": sum(weights.numel() for weights in getattr(network_of(pipe), "parameters", list)()),
        "schedulers": [["own" if scheduler is None else name_of(scheduler), False]],
        "decoder": loaded.decoder is not None,
        "prompt_tokens": tokens,
        "suits": {
            "steps": steps,
            "high_quality_steps": steps * 5 // 3,  # as 30 and 50 are
            "guidance": float(call.default(call.guidance)) if call.guidance else None,
        },
    }


def default_size(pipe: Any, call: Call) -> tuple[int, int]:
    """Return width and height as the pipeline says: in its call, of itself, or of its network."""
    multiple = side_multiple(pipe)
    said = getattr(pipe, "default_sample_size", None) or _config(network_of(pipe), "sample_size") or 0
    rows, columns = (said, said) if isinstance(said, int) else said
    width = call.default("width") or _in_pixels(pipe, columns)
    height = call.default("height") or _in_pixels(pipe, rows)
    return max(1, width // multiple) * multiple, max(1, height // multiple) * multiple


def _in_pixels(pipe: Any, size: int) -> int:
    return (size if size > _LARGEST_LATENT else size * scale(pipe)) or _SIDE


def scale(pipe: Any) -> int:
    """Return the pixels along a latent's side; 1 where a pipeline has no autoencoder."""
    return int(getattr(pipe, "vae_scale_factor", None) or getattr(pipe, "movq_scale_factor", None) or 1)


def side_multiple(pipe: Any) -> int:
    """Return what width and height must be multiples of, as far as one can know without asking the call."""
    patch = _config(network_of(pipe), "patch_size")
    if isinstance(patch, (list, tuple)):
        patch = max(patch)
    return max(_SMALLEST_MULTIPLE, scale(pipe) * (patch if isinstance(patch, int) else 1))


def latent_space(pipe: Any) -> str:
    """Name the autoencoder's latents: "SD", "SDXL"; empty where they are others, or lie otherwise."""
    vae = getattr(pipe, "vae", None)
    if type(vae).__name__ != "AutoencoderKL" or not latent_channels(pipe):
        return ""
    return _SPACES.get(_config(vae, "scaling_factor"), "")


def reader(pipe: Any, call: Call) -> tuple[Any, int]:
    """Return the tokeniser that reads most of a prompt, and how many tokens that are; None and 0: not known."""
    longest = call.default("max_sequence_length")
    for name in ("tokenizer_3", "tokenizer_2", "tokenizer"):
        tokenizer = getattr(pipe, name, None)
        if tokenizer is None:
            continue
        kind = next((kind for kind in _READERS if type(tokenizer).__name__.startswith(kind)), "")
        if kind == "CLIP":
            return tokenizer, int(tokenizer.model_max_length) - tokenizer.num_special_tokens_to_add()
        if kind and isinstance(longest, int):
            return tokenizer, longest - tokenizer.num_special_tokens_to_add()
        break
    return None, 0


def _config(part: Any, name: str) -> Any:
    return getattr(part, "config", {}).get(name)
