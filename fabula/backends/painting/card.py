"""From what a loaded model says of itself to its card: defaults by family, hints in its folder, settings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fabula.backends.host import JsonObject
from fabula.backends.image import ImageCard, SchedulerCard
from fabula.backends.image_settings import DiffusersSettings
from fabula.backends.painting.previews import STABLE_DIFFUSION, STABLE_DIFFUSION_XL, Projection
from fabula.errors import ModelUnavailable

HINTS_FILE = "fabula.json"
_MAX_GUIDANCE = 50.0
_MAX_COUNT = 8
_HANDOVER = 0.8  # what the makers of SDXL recommend
_SMALLEST_SIDE = 64
_LARGEST_SIDES = 4  # times what the model was trained with
_KNOWN_SPACES = {"SD": STABLE_DIFFUSION, "SDXL": STABLE_DIFFUSION_XL}


@dataclass(frozen=True, slots=True)
class Defaults:
    """What suits a model where nothing is said; without a guidance there is none that it could take."""

    steps: int
    high_quality_steps: int
    guidance: float | None


@dataclass(frozen=True, slots=True)
class Hints:
    """What a model's folder says in `fabula.json`; what it does not say is None.

    Attributes:
        default_steps: Denoising steps.
        default_guidance: Guidance.
        high_quality_steps: Steps for the preset of high quality.
        default_handover: Part of the steps before a refiner takes over.
        min_side: Smallest width and height.
        max_side: Largest width and height.
        preview: How latents become colours.
    """

    default_steps: int | None = None
    default_guidance: float | None = None
    high_quality_steps: int | None = None
    default_handover: float | None = None
    min_side: int | None = None
    max_side: int | None = None
    preview: Projection | None = None


def read_hints(folder: Path) -> Hints:
    """Read the hints in a model's folder; none where there is no such file.

    Raises:
        ModelUnavailable: the file does not say what it may say.
    """
    path = folder / HINTS_FILE
    if not path.is_file():
        return Hints()
    try:
        values: dict[str, Any] = json.loads(path.read_bytes())
        preview = values.pop("preview", None)
        return Hints(**values, preview=None if preview is None else _projection(preview))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelUnavailable(f"The file {path} cannot be used: {error}.") from error


def _projection(preview: JsonObject) -> Projection:
    red, green, blue = preview.get("bias", (0, 0, 0))
    factors = tuple((float(r), float(g), float(b)) for r, g, b in preview["factors"])
    return Projection(factors, (float(red), float(green), float(blue)))


def projection_of(details: JsonObject, hints: Hints) -> Projection | None:
    """Return how a model's latents become colours; None: not known."""
    projection = hints.preview or _KNOWN_SPACES.get(details["latent_space"])
    return projection if projection and len(projection.factors) == details["channels"] else None


def make_card(details: JsonObject, hints: Hints, settings: DiffusersSettings) -> ImageCard:
    """Put a card together; settings go before hints, hints before what suits the family."""
    suits = _defaults(details)
    width, height, multiple = details["default_width"], details["default_height"], details["multiple"]
    return ImageCard(
        name=settings.pipeline.base.name,
        refiner=settings.pipeline.refiner.name if settings.pipeline.refiner else "",
        default_width=width,
        default_height=height,
        min_side=hints.min_side or -(-min(_SMALLEST_SIDE, width, height) // multiple) * multiple,
        max_side=hints.max_side or _LARGEST_SIDES * max(width, height),
        max_pixels=settings.max_pixels,
        side_multiple=multiple,
        default_steps=min(settings.default_steps or hints.default_steps or suits.steps, settings.max_steps),
        high_quality_steps=min(hints.high_quality_steps or suits.high_quality_steps, settings.max_steps),
        max_steps=settings.max_steps,
        default_guidance=_guidance(settings.default_guidance, hints.default_guidance, suits.guidance),
        max_guidance=0.0 if suits.guidance is None else _MAX_GUIDANCE,
        default_handover=hints.default_handover or _HANDOVER,
        max_count=_MAX_COUNT,
        schedulers=tuple(SchedulerCard(name, resumes) for name, resumes in details["schedulers"]),
        takes_source=details["takes_source"],
        previews="decoder" if details["decoder"] else "linear" if projection_of(details, hints) else "",
        prompt_tokens=details["prompt_tokens"],
        device=details["device"],
        dtype=details["dtype"],
        threads=details["threads"],
        libraries=details["libraries"],
        fingerprint=details["fingerprint"],
    )


def _defaults(details: JsonObject) -> Defaults:
    if details["suits"] is not None:  # the pipeline's call says it
        return Defaults(**details["suits"])
    own = details["schedulers"][0][0]
    if own in {"lcm", "tcd"}:
        # A network that takes the guidance as an input was taught with much of it; the others do without.
        return Defaults(4, 8, 8.0 if details["guidance_is_an_input"] else 1.0)
    if own.startswith("euler") and details["trailing"]:
        return Defaults(4, 8, 0.0)  # as Turbo models come: taught to do without guidance
    return Defaults(30, 50, 5.0 if details["family"] == "StableDiffusionXL" else 7.5)


def _guidance(setting: float | None, hint: float | None, suits: float | None) -> float:
    if suits is None:
        return 0.0
    return next(value for value in (setting, hint, suits) if value is not None)
