"""Naming an image model: from `FABULA_IMAGE_MODEL` and siblings to typed settings. Pure: it reads no environment."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fabula.backends import painter
from fabula.backends.host import JsonObject
from fabula.errors import InvalidRequest
from fabula.settings.parts import ImageModelSettings

PAINTER_NAME = "painter/1"
_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


@dataclass(frozen=True, slots=True)
class ModelSource:
    """Where a model's files are.

    Attributes:
        place: A local folder, or a model's id on the hub.
        is_folder: Whether `place` is a folder.
        revision: Commit, tag or branch of a hub model.
        setting: The setting that named it, for messages.
    """

    place: str
    is_folder: bool
    revision: str | None
    setting: str

    @property
    def name(self) -> str:
        """What results call it."""
        if self.is_folder:
            path = Path(self.place)
            return PAINTER_NAME if path.parent == painter.FOLDER else path.name
        return f"{self.place}@{self.revision}" if self.revision else self.place


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """What the child loads, and how.

    Attributes:
        base: The base model's pipeline.
        refiner: The refiner's; None for none.
        decoder: A tiny decoder for previews; None projects the latents.
        device: "auto", "cpu", "mps", "cuda" or "cuda:N".
        dtype: "auto", "float32", "float16" or "bfloat16".
        allow_download: Whether a hub model that is not on this machine may be fetched.
        offload: "none", "model" or "sequential".
        attention_slicing: Whether attention is computed in slices.
        vae_tiling: Whether large pictures are decoded in tiles.
        compile: Whether the denoising network is compiled.
    """

    base: ModelSource
    refiner: ModelSource | None = None
    decoder: ModelSource | None = None
    device: str = "auto"
    dtype: str = "auto"
    allow_download: bool = False
    offload: str = "none"
    attention_slicing: bool = False
    vae_tiling: bool = False
    compile: bool = False

    def to_json(self) -> JsonObject:
        """Return it as JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, config: JsonObject) -> PipelineSettings:
        """Read what `to_json` wrote."""
        values: dict[str, Any] = dict(config)
        for field in ("base", "refiner", "decoder"):
            values[field] = ModelSource(**values[field]) if values[field] else None
        return cls(**values)


@dataclass(frozen=True, slots=True)
class DiffusersSettings:
    """An image model that this machine runs.

    Attributes:
        pipeline: What is loaded, and how.
        default_steps: Denoising steps where a request names none; None: what suits the model.
        default_guidance: The same for guidance.
        max_steps: Most steps of a request.
        max_pixels: Most pixels of a picture.
        batch: Most pictures that are denoised together; 0: what pays on the device.
        batch_wait_seconds: How long an idle model waits at most for others that are about to come, to share a batch.
        cancel_bound_seconds: A model that has not obeyed a cancel after this time is killed.
        idle_unload_seconds: Unload after so long without work; None keeps the model.
    """

    pipeline: PipelineSettings
    default_steps: int | None = None
    default_guidance: float | None = None
    max_steps: int = 150
    max_pixels: int = 4_194_304
    batch: int = 0
    batch_wait_seconds: float = 0.03
    cancel_bound_seconds: float = 2.0
    idle_unload_seconds: float | None = None


def parse_image_model(settings: ImageModelSettings) -> DiffusersSettings:
    """Read what `FABULA_IMAGE_MODEL` and its siblings say.

    Returns:
        Settings for `open_image_model`; without a model's name, the bundled painter's.

    Raises:
        InvalidRequest: a model's name is not of the form described; the message says which.
    """
    base = _source("FABULA_IMAGE_MODEL", settings.image_model, settings)
    refiner = _source("FABULA_IMAGE_REFINER", settings.image_refiner, settings)
    pipeline = PipelineSettings(
        base=base or _bundled(painter.BASE),
        refiner=refiner or (None if base else _bundled(painter.REFINER)),
        decoder=_source("FABULA_IMAGE_PREVIEW_DECODER", settings.image_preview_decoder, settings),
        device=settings.device,
        dtype=settings.dtype,
        allow_download=settings.allow_download,
        offload=settings.image_offload,
        attention_slicing=settings.image_attention_slicing,
        vae_tiling=settings.image_vae_tiling,
        compile=settings.image_compile,
    )
    return DiffusersSettings(
        pipeline,
        default_steps=settings.image_default_steps,
        default_guidance=settings.image_default_guidance,
        max_steps=settings.image_max_steps,
        max_pixels=settings.image_max_pixels,
        batch=settings.image_batch,
        batch_wait_seconds=settings.image_batch_wait_seconds,
    )


def _bundled(folder: Path) -> ModelSource:
    return ModelSource(str(folder), is_folder=True, revision=None, setting="FABULA_IMAGE_MODEL")


def _source(setting: str, spec: str, settings: ImageModelSettings) -> ModelSource | None:
    kind, _, place = spec.strip().partition(":")
    if not kind and not place:
        return None
    if kind != "diffusers" or not place:
        raise InvalidRequest(f"{setting} is diffusers:/a/folder or diffusers:ORG/MODEL@REVISION; it is {spec!r}.")
    if place[0] in "/.~":  # only hub models have revisions, and a folder's name may well contain an @
        return ModelSource(str(Path(place).expanduser().resolve()), is_folder=True, revision=None, setting=setting)
    name, _, revision = place.partition("@")
    if not _HUB_ID.fullmatch(name):
        raise InvalidRequest(
            f"{setting}: {name!r} is neither a model's id on the hub nor a folder, which begins with / . or ~."
        )
    if settings.allow_download and not revision:
        raise InvalidRequest(
            f"{setting}: a model that may be downloaded needs its revision: diffusers:{name}@REVISION, best a commit's "
            "hash."
        )
    return ModelSource(name, is_folder=False, revision=revision or None, setting=setting)
