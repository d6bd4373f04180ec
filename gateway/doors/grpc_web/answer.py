"""One answer in gRPC-Web: headers, messages, trailers, as the ASGI server takes them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from starlette.types import Receive, Send

from gateway.bodies import MOST_DISCARDED_BYTES
from gateway.doors.grpc_web.status import Refusal, Status
from gateway.doors.grpc_web.wire import Formats, RequestReader, as_text, message_frame, trailers_frame
from gateway.limits import Budget
from gateway.pipe import ClientGone

MOST_HEADER_BYTES = 2048
"""A status that is longer comes as a frame even if there is nothing before it: proxies bound what headers may hold."""

T = TypeVar("T")

_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would gather messages before it passes them on
    (b"grpc-accept-encoding", b"identity"),
)


class Answer:
    """Writes one.

    Args:
        send: ASGI's. Each frame is given to it whole, so that one that is given up leaves none half sent.
        formats: How the call is spoken.
    """

    def __init__(self, send: Send, formats: Formats) -> None:
        self._send = send
        self._formats = formats
        self._begun = False

    @property
    def is_text(self) -> bool:
        """Whether it is base64."""
        return self._formats.text_answer

    async def begin(self) -> None:
        """Send the headers, which tell the client that the call stands; nothing happens a second time."""
        if not self._begun:
            self._begun = True
            await self._start()

    async def write(self, frames: bytes) -> None:
        """Send frames that are ready, as text where the client wants that; once there is room for them."""
        await self.begin()
        await self._send({"type": "http.response.body", "body": frames, "more_body": True})

    async def message(self, data: bytes) -> None:
        """Send a message; as `write`."""
        await self.write(self._formed(message_frame(data)))

    async def end(self, status: Status, message: bytes | None = None) -> None:
        """Send the end, with the one message of an answer that has not begun."""
        last = b"" if message is None else self._formed(message_frame(message))
        fields = list(status.fields())
        if self._begun:
            await self._finish(last + self._formed(trailers_frame(fields)))
        elif message is None and sum(len(name) + len(value) for name, value in fields) <= MOST_HEADER_BYTES:
            headers = [(name.encode(), value.encode("ascii")) for name, value in fields]
            await self._start([(b"content-length", b"0"), *headers])
            await self._finish(b"")
        else:
            body = last + self._formed(trailers_frame(fields))
            await self._start([(b"content-length", str(len(body)).encode())])
            await self._finish(body)

    def _formed(self, frame: bytes) -> bytes:
        return as_text(frame) if self.is_text else frame

    async def _start(self, more: list[tuple[bytes, bytes]] | None = None) -> None:
        told = {name for name, _ in more or ()}
        kind = (b"content-type", self._formats.media_type.encode())
        usual = [pair for pair in _HEADERS if pair[0] not in told]
        await self._send({"type": "http.response.start", "status": 200, "headers": [kind, *usual, *(more or ())]})

    async def _finish(self, body: bytes) -> None:
        self._begun = True
        await self._send({"type": "http.response.body", "body": body, "more_body": False})


async def read_message(receive: Receive, reader: RequestReader, budget: Budget) -> bytes:
    """Return the request's message. One that is refused is read to its end: who still sends cannot hear.

    Raises:
        Refusal: what comes is not one message.
        Unavailable: too much is being read at the moment.
        ClientGone: the client has left.
    """
    with budget.reading() as take:
        return await _read_message(receive, reader, take)


async def _read_message(receive: Receive, reader: RequestReader, take: Callable[[int], None]) -> bytes:
    refusal: Refusal | None = None
    size = 0
    more = True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ClientGone
        data, more = event.get("body", b""), event.get("more_body", False)
        size += len(data)
        if refusal is None:
            take(len(data))
            try:
                reader.feed(data)
            except Refusal as found:
                refusal = found
        elif size > MOST_DISCARDED_BYTES:
            raise Refusal(refusal.code, refusal.message, (*refusal.metadata, ("connection", "close")))
    if refusal is not None:
        raise refusal
    return reader.finish()


async def while_there(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Do something for a client for as long as it is there, and return what comes of it.

    Raises:
        ClientGone: the client has left first; what was being done was given up.
    """
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_until_gone(receive))
    try:
        await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientGone
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
