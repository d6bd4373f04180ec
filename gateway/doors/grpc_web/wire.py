"""gRPC-Web on the wire: media types, frames, base64 text, deadlines. Pure.

After PROTOCOL-WEB.md and PROTOCOL-HTTP2.md of gRPC. A frame is a byte of flags, four bytes of length, and so much data;
what a request has is one message, and what an answer has is messages, and trailers behind them.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass

import grpc

from gateway.doors.grpc_web.status import Refusal

PREFIX_BYTES = 5
COMPRESSED = 0x01
TRAILERS = 0x80

MEDIA_TYPE = "application/grpc-web"
TEXT_MEDIA_TYPE = "application/grpc-web-text"
"""The same in base64."""

_BINARY = {MEDIA_TYPE, f"{MEDIA_TYPE}+proto"}
_TEXT = {TEXT_MEDIA_TYPE, f"{TEXT_MEDIA_TYPE}+proto", f"{TEXT_MEDIA_TYPE}-base64"}
_SEGMENT = re.compile(rb"[A-Za-z0-9+/]+={0,2}")
_TIMEOUT = re.compile(r"([0-9]{1,8})([HMSmun])")
_SECONDS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


@dataclass(frozen=True, slots=True)
class Formats:
    """In which of the two forms a call is spoken.

    Attributes:
        text_request: Whether the request is base64.
        text_answer: Whether the answer is.
    """

    text_request: bool
    text_answer: bool

    @property
    def media_type(self) -> str:
        """The answer's."""
        return f"{TEXT_MEDIA_TYPE if self.text_answer else MEDIA_TYPE}+proto"


def formats_of(content_type: str, accept: str) -> Formats | None:
    """Return the forms that a request's headers name; None: it is no gRPC-Web, or messages are no protobuf.

    Args:
        content_type: Header `Content-Type`: the form of the request, and of the answer too,
        accept: unless header `Accept` names the other one.
    """
    name = content_type.partition(";")[0].strip().lower()
    if name not in _BINARY | _TEXT:
        return None
    accepted = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
    text = name in _TEXT
    if bool(accepted & _TEXT) != bool(accepted & _BINARY):
        return Formats(text, bool(accepted & _TEXT))
    return Formats(text, text)


def seconds_of(timeout: str) -> float:
    """Return a call's `grpc-timeout` in seconds. Raises `Refusal`."""
    found = _TIMEOUT.fullmatch(timeout)
    if found is None:
        problem = "grpc-timeout must be up to eight digits and one of H, M, S, m, u and n, such as 1500m"
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, problem)
    return int(found[1]) * _SECONDS[found[2]]


def message_frame(data: bytes) -> bytes:
    """Return the frame of a message."""
    return len(data).to_bytes(PREFIX_BYTES, "big") + data  # flags 0: no message is as long as to reach them


def trailers_frame(fields: Iterable[tuple[str, str]]) -> bytes:
    """Return the frame that ends an answer: lines as in HTTP/1, without the empty one."""
    data = "".join(f"{name}: {value}\r\n" for name, value in fields).encode("ascii")
    return bytes((TRAILERS,)) + len(data).to_bytes(PREFIX_BYTES - 1, "big") + data


def as_text(data: bytes) -> bytes:
    """Return some of an answer in base64, padded: a client may decode it at once, and what follows by itself."""
    return base64.b64encode(data)


class TextDecoder:
    """Decodes base64 that comes in pieces, cut anywhere. Padding may stand inside, wherever its sender has flushed."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, text: bytes) -> bytes:
        """Return what can be decoded by now. Raises `Refusal`."""
        text = self._rest + text
        whole = len(text) - len(text) % 4
        self._rest = text[whole:]
        return _decoded(text[:whole])

    def finish(self) -> bytes:
        """Return the rest, whose padding may be missing. Raises `Refusal`."""
        rest, self._rest = self._rest, b""
        return _decoded(rest + b"=" * (-len(rest) % 4)) if b"=" not in rest else _decoded(rest)


def _decoded(text: bytes) -> bytes:
    parts, at = [], 0
    for found in _SEGMENT.finditer(text):
        if found.start() != at or len(found[0]) % 4:
            break
        parts.append(base64.b64decode(found[0]))
        at = found.end()
    if at != len(text):
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "the body is not base64, as its Content-Type says")
    return b"".join(parts)


class RequestReader:
    """Reads the one message of a request, as its bytes come; holds no more than that.

    Args:
        most_bytes: Largest message.
        text: Whether the bytes are base64.
    """

    def __init__(self, most_bytes: int, *, text: bool) -> None:
        self._most_bytes = most_bytes
        self._decoder = TextDecoder() if text else None
        self._data = bytearray()

    def feed(self, data: bytes) -> None:
        """Take in the next bytes.

        Raises:
            Refusal: they are no message, one that is too large or compressed, or the second one.
        """
        self._data += data if self._decoder is None else self._decoder.feed(data)
        self._check()

    def finish(self) -> bytes:
        """Return the message, when all is there. Raises `Refusal` if it is not, and as `feed`."""
        if self._decoder is not None:
            self._data += self._decoder.finish()
            self._check()
        if not self._data:
            raise _wrong_number("there is none")
        if len(self._data) < PREFIX_BYTES or len(self._data) < PREFIX_BYTES + self._size:
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "the body ended within its message")
        return bytes(self._data[PREFIX_BYTES:])

    @property
    def _size(self) -> int:
        return int.from_bytes(self._data[1:PREFIX_BYTES], "big")

    def _check(self) -> None:
        if self._data and self._data[0]:
            raise _flagged(self._data[0])
        if len(self._data) < PREFIX_BYTES:
            return
        if self._size > self._most_bytes:
            problem = f"the message has {self._size} bytes, and may have {self._most_bytes}"
            raise Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, problem)
        if len(self._data) > PREFIX_BYTES + self._size:
            raise _wrong_number("something follows the first one")


def _flagged(flags: int) -> Refusal:
    if flags == COMPRESSED:
        problem = "compressed messages are not read here: send them as they are"
        return Refusal(grpc.StatusCode.UNIMPLEMENTED, problem, (("grpc-accept-encoding", "identity"),))
    return Refusal(grpc.StatusCode.INVALID_ARGUMENT, f"the body does not begin with a message: its flags are {flags}")


def _wrong_number(what: str) -> Refusal:
    """Return the refusal of what gRPC's page of status codes calls a request cardinality violation."""
    return Refusal(grpc.StatusCode.UNIMPLEMENTED, f"this method takes exactly one message, and {what}")
