"""What the `diffusers` adapter asks of its child process, in JSON and bytes. Pure, and known to both sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fabula.backends.host import JsonObject
from fabula.backends.image import Part, PictureSpec


@dataclass(frozen=True, slots=True)
class Terms:
    """What all members of a batch have in common; requests of equal terms may share one.

    Attributes:
        part: Which model denoises.
        width: In pixels.
        height: In pixels.
        steps: Over both parts.
        guidance: Classifier-free guidance.
        scheduler: Its name on the card.
        handover: Where the refiner takes over; None: it does not.
        strength: How far the pictures may leave their sources; None: they begin in noise.
    """

    part: Part
    width: int
    height: int
    steps: int
    guidance: float
    scheduler: str
    handover: float | None
    strength: float | None

    @classmethod
    def of(cls, spec: PictureSpec, part: Part) -> Terms:
        """Return the terms of a part of a spec."""
        strength = None if spec.source is None else spec.strength
        return cls(part, spec.width, spec.height, spec.steps, spec.guidance, spec.scheduler, spec.handover, strength)


@dataclass(frozen=True, slots=True)
class Member:
    """One request's share of a batch.

    Attributes:
        prompt: What its pictures show.
        negative_prompt: What they must not show.
        seeds: One for each picture.
        spec: Digest of its spec, for its states.
        preview_interval: Steps from one preview to the next; 0: none.
        latents: What the refiner begins with: a last state of the base.
        state: Where it goes on; empty: from the beginning.
        source: An encoded picture to start from; empty for none.
    """

    prompt: str
    negative_prompt: str
    seeds: tuple[int, ...]
    spec: str
    preview_interval: int
    latents: bytes = b""
    state: bytes = b""
    source: bytes = b""


_BLOBS = ("latents", "state", "source")


@dataclass(frozen=True, slots=True)
class DenoiseRequest:
    """A batch that is to be denoised."""

    terms: Terms
    members: tuple[Member, ...]

    def to_wire(self) -> tuple[JsonObject, bytes]:
        """Return it as JSON, and the bytes that go with it."""
        members, blobs = [], []
        for member in self.members:
            values = asdict(member)
            for name in _BLOBS:
                blobs.append(values[name])
                values[name] = len(values[name])
            members.append(values)
        return {"do": "denoise", "terms": asdict(self.terms), "members": members}, b"".join(blobs)

    @classmethod
    def from_wire(cls, request: JsonObject, payload: bytes) -> DenoiseRequest:
        """Read what `to_wire` wrote."""
        terms: dict[str, Any] = dict(request["terms"])
        terms["part"] = Part(terms["part"])
        members, begin = [], 0
        for described in request["members"]:
            values = {**described, "seeds": tuple(described["seeds"])}
            for name in _BLOBS:
                end = begin + values[name]
                values[name], begin = payload[begin:end], end
            members.append(Member(**values))
        return cls(Terms(**terms), tuple(members))


def encode_request(spec: PictureSpec) -> JsonObject:
    """Ask for a prompt to be read."""
    return {
        "do": "encode",
        "prompt": spec.prompt,
        "negative_prompt": spec.negative_prompt,
        "guidance": spec.guidance,
        "refines": spec.handover is not None,
    }


def decode_request(spec: PictureSpec) -> JsonObject:
    """Ask for pictures; the latents go with it as a last state."""
    return {"do": "decode", "width": spec.width, "height": spec.height}


@dataclass(frozen=True, slots=True)
class StepItem:
    """What comes after each step for a member of a batch.

    Attributes:
        member: Which, from 0.
        done: Steps of the part that are done.
        steps: Steps of the part in all.
        slot: Place of its first picture in the batch.
        size: Pictures in the batch.
        state: A `Step.state`.
        preview: What a preview is made from, one for each picture, where one is due: estimates of the finished latents
            ("latents"), or pictures ("rgb"), as a file of tensors.
    """

    member: int
    done: int
    steps: int
    slot: int
    size: int
    state: bytes
    preview: bytes = b""

    def to_wire(self) -> tuple[JsonObject, bytes]:
        """Return it as JSON, and the bytes that go with it."""
        values = {name: getattr(self, name) for name in ("member", "done", "steps", "slot", "size")}
        return {**values, "state": len(self.state)}, self.state + self.preview

    @classmethod
    def from_wire(cls, data: JsonObject, payload: bytes) -> StepItem:
        """Read what `to_wire` wrote."""
        cut = data["state"]
        return cls(**{**data, "state": payload[:cut], "preview": payload[cut:]})


def slots(counts: Sequence[int]) -> list[int]:
    """Return the place of each member's first picture, for members of so many pictures in a row."""
    return [sum(counts[:index]) for index in range(len(counts))]
