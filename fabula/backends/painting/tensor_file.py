"""Tensors as bytes, without torch: the safetensors format, https://github.com/huggingface/safetensors#format. Pure.

8 bytes   length of the header, little endian
header    JSON object: name → {dtype, shape, data_offsets}; `__metadata__` → strings
data      the tensors' values, row-major, little endian
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from fabula.backends.host import JsonObject

# The format wants strings in its metadata: ours lies in one of them, as JSON.
_METADATA_KEY = "fabula"
_LENGTH = struct.Struct("<Q")
_MAX_HEADER_BYTES = 2**24
ITEM_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "U8": 1, "BOOL": 1}


class TensorFileError(ValueError):
    """The bytes are no tensors in this format."""


@dataclass(frozen=True, slots=True)
class RawTensor:
    """A tensor's values as they lie in memory.

    Attributes:
        dtype: "F32", "F16", "BF16", "I64", …, as the format calls them.
        shape: Its sizes; empty for a single number.
        data: Its values, row-major.
    """

    dtype: str
    shape: tuple[int, ...]
    data: bytes


def pack(tensors: Mapping[str, RawTensor], metadata: JsonObject) -> bytes:
    """Return tensors and metadata as bytes."""
    header: dict[str, Any] = {"__metadata__": {_METADATA_KEY: json.dumps(metadata, separators=(",", ":"))}}
    offset = 0
    for name, tensor in tensors.items():
        end = offset + len(tensor.data)
        header[name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)  # the format wants the values aligned
    return b"".join([_LENGTH.pack(len(head)), head, *(tensor.data for tensor in tensors.values())])


def unpack(data: bytes) -> tuple[dict[str, RawTensor], dict[str, Any]]:
    """Return the tensors and the metadata that `pack` wrote.

    Raises:
        TensorFileError: they cannot be read.
    """
    header, begin = _header(data)
    tensors = {name: _tensor(data, begin, entry) for name, entry in header.items() if name != "__metadata__"}
    return tensors, _metadata(header)


def metadata_of(data: bytes) -> dict[str, Any]:
    """Return the metadata alone.

    Raises:
        TensorFileError: it cannot be read.
    """
    header, _ = _header(data)
    return _metadata(header)


def _header(data: bytes) -> tuple[dict[str, Any], int]:
    if len(data) < _LENGTH.size:
        raise TensorFileError("too short for a header")
    (length,) = _LENGTH.unpack_from(data)
    begin = _LENGTH.size + length
    if length > _MAX_HEADER_BYTES or begin > len(data):
        raise TensorFileError("the header is longer than the bytes")
    try:
        header = json.loads(data[_LENGTH.size : begin])
    except ValueError as error:
        raise TensorFileError("the header is not JSON") from error
    if not isinstance(header, dict):
        raise TensorFileError("the header is not a JSON object")
    return header, begin


def _metadata(header: dict[str, Any]) -> dict[str, Any]:
    try:
        metadata = json.loads(header["__metadata__"][_METADATA_KEY])
    except (KeyError, TypeError, ValueError) as error:
        raise TensorFileError("the metadata cannot be read") from error
    if not isinstance(metadata, dict):
        raise TensorFileError("the metadata is not a JSON object")
    return metadata


def _tensor(data: bytes, begin: int, entry: Any) -> RawTensor:
    try:
        dtype, shape = str(entry["dtype"]), tuple(int(size) for size in entry["shape"])
        first, last = (int(offset) for offset in entry["data_offsets"])
        expected = ITEM_BYTES[dtype] * prod(shape)
    except (KeyError, TypeError, ValueError) as error:
        raise TensorFileError("a tensor is not described") from error
    if not 0 <= first <= last <= len(data) - begin or last - first != expected or min(shape, default=0) < 0:
        raise TensorFileError("a tensor's values are missing")
    return RawTensor(dtype, shape, data[begin + first : begin + last])
