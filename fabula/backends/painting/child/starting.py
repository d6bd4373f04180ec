"""What a batch begins with: noise, latents of the base, or a state in the middle of a part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from fabula.backends.image import Batch, Part
from fabula.backends.painting.child.memory import Restored
from fabula.backends.painting.child.torch_tensors import from_raw
from fabula.backends.painting.requests import DenoiseRequest, Member, slots
from fabula.backends.painting.state import StateHeader, header_of
from fabula.backends.painting.tensor_file import TensorFileError, unpack
from fabula.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Start:
    """What a batch begins with.

    Attributes:
        size: Pictures in the batch.
        counts: Pictures of each member.
        slots: Place of each member's first picture.
        done: Steps of this part that are done already.
        before: Steps that were done in earlier parts.
        generators: One for each picture in the batch.
        restore_generators: Sets them where they must stand at the first step.
        latents: Given latents; None: from noise or a source.
        memory: What the scheduler remembers.
    """

    size: int
    counts: list[int]
    slots: list[int]
    done: int
    before: list[int]
    generators: list[torch.Generator]
    restore_generators: Callable[[], None]
    latents: torch.Tensor | None
    memory: Mapping[str, Any]


def start_of(request: DenoiseRequest, device: torch.device) -> Start:
    """Prepare what a batch begins with: noise or sources, a base's last states, or a state in the middle.

    Raises:
        InvalidRequest: a state cannot be read.
    """
    counts = [len(member.seeds) for member in request.members]
    try:
        if request.members[0].state:
            return _start_in_the_middle(request.members[0], device)
        if request.terms.part is Part.REFINER:
            return _start_with_latents(request, counts, device)
    except TensorFileError as error:
        raise InvalidRequest(f"A state cannot be read: {error}.") from error
    # On the processor whatever the device, so that a seed means the same noise everywhere.
    generators = [torch.Generator().manual_seed(seed) for member in request.members for seed in member.seeds]
    return Start(
        size=sum(counts),
        counts=counts,
        slots=slots(counts),
        done=0,
        before=[0] * len(counts),
        generators=generators,
        restore_generators=lambda: None,
        latents=None,
        memory={},
    )


def _start_in_the_middle(member: Member, device: torch.device) -> Start:
    header, restored, states = _read(member.state, None, device)
    generators = [torch.Generator() for _ in range(header.batch.size)]
    own = len(states)

    def restore() -> None:
        for place, generator in enumerate(generators):
            generator.set_state(states[(place - header.batch.slot) % own])

    return Start(
        size=header.batch.size,
        counts=[own],
        slots=[header.batch.slot],
        done=header.done,
        before=[header.before],
        generators=generators,
        restore_generators=restore,
        latents=restored.latents,
        memory=restored.memory,
    )


def _start_with_latents(request: DenoiseRequest, counts: list[int], device: torch.device) -> Start:
    read = [
        _read(member.latents, Batch(count, 0), device) for member, count in zip(request.members, counts, strict=True)
    ]
    generators = [torch.Generator() for _ in range(sum(counts))]
    states = [state for _, _, states in read for state in states]

    def restore() -> None:
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)

    return Start(
        size=sum(counts),
        counts=counts,
        slots=slots(counts),
        done=0,
        before=[header.before + header.done for header, _, _ in read],
        generators=generators,
        restore_generators=restore,
        latents=torch.cat([restored.latents for _, restored, _ in read]),
        memory={},
    )


def _read(state: bytes, batch: Batch | None, device: torch.device) -> tuple[StateHeader, Restored, list[torch.Tensor]]:
    """Read a state, laid out for the batch that it comes from, or for another."""
    header = header_of(state)
    tensors, _ = unpack(state)
    place = batch or header.batch
    restored = Restored(tensors, header.scheduler, place.slot, place.size, device)
    return header, restored, [from_raw(tensors[f"generator{index}"]) for index in range(header.count)]
