"""What a scheduler remembers, as JSON and tensors: per picture, so that a request takes its own share along."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from fabula.backends.painting.child.torch_tensors import from_raw, to_raw
from fabula.backends.painting.tensor_file import RawTensor


class NotStorable(Exception):
    """A scheduler remembers what is neither number nor text nor tensor."""


class Pictures:
    """Copies on the processor of all that a batch has after a step, made once for all its members.

    Args:
        latents: Of the whole batch.
        memory: Of the scheduler, as of `windows.changes`; its tensors may be on any device.
        size: Pictures in the batch.
    """

    def __init__(self, latents: torch.Tensor, memory: Mapping[str, Any], size: int) -> None:
        self.latents = latents.detach().to("cpu")
        self._size = size
        self._memory = {name: self._fetch(value) for name, value in memory.items()}

    def share(self, rows: slice) -> tuple[dict[str, RawTensor], dict[str, Any]]:
        """Return some pictures' tensors, and the words that hold them together."""
        tensors: dict[str, RawTensor] = {}

        def store(tensor: torch.Tensor, *, per_picture: bool) -> dict[str, Any]:
            name = str(len(tensors))
            part = tensor[rows] if per_picture else tensor
            tensors[name] = to_raw(part)
            return {"tensor": name, "pictures": per_picture, "last": _is_channels_last(tensor)}

        latents = store(self.latents, per_picture=True)
        memory = {name: _write(value, store) for name, value in self._memory.items()}
        return tensors, {"latents": latents, "memory": memory}

    def _fetch(self, value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            per_picture = value.ndim == 4 and value.shape[0] == self._size
            return _Fetched(value.detach().to("cpu"), per_picture=per_picture, on_processor=value.device.type == "cpu")
        if isinstance(value, list):
            return [self._fetch(item) for item in value]
        if value is None or isinstance(value, (bool, int, float, str)):
            return value
        raise NotStorable(type(value).__name__)


class _Fetched:
    def __init__(self, tensor: torch.Tensor, *, per_picture: bool, on_processor: bool) -> None:
        self.tensor = tensor
        self.per_picture = per_picture
        self.on_processor = on_processor


def _write(value: Any, store: Any) -> Any:
    if isinstance(value, _Fetched):
        return {**store(value.tensor, per_picture=value.per_picture), "processor": value.on_processor}
    if isinstance(value, list):
        return {"list": [_write(item, store) for item in value]}
    return {"value": value}


class Restored:
    """A state's tensors, laid out for a batch: a request's own pictures in their slots, copies of them in the others.

    Args:
        tensors: Of the state.
        words: As `Pictures.share` wrote them.
        slot: Place of the first picture in the batch.
        size: Pictures in the batch.
        device: Where the model computes.
    """

    def __init__(
        self, tensors: Mapping[str, RawTensor], words: Mapping[str, Any], slot: int, size: int, device: torch.device
    ) -> None:
        self._tensors = tensors
        self._slot = slot
        self._size = size
        self._device = device
        self.latents = self._read_tensor(words["latents"], device)
        self.memory = {name: self._read(value) for name, value in words["memory"].items()}

    def _read(self, words: Mapping[str, Any]) -> Any:
        if "tensor" in words:
            return self._read_tensor(words, torch.device("cpu") if words["processor"] else self._device)
        if "list" in words:
            return [self._read(item) for item in words["list"]]
        return words["value"]

    def _read_tensor(self, words: Mapping[str, Any], device: torch.device) -> torch.Tensor:
        tensor = from_raw(self._tensors[words["tensor"]])
        if words["pictures"]:
            tensor = tensor[list(_sources(tensor.shape[0], self._slot, self._size))]
        if words["last"]:  # kernels may be chosen by how the numbers lie
            tensor = tensor.contiguous(memory_format=torch.channels_last)
        return tensor.to(device)


def _sources(count: int, slot: int, size: int) -> Iterator[int]:
    """Yield, for each slot of the batch, which of a request's own pictures lies there."""
    return ((place - slot) % count for place in range(size))


def _is_channels_last(tensor: torch.Tensor) -> bool:
    return tensor.ndim == 4 and not tensor.is_contiguous() and tensor.is_contiguous(memory_format=torch.channels_last)
