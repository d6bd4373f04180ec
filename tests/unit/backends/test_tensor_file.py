from __future__ import annotations

import contextlib
import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.backends.painting.tensor_file import RawTensor, TensorFileError, metadata_of, pack, unpack

TENSORS = {
    "latents": RawTensor("F32", (1, 4, 2, 2), bytes(range(64))),
    "half": RawTensor("BF16", (3,), b"abcdef"),
    "one": RawTensor("I64", (), bytes(8)),
    "none": RawTensor("U8", (0, 4), b""),
}
METADATA = {"done": 3, "nested": {"list": [1, 2.5, None, "ü"]}}


def test_what_is_packed_is_unpacked() -> None:
    """Names, kinds, shapes, values and metadata."""
    assert (TENSORS, METADATA) == unpack(pack(TENSORS, METADATA))
    assert METADATA == metadata_of(pack(TENSORS, METADATA))


@given(st.floats(allow_nan=False))
def test_numbers_in_the_metadata_keep_their_bits(number: float) -> None:
    """A scheduler's memory may be among them."""
    assert {"number": number} == metadata_of(pack({}, {"number": number}))


def test_the_library_of_the_format_reads_it_too() -> None:
    """It is the format and not one like it."""
    safetensors = pytest.importorskip("safetensors")
    read = dict(safetensors.deserialize(pack(TENSORS, METADATA)))

    assert {name: (tensor.dtype, list(tensor.shape), tensor.data) for name, tensor in TENSORS.items()} == {
        name: (entry["dtype"], entry["shape"], bytes(entry["data"])) for name, entry in read.items()
    }


def with_header(header: object, data: bytes = b"") -> bytes:
    """Return a file with any header."""
    head = json.dumps(header).encode()
    return struct.pack("<Q", len(head)) + head + data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"short",
        struct.pack("<Q", 2**60) + b"{}",
        struct.pack("<Q", 4) + b"nope",
        with_header([]),
        with_header({}),
        with_header({"__metadata__": {"fabula": "[]"}}),
        with_header({"__metadata__": {"fabula": "{}"}, "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}),
        with_header({"__metadata__": {"fabula": "{}"}, "a": {"dtype": "C64", "shape": [], "data_offsets": [0, 8]}}),
        with_header({"__metadata__": {"fabula": "{}"}, "a": None}),
    ],
)
def test_what_is_no_such_file_is_refused(data: bytes) -> None:
    """Whatever lies there, it is this one error."""
    with pytest.raises(TensorFileError):
        unpack(data)


@given(st.binary(max_size=64), st.integers(0, 300))
def test_damage_is_an_error_and_nothing_else(noise: bytes, place: int) -> None:
    """Bytes that are overwritten or cut off are either read as tensors or refused."""
    whole = bytearray(pack(TENSORS, METADATA))
    whole[place : place + len(noise)] = noise
    for damaged in (bytes(whole), bytes(whole[:place])):
        with contextlib.suppress(TensorFileError):
            unpack(damaged)
