"""What pictures are asked for and made of: plain values, no behaviour, no protobuf."""

from __future__ import annotations

from dataclasses import dataclass

from fabula.backends.image import Batch, EncodedPrompt, PictureFormat
from fabula.engine.ports import BlobInfo

DEFAULT_STRENGTH = 0.6
"""How far a picture may leave its source where the request says nothing."""

DEFAULT_PREVIEW_INTERVAL = 5
"""Denoising steps from one preview to the next where the request says nothing."""

_SEEDS = 2**32


@dataclass(frozen=True, slots=True)
class SourceRef:
    """Where the picture to start from is kept: upright PNG without alpha or metadata.

    Attributes:
        label: The file's name or other label; may be empty.
        blob: Its bytes.
        width: In pixels.
        height: In pixels.
    """

    label: str
    blob: BlobInfo
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Order:
    """Everything pictures can be asked for. None: what the model takes; `bounds.settle` fills it in.

    Attributes:
        prompt: What the pictures show; never empty.
        negative_prompt: What they must not show.
        width: In pixels.
        height: In pixels.
        steps: Denoising steps over both models; with a source, `strength` tells how many of them are done.
        guidance: Classifier-free guidance; 1 and less do without.
        seed: Of the first picture.
        count: How many pictures.
        scheduler: Its name; empty: the model's own.
        use_refinement: Whether the refiner takes over.
        handover: Part of the steps after which it does; None once settled where there is no refinement.
        high_quality: The preset for steps and refinement, where they are None.
        source: A picture to start from.
        strength: How far the pictures may leave it.
        format: How they are stored.
        preview_interval: Denoising steps from one preview to the next; 0: none.
    """

    prompt: str
    negative_prompt: str = ""
    width: int | None = None
    height: int | None = None
    steps: int | None = None
    guidance: float | None = None
    seed: int = 0
    count: int = 1
    scheduler: str = ""
    use_refinement: bool | None = None
    handover: float | None = None
    high_quality: bool = False
    source: SourceRef | None = None
    strength: float = DEFAULT_STRENGTH
    format: PictureFormat = PictureFormat.PNG
    preview_interval: int = DEFAULT_PREVIEW_INTERVAL

    @property
    def seeds(self) -> tuple[int, ...]:
        """One for each picture."""
        return tuple((self.seed + index) % _SEEDS for index in range(self.count))


@dataclass(frozen=True, slots=True)
class Encoded:
    """How the model takes an order: settled, and its prompt read."""

    order: Order
    prompt: EncodedPrompt


@dataclass(frozen=True, slots=True)
class Environment:
    """What beside the order decides the bits of a picture; fields as of `ImageCard`."""

    device: str = ""
    dtype: str = ""
    threads: int = 0
    libraries: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True)
class Denoised:
    """Latents that one of the models has denoised.

    Attributes:
        model: Its name.
        steps: Steps it did, those from before an interruption included.
        batch: Where it did them.
        latents: Where the latents are kept until the pictures are.
        environment: On what it did them.
    """

    model: str
    steps: int
    batch: Batch
    latents: BlobInfo
    environment: Environment


@dataclass(frozen=True, slots=True)
class Picture:
    """One finished picture.

    Attributes:
        index: Which of the request's pictures, from 0.
        seed: What it was painted from.
        width: In pixels.
        height: In pixels.
        blob: Its bytes.
    """

    index: int
    seed: int
    width: int
    height: int
    blob: BlobInfo


@dataclass(frozen=True, slots=True)
class Pictures:
    """The finished pictures, in the order of their indices."""

    pictures: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Timing:
    """Working time of one stage, in seconds."""

    stage: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Image:
    """Pictures and how they were made: the result, or what there is of it so far.

    Attributes:
        pictures: The finished ones; empty until they are decoded.
        seed: Of the first.
        model: The base model's name; empty until it has done its part.
        refiner: The refiner's; empty if none took part.
        base_steps: Denoising steps of the base model.
        refiner_steps: Denoising steps of the refiner.
        scheduler: Its name.
        guidance: What was used.
        base_batch: Where the base model did its steps.
        refiner_batch: Where the refiner did its own; None if none took part.
        environment: On what it was painted, to the last step.
        timings: Working times of the finished stages, in order.
    """

    pictures: tuple[Picture, ...] = ()
    seed: int = 0
    model: str = ""
    refiner: str = ""
    base_steps: int = 0
    refiner_steps: int = 0
    scheduler: str = ""
    guidance: float = 0.0
    base_batch: Batch | None = None
    refiner_batch: Batch | None = None
    environment: Environment = Environment()
    timings: tuple[Timing, ...] = ()
