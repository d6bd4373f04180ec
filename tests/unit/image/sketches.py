"""A double of an image model, for failures that no real model gives on demand: its pictures are plain colours.

It keeps the port's promises: steps with states to go on from, previews, the same bits again.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace

from PIL import Image

from fabula.backends.image import (
    Batch,
    EncodedPrompt,
    ImageCard,
    Part,
    PictureFormat,
    PictureSpec,
    PreviewMade,
    SchedulerCard,
    Step,
)
from fabula.errors import FabulaError
from tests.unit.backends import images

CARD = replace(
    images.CARD,
    name="sketcher/1",
    refiner="finisher/1",
    default_width=64,
    default_height=64,
    min_side=32,
    max_side=256,
    max_pixels=256 * 128,
    default_steps=10,
    max_steps=100,
    default_guidance=3.0,
    max_guidance=20.0,
    max_count=4,
    schedulers=(SchedulerCard("euler", resumes=True), SchedulerCard("pndm", resumes=False)),
    prompt_tokens=8,
    fingerprint="f1",
)


@dataclass(slots=True)
class Sketcher:
    """Implements `ImageModel`.

    Attributes:
        what: Its card.
        loading: Raised one after another when it is to be loaded.
        failing: Raised one after another, each before the step of this number.
        decoding: Raised one after another when pictures are decoded.
        hold_at: The step before which it waits for `go`; 0: it never waits.
        begun: Part, and step behind which it began, of each denoising.
        steps: How many steps it did.
    """

    what: ImageCard = CARD
    loading: list[FabulaError] = field(default_factory=list)
    failing: list[tuple[int, Exception]] = field(default_factory=list)
    decoding: list[FabulaError] = field(default_factory=list)
    hold_at: int = 0
    go: asyncio.Event = field(default_factory=asyncio.Event)
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    begun: list[tuple[Part, int]] = field(default_factory=list)
    steps: int = 0
    decoded: int = 0
    closed: bool = False

    @property
    def name(self) -> str:
        """As on its card."""
        return self.what.name

    async def card(self) -> ImageCard:
        """Tell what it can do, or fail."""
        if self.loading:
            raise self.loading.pop(0)
        return self.what

    async def encode(self, spec: PictureSpec) -> EncodedPrompt:
        """Count words."""
        words = spec.prompt.split()
        limit = self.what.prompt_tokens
        return EncodedPrompt(len(words), limit, " ".join(words[limit:]))

    async def denoise(
        self, spec: PictureSpec, part: Part, *, latents: bytes = b"", state: bytes = b""
    ) -> AsyncGenerator[Step | PreviewMade, None]:
        """Count steps; the state is the digest of all before."""
        steps = _steps(spec, part)
        done, digest = _read(state) if state else (0, hashlib.sha256(latents + repr(_seen(spec)).encode()).hexdigest())
        self.begun.append((part, done))
        for step in range(done + 1, steps + 1):
            await self._wait(step)
            digest = hashlib.sha256(digest.encode()).hexdigest()
            self.steps += 1
            kept = self._state(spec, part, step, digest)
            resumes = step == steps or next(one.resumes for one in self.what.schedulers if one.name == spec.scheduler)
            yield Step(step, steps, Batch(len(spec.seeds), 0), kept if resumes else b"")
            if spec.preview_interval and step % spec.preview_interval == 0:
                for index in range(len(spec.seeds)):
                    yield PreviewMade(step, index, f"preview {part} {step}".encode())

    async def _wait(self, step: int) -> None:
        if step == self.hold_at:
            self.reached.set()
            await self.go.wait()
        await asyncio.sleep(0)
        if self.failing and self.failing[0][0] == step:
            raise self.failing.pop(0)[1]

    def _state(self, spec: PictureSpec, part: Part, step: int, digest: str) -> bytes:
        words = {"part": part, "done": step, "digest": digest, "by": self.what.fingerprint, "of": repr(_seen(spec))}
        return json.dumps(words).encode()

    def misfit(self, spec: PictureSpec, part: Part, state: bytes) -> str:
        """Compare what the state says of itself."""
        try:
            words = json.loads(state)
        except ValueError:
            return "what was kept cannot be read"
        if (words["part"], words["of"]) != (part, repr(_seen(spec))):
            return "it is a state of another request"
        return "" if words["by"] == self.what.fingerprint else "the model has changed"

    async def decode(self, spec: PictureSpec, latents: bytes, form: PictureFormat) -> Sequence[bytes]:
        """Paint each picture in one colour."""
        if self.decoding:
            raise self.decoding.pop(0)
        self.decoded += 1
        return [_plain(spec, f"{_read(latents)[1]} {seed}", form) for seed in spec.seeds]

    async def close(self) -> None:
        """Take note."""
        self.closed = True


def _seen(spec: PictureSpec) -> PictureSpec:
    return replace(spec, preview_interval=0)


def _steps(spec: PictureSpec, part: Part) -> int:
    steps = spec.steps if spec.source is None else max(1, int(spec.steps * spec.strength))
    if spec.handover is None:
        return steps
    base = max(1, min(steps - 1, round(steps * spec.handover)))
    return base if part is Part.BASE else steps - base


def _read(state: bytes) -> tuple[int, str]:
    words = json.loads(state)
    return words["done"], words["digest"]


def _plain(spec: PictureSpec, text: str, form: PictureFormat) -> bytes:
    colour = tuple(hashlib.sha256(text.encode()).digest()[:3])
    output = io.BytesIO()
    Image.new("RGB", (spec.width, spec.height), colour).save(output, form.value)
    return output.getvalue()
