"""What the service keeps: orders, and characters as the library has them. Plain values, no behaviour, no protobuf."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from fabula.engine.events import ZERO_TIME
from fabula.engine.ports import BlobInfo
from services.character.domain import Details, Wish


@dataclass(frozen=True, slots=True)
class PictureRef:
    """Where an uploaded picture is kept: upright PNG without alpha or metadata.

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
    """A character as it was ordered.

    Attributes:
        wish: What was asked for in words; its `looks` are None: what a picture tells is found by the stages.
        picture: How it looks; None where no picture was given.
        generate_avatar: Whether an avatar is painted.
    """

    wish: Wish
    picture: PictureRef | None = None
    generate_avatar: bool = True


@dataclass(frozen=True, slots=True)
class History:
    """Where a character comes from: plain paragraphs separated by empty lines."""

    text: str


class AvatarState(StrEnum):
    """How far an avatar is."""

    NONE = "none"
    """None was asked for."""
    PENDING = "pending"
    """It waits for the image service, or is being painted there."""
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Avatar:
    """A character's face.

    Attributes:
        state: How far it is.
        generation_id: The image service's generation that paints it, or has.
        ready_generation_id: The newest one that is ready; empty while there is none.
        failure: Why it has failed; empty otherwise.
    """

    state: AvatarState = AvatarState.NONE
    generation_id: str = ""
    ready_generation_id: str = ""
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Timing:
    """Working time of one stage, in seconds."""

    stage: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Character:
    """A character, as the library has it, or what there is of it so far.

    Attributes:
        id: Of the generation that makes it.
        details: Who it is; None until that is decided.
        history: Where it comes from, in paragraphs.
        avatar: Its face.
        saved: Whether it is kept for good.
        create_time: When it was made; `ZERO_TIME` before.
        update_time: When it was last changed.
        expire_time: When it is dropped unless it is saved; None for a saved one.
        maker: Who made it up.
        seed: The seed that was used.
        timings: Working times of the finished stages, in order.
        etag: Changes with every change of what is kept; empty before it is.
    """

    id: str
    details: Details | None = None
    history: str = ""
    avatar: Avatar = Avatar()
    saved: bool = False
    create_time: datetime = ZERO_TIME
    update_time: datetime = ZERO_TIME
    expire_time: datetime | None = None
    maker: str = ""
    seed: int = 0
    timings: tuple[Timing, ...] = ()
    etag: str = ""
