"""Where a model's files are, and what its index says of them: no code of its own, nothing fetched unasked."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
from diffusers import DiffusionPipeline

from fabula.backends.host.failures import is_out_of_memory
from fabula.backends.image_settings import ModelSource, PipelineSettings
from fabula.errors import ModelUnavailable

# Parts that look at finished pictures or read pictures as prompts: they do not take part here.
LEFT_OUT = ("safety_checker", "feature_extractor", "image_encoder")
_INDEX = "model_index.json"
_LIBRARIES = ("diffusers", "transformers")


@dataclass(frozen=True, slots=True)
class Found:
    """A pipeline on this machine.

    Attributes:
        folder: Where its files are.
        class_name: Of the pipeline, e.g. "FluxPipeline".
        source: What named it.
    """

    folder: Path
    class_name: str
    source: ModelSource


def find(source: ModelSource, settings: PipelineSettings) -> Found:
    """Find a pipeline's folder, and read what it is.

    Raises:
        ModelUnavailable: there is none, or it wants to run code of its own.
    """
    folder = folder_of(source, settings)
    try:
        index = json.loads((folder / _INDEX).read_bytes())
        class_name, parts = index["_class_name"], {name: part for name, part in index.items() if name[:1] != "_"}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelUnavailable(
            f"{source.place} holds no diffusers pipeline: its {_INDEX} is missing or broken"
        ) from error
    foreign = [name for name, part in parts.items() if name not in LEFT_OUT and _is_foreign(part)]
    if not isinstance(class_name, str) or foreign:
        what = "pipeline" if not isinstance(class_name, str) else f"part {foreign[0]}"
        raise ModelUnavailable(f"{source.place} brings code along for its {what}, and code of models is never run")
    return Found(folder, class_name, source)


def _is_foreign(part: Any) -> bool:
    """Whether an entry of the index, `[library, class]`, is of neither library; what is no such pair is a value."""
    if not isinstance(part, list) or len(part) != 2 or not isinstance(part[0], str):
        return False
    return part[0] not in _LIBRARIES and not hasattr(diffusers.pipelines, part[0])


def folder_of(source: ModelSource, settings: PipelineSettings, *, whole_pipeline: bool = True) -> Path:
    """Return where a model's files are; fetch them where that is allowed.

    Raises:
        ModelUnavailable: they are not on this machine.
    """
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


def unusable(source: ModelSource, error: Exception) -> Exception:
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
