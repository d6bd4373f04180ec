"""What a `Step.state` says of itself, and whether one can go on from it. Pure; latents are read in the child."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from fabula.backends.image import Batch, ImageCard, Part, PictureSpec
from fabula.backends.painting.tensor_file import TensorFileError, metadata_of

_VERSION = 1


@dataclass(frozen=True, slots=True)
class StateHeader:
    """The words in a state; its tensors are beside them.

    Attributes:
        part: The part it is of.
        done: Steps of the part that are done.
        steps: Steps of the part in all.
        before: Steps that were done in earlier parts.
        batch: Where the pictures lie.
        count: How many they are.
        spec: Digest of the spec, as of `digest`.
        fingerprint: The model's.
        scheduler: The scheduler's fields that have changed since it was set up, with the names of tensors in it.
        resumes: Whether one can go on in the middle.
    """

    part: Part
    done: int
    steps: int
    before: int
    batch: Batch
    count: int
    spec: str
    fingerprint: str
    scheduler: dict[str, Any]
    resumes: bool

    @property
    def is_last(self) -> bool:
        """Whether the part is over."""
        return self.done >= self.steps

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"version": _VERSION, **asdict(self)}


def header_of(state: bytes) -> StateHeader:
    """Read a state's header.

    Raises:
        TensorFileError: it is no state, or of another version.
    """
    values = metadata_of(state)
    if values.pop("version", None) != _VERSION:
        raise TensorFileError("it was written by another version of Fabula")
    try:
        values["part"], values["batch"] = Part(values["part"]), Batch(**values["batch"])
        return StateHeader(**values)
    except (KeyError, TypeError, ValueError) as error:
        raise TensorFileError("its header cannot be read") from error


def digest(spec: PictureSpec) -> str:
    """Return the SHA-256 of all that a spec says about the bits of its pictures; previews do not count."""
    values = asdict(spec)
    values.pop("preview_interval")
    values["source"] = None if spec.source is None else hashlib.sha256(spec.source).hexdigest()
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def misfit(spec: PictureSpec, part: Part, state: bytes, card: ImageCard) -> str:
    """Say why one cannot go on from a state; empty if one can. See `ImageModel.misfit`."""
    stuck = f"with the scheduler {spec.scheduler} this model cannot go on in the middle"
    if not state:
        resumes = any(scheduler.resumes for scheduler in card.schedulers if scheduler.name == spec.scheduler)
        return "nothing was kept of it" if resumes else stuck
    try:
        header = header_of(state)
    except TensorFileError as error:
        return f"what was kept cannot be read ({error})"
    if header.part is not part:
        return f"it is a state of the {header.part} and not of the {part}"
    if header.spec != digest(spec):
        return "it is a state of another request"
    if header.fingerprint != card.fingerprint:
        return "the model, its device or a library has changed"
    if not header.resumes and not header.is_last:
        return stuck
    return ""
