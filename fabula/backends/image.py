"""The port `ImageModel`: a text-to-image model that can be watched, interrupted and gone on with.

It says what is promised; adapters keep the promises. It must not import a model library.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Part(StrEnum):
    """Which of two models denoises."""

    BASE = "base"
    """From noise, or from a source, to the hand-over point, or to the end where no refiner follows."""
    REFINER = "refiner"
    """From the hand-over point to the end."""


class PictureFormat(StrEnum):
    """How a finished picture is encoded."""

    PNG = "png"
    WEBP = "webp"
    JPEG = "jpeg"

    @property
    def media_type(self) -> str:
        """E.g. "image/png"."""
        return f"image/{self.value}"


@dataclass(frozen=True, slots=True)
class PictureSpec:
    """What is to be painted, nothing left open.

    Attributes:
        prompt: What the pictures show.
        negative_prompt: What they must not show.
        width: In pixels; within the card's bounds, as everything here.
        height: In pixels.
        steps: Denoising steps over both parts. With a source, `strength` tells how many of them are done.
        guidance: Classifier-free guidance; 1 and less do without.
        scheduler: One of the card's.
        seeds: One for each picture.
        handover: Part of the steps after which the refiner takes over; None: it does not.
        source: An encoded picture to start from, upright, without alpha; None: from noise.
        strength: How far the picture may leave its source, above 0 up to 1.
        preview_interval: Denoising steps, counted over both parts, from one preview to the next; 0: none.
    """

    prompt: str
    width: int
    height: int
    steps: int
    guidance: float
    scheduler: str
    seeds: tuple[int, ...]
    negative_prompt: str = ""
    handover: float | None = None
    source: bytes | None = None
    strength: float = 1.0
    preview_interval: int = 0


@dataclass(frozen=True, slots=True)
class SchedulerCard:
    """A scheduler: its name, e.g. "euler", and whether one can go on from a `Step.state` under it."""

    name: str
    resumes: bool


@dataclass(frozen=True, slots=True)
class ImageCard:
    """What a loaded model can do, what it takes where nothing is said, and what decides the bits of its pictures.

    Attributes:
        name: The base model's.
        refiner: The refiner's name; empty where there is none.
        default_width: In pixels.
        default_height: In pixels.
        min_side: Smallest width and height.
        max_side: Largest width and height.
        max_pixels: Most pixels of a picture.
        side_multiple: Width and height are multiples of it.
        default_steps: Over both parts.
        high_quality_steps: The same for the preset of high quality.
        max_steps: Most of them.
        default_guidance: 0 for a model that works without.
        max_guidance: Most of it.
        default_handover: Part of the steps before a refiner takes over.
        max_count: Most pictures of one request.
        schedulers: The model's own first.
        takes_source: Whether it paints from a picture.
        previews: "linear", "decoder", or "" where there are none.
        prompt_tokens: Most tokens of a prompt that it reads; 0: not known.
        device: "cpu", "cuda:0", "mps".
        dtype: "float32", "float16", "bfloat16".
        threads: Threads on the processor.
        libraries: Their versions, for people.
        fingerprint: Digest of all that decides the bits of a picture beside its spec and batch: the model's files,
            device, dtype, threads, versions.
    """

    name: str
    refiner: str
    default_width: int
    default_height: int
    min_side: int
    max_side: int
    max_pixels: int
    side_multiple: int
    default_steps: int
    high_quality_steps: int
    max_steps: int
    default_guidance: float
    max_guidance: float
    default_handover: float
    max_count: int
    schedulers: tuple[SchedulerCard, ...]
    takes_source: bool
    previews: str
    prompt_tokens: int
    device: str
    dtype: str
    threads: int
    libraries: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class EncodedPrompt:
    """How the model reads a prompt: its tokens, the most it reads (0: not known), and the end that it leaves out."""

    tokens: int
    limit: int
    dropped: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """Where a request's pictures lie in the batch that is denoised: pictures in all, and the place of its first."""

    size: int
    slot: int


@dataclass(frozen=True, slots=True)
class Step:
    """A denoising step is done.

    Attributes:
        done: Steps of this part that are done, from 1; a part that goes on in the middle goes on counting.
        steps: Steps of this part in all.
        batch: Where.
        state: All it takes to go on after this step and end in the same bits: latents, generators, scheduler. The last
            one holds the denoised latents that the refiner and `decode` take. Empty for a step in the middle under a
            scheduler that does not resume.
    """

    done: int
    steps: int
    batch: Batch
    state: bytes


@dataclass(frozen=True, slots=True)
class PreviewMade:
    """A preview of one picture: `image` is WebP of at most 16 KiB; `done` is the part's step that it shows."""

    done: int
    index: int
    image: bytes


class ImageModel(Protocol):
    """A text-to-image model. Requests that can be denoised together share a batch; each keeps its own progress.

    Closing a generator, or cancelling the task that reads it, stops that request at its next step and skips what would
    follow; others in the batch go on undisturbed and end in the same bits.

    Every method may raise:
        ModelUnavailable: the model cannot be loaded, or it is closed.
        ModelOutOfMemory: out of memory; the next call starts afresh.
        ModelCrashed: the model's process died; the next call starts afresh.
        InvalidRequest: the spec is beyond what the model can do.
        ModelOutputInvalid: what came out is no picture (not a number).
    """

    @property
    def name(self) -> str:
        """What results call it: "painter/1" for the bundled painter, else the folder's name or the hub's id."""
        ...

    async def card(self) -> ImageCard:
        """Load the model, if it is not loaded, and tell what it can do."""
        ...

    async def encode(self, spec: PictureSpec) -> EncodedPrompt:
        """Read the prompt. What comes of it is kept for `denoise`, or made again there."""
        ...

    def denoise(
        self, spec: PictureSpec, part: Part, *, latents: bytes = b"", state: bytes = b""
    ) -> AsyncGenerator[Step | PreviewMade, None]:
        """Denoise the pictures of a spec, step by step.

        Previews are made beside the work and come when they are ready, in order, the last before the generator ends.

        Args:
            spec: What to paint.
            part: Which model's part.
            latents: For the refiner: the last `Step.state` of the base. Empty for the base.
            state: Where to go on: a `Step.state` of this very spec and part, for which `misfit` is empty. It goes on
                in a batch of the same shape. Empty: from the beginning.
        """
        ...

    def misfit(self, spec: PictureSpec, part: Part, state: bytes) -> str:
        """Say why `denoise` cannot go on from a state, e.g. "the model has changed"; empty if it can.

        Only after `card`.
        """
        ...

    async def decode(self, spec: PictureSpec, latents: bytes, form: PictureFormat) -> Sequence[bytes]:
        """Return the pictures of a last `Step.state`, encoded, in the order of the seeds."""
        ...

    async def close(self) -> None:
        """End the model's process. Idempotent."""
        ...
