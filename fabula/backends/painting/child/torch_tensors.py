"""Between torch's tensors and those of `tensor_file`."""

from __future__ import annotations

import torch

from fabula.backends.painting.tensor_file import RawTensor

_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
_DTYPES = {name: dtype for dtype, name in _NAMES.items()}


def to_raw(tensor: torch.Tensor) -> RawTensor:
    """Return a tensor's values; it may be on any device."""
    values = tensor.detach().to("cpu").contiguous()
    data = values.reshape(-1).view(torch.uint8).numpy().tobytes() if values.numel() else b""
    return RawTensor(_NAMES[tensor.dtype], tuple(tensor.shape), data)


def from_raw(raw: RawTensor) -> torch.Tensor:
    """Return a tensor of its own on the processor."""
    dtype = _DTYPES[raw.dtype]
    if not raw.data:
        return torch.empty(raw.shape, dtype=dtype)
    return torch.frombuffer(bytearray(raw.data), dtype=dtype).reshape(raw.shape)
