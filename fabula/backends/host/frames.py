"""Frames: how one message lies on the pipe between host and child. Pure; it must not know what messages mean.

4 bytes   length of the header, big endian
4 bytes   length of the payload, big endian
header    JSON object, UTF-8
payload   raw bytes (a picture, latents); may be empty
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

JsonObject = Mapping[str, Any]

_LENGTHS = struct.Struct(">II")
_MAX_HEADER_BYTES = 64 * 2**20
_MAX_PAYLOAD_BYTES = 2**30


class FrameError(ValueError):
    """The bytes on the pipe are no frame: something else wrote to it, or the two ends differ in version."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A JSON header with an optional binary payload."""

    header: JsonObject
    payload: bytes = b""


def encode(frame: Frame) -> bytes:
    """Return the frame's bytes.

    Raises:
        FrameError: header or payload is larger than the other end accepts.
    """
    header = json.dumps(frame.header, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    _check_lengths(len(header), len(frame.payload))
    return _LENGTHS.pack(len(header), len(frame.payload)) + header + frame.payload


class FrameDecoder:
    """Cuts a stream of bytes into frames, however the pipe has chopped it."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Append bytes as they come."""
        self._buffer += data

    def next(self) -> Frame | None:
        """Return the next complete frame; None when more bytes are needed.

        Raises:
            FrameError: the bytes cannot be a frame.
        """
        if len(self._buffer) < _LENGTHS.size:
            return None
        header_length, payload_length = _LENGTHS.unpack_from(self._buffer)
        _check_lengths(header_length, payload_length)
        header_end = _LENGTHS.size + header_length
        end = header_end + payload_length
        if len(self._buffer) < end:
            return None
        header = _parse(bytes(self._buffer[_LENGTHS.size : header_end]))
        payload = bytes(self._buffer[header_end:end])
        del self._buffer[:end]
        return Frame(header, payload)


def _check_lengths(header_length: int, payload_length: int) -> None:
    if header_length > _MAX_HEADER_BYTES or payload_length > _MAX_PAYLOAD_BYTES:
        raise FrameError(f"A frame of {header_length} + {payload_length} bytes is beyond what a host accepts.")


def _parse(header: bytes) -> JsonObject:
    try:
        parsed = json.loads(header.decode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise FrameError("A frame's header is not JSON.") from error
    if not isinstance(parsed, dict):
        raise FrameError("A frame's header is not a JSON object.")
    return parsed
