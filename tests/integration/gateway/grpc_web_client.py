"""A client of gRPC-Web that owes nothing to the door it is to test: over httpx, in both forms."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import httpx
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

BINARY = "application/grpc-web+proto"
TEXT = "application/grpc-web-text"


def framed(data: bytes, flags: int = 0) -> bytes:
    """Return a frame."""
    return bytes((flags, *len(data).to_bytes(4, "big"))) + data


def body_of(request: Message | bytes, content_type: str) -> bytes:
    """Return the body of a request: a message's, or these very bytes."""
    body = request if isinstance(request, bytes) else framed(request.SerializeToString())
    return base64.b64encode(body) if content_type.startswith(TEXT) else body


@dataclass(slots=True)
class Answer:
    """What a call has brought.

    Attributes:
        http: The response.
        messages: The messages so far.
        trailers: What ended it, from a frame or from the headers.
    """

    http: httpx.Response
    messages: list[bytes] = field(default_factory=list)
    trailers: dict[str, str] = field(default_factory=dict)
    _frames: AsyncIterator[tuple[int, bytes]] | None = None

    @property
    def code(self) -> int:
        """The status, in numbers of gRPC."""
        return int(self.trailers["grpc-status"])

    @property
    def message(self) -> str:
        """What is said of it."""
        return unquote(self.trailers.get("grpc-message", ""))

    @property
    def status(self) -> status_pb2.Status:
        """The status with its details."""
        text = self.trailers["grpc-status-details-bin"]
        return status_pb2.Status.FromString(base64.b64decode(text + "=" * (-len(text) % 4), validate=True))

    @property
    def reason(self) -> str:
        """The error's code, from its details."""
        return str(self.detail(error_details_pb2.ErrorInfo()).reason)

    def detail(self, message: Any) -> Any:
        """Return the detail of this type."""
        found = [each for each in self.status.details if each.Is(message.DESCRIPTOR)]
        assert found, f"there is no {message.DESCRIPTOR.full_name} in {self.status}"
        found[0].Unpack(message)
        return message

    async def next(self) -> bytes | None:
        """Return the next message; None when there is none any more."""
        assert self._frames is not None
        async for flags, data in self._frames:
            if flags == 0:
                self.messages.append(data)
                return data
            assert flags == 0x80, flags
            assert not self.trailers, "trailers are the last"
            self.trailers = _lines(data)
        if not self.trailers:
            self.trailers = {key: value for key, value in self.http.headers.items() if key.startswith("grpc-")}
        return None

    async def all(self) -> Sequence[bytes]:
        """Return all messages."""
        while await self.next() is not None:
            pass
        return self.messages


def _lines(data: bytes) -> dict[str, str]:
    assert data.endswith(b"\r\n"), data
    return dict(line.split(": ", 1) for line in data.decode("ascii").removesuffix("\r\n").split("\r\n"))


async def _frames(response: httpx.Response) -> AsyncIterator[tuple[int, bytes]]:
    text = response.headers["content-type"].startswith(TEXT)
    data, rest = b"", b""
    async for piece in response.aiter_raw():
        if text:
            rest += piece
            while len(rest) >= 4:  # each by itself: padding may stand anywhere
                data += base64.b64decode(rest[:4], validate=True)
                rest = rest[4:]
        else:
            data += piece
        while len(data) >= 5 and len(data) >= 5 + int.from_bytes(data[1:5], "big"):
            end = 5 + int.from_bytes(data[1:5], "big")
            yield data[0], data[5:end]
            data = data[end:]
    assert (b"", b"") == (data, rest), "the answer ended within a frame"


@dataclass(frozen=True, slots=True)
class GrpcWeb:
    """Calls rpcs.

    Attributes:
        http: Where.
        content_type: In which form.
    """

    http: httpx.AsyncClient
    content_type: str = BINARY

    @asynccontextmanager
    async def open(self, path: str, request: Message | bytes, **headers: str) -> AsyncIterator[Answer]:
        """Begin a call; leaving the block hangs up."""
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        own = {"content-type": self.content_type, "accept": self.content_type, "x-grpc-web": "1", **names}
        body = body_of(request, own["content-type"])
        async with self.http.stream("POST", path, content=body, headers=own) as response:
            yield Answer(response, _frames=_frames(response))

    async def call(self, path: str, request: Message | bytes, **headers: str) -> Answer:
        """Make a call, and return all that it brings."""
        async with self.open(path, request, **headers) as answer:
            if answer.http.headers.get("content-type", "").startswith("application/grpc-web"):
                await answer.all()
            else:
                await answer.http.aread()
            return answer
