"""Streaming calls: watches through the hub, everything else as its service streams it.

Nothing can be sent while nothing happens: a gRPC-Web client takes all that comes for messages. Who has gone without a
word is found by TCP's own keep-alive, which the server's sockets have.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Coroutine, Sequence
from contextlib import closing
from typing import Any

import grpc

from fabula.engine.ids import address_of, is_generation_id
from fabula.errors import NotFound, Unauthenticated, Unavailable
from fabula.rpc.auth import EXPIRED
from fabula.rpc.expiry import on_expiry
from fabula.rpc.kinds import Kind
from gateway.doors.grpc_web.call import Call
from gateway.doors.grpc_web.status import Status, fine
from gateway.doors.grpc_web.wire import as_text, message_frame
from gateway.doors.watched_body import WatchedBody, forms_of
from gateway.entries import SharedEntry
from gateway.house import House
from gateway.hub import Wish
from gateway.pipe import pipe_of
from gateway.race import race

DOOR = "grpc_web"

RESTARTING = "the gateway is being restarted: watch again, from the last event you have"


def _frame(entry: SharedEntry) -> bytes:
    return message_frame(entry.data)


def _text(entry: SharedEntry) -> bytes:
    return as_text(_frame(entry))


FORMS = {
    (text, conflate): forms_of(f"gRPC-Web {'text' if text else 'frame'}", encode, DOOR, conflate=conflate)
    for text, encode in ((False, _frame), (True, _text))
    for conflate in (False, True)
}
"""How entries are sent, by whether in base64, and whether superseded progress is left out."""


class Streams:
    """Carries streaming calls out.

    Args:
        house: The inside of the gateway.
    """

    def __init__(self, house: House) -> None:
        self._house = house

    async def relay(self, channel: grpc.aio.Channel, path: str, call: Call) -> Status:
        """Pass on what a service streams, message by message, as fast as the client reads; in bytes.

        Raises:
            AioRpcError: the service's end, if it is no good one.
            FabulaError: the gateway's.
        """
        method: Any = channel.unary_stream(path, None, None)
        answer, ended = call.answer, Status()

        async def tell() -> None:
            nonlocal ended
            upstream = method(call.data, metadata=call.caller.metadata, timeout=call.caller.seconds())
            try:
                await upstream.initial_metadata()
                if not upstream.done():  # else it may be a refusal, which needs no more than headers
                    await answer.begin()
                async for message in upstream:
                    await answer.message(message)
                ended = fine(await upstream.trailing_metadata())
            finally:
                upstream.cancel()

        await self._hold(call, tell())
        return ended

    async def watch(self, kind: Kind, request: Any, call: Call) -> Status:
        """Send a generation's log, from its shared watch, in the very bytes of its service.

        Raises:
            FabulaError: it cannot be watched, or not any longer.
        """
        visitor, answer = call.visitor, call.answer
        generation_id = _generation_id(kind, request, visitor.owner)
        wish = Wish(request.after_sequence, request.snapshot, request.conflate, request.wait_for_start)

        async def tell() -> None:
            if wish.wait_for_start:
                await answer.begin()
            with closing(await self._house.hub.open(visitor, generation_id, wish)) as watch:
                await answer.begin()
                forms, since = FORMS[answer.is_text, wish.conflate], time.time()

                def sent(entries: Sequence[SharedEntry]) -> None:
                    self._house.metrics.at(DOOR).sent(entries, since)

                await WatchedBody(watch, forms, pipe_of(call.scope), answer.write, sent).run()

        await self._hold(call, tell())
        return fine()

    async def _hold(self, call: Call, telling: Coroutine[Any, Any, None]) -> None:
        """Keep a stream open until it ends, its caller's token does, or the gateway."""
        stream, visitor = _OpenStream(), call.visitor
        try:
            with (
                self._house.connection(DOOR, call.scope, visitor.owner),
                on_expiry(visitor.expires, stream.expired.set),
            ):
                self._house.caretaker.begin(stream)
                try:
                    await race(stream.until_told(telling), stream.dismissed.wait(), stream.expired.wait())
                finally:
                    self._house.caretaker.end(stream)
        finally:
            telling.close()  # nothing, unless it was never begun
        if not stream.told:
            raise Unauthenticated(EXPIRED) if stream.expired.is_set() else Unavailable(RESTARTING)


def _generation_id(kind: Kind, request: Any, owner: str) -> str:
    if request.WhichOneof("target") == "request_id":
        return address_of(kind.name, owner, request.request_id).id
    generation_id: str = request.generation_id
    if not is_generation_id(generation_id, kind.name):
        raise NotFound("there is no such generation", id=generation_id)
    return generation_id


class _OpenStream:
    """What the caretaker sees of a stream."""

    def __init__(self) -> None:
        self.dismissed = asyncio.Event()
        self.expired = asyncio.Event()
        self.told = False

    async def until_told(self, telling: Awaitable[None]) -> None:
        await telling
        self.told = True

    @property
    def wrote_at(self) -> float:
        """Now: there is no sign of life to give."""
        return time.monotonic()

    async def keep_alive(self) -> None:
        """Nothing: see `wrote_at`."""

    async def dismiss(self) -> None:
        """End the stream: the client comes back with its cursor."""
        self.dismissed.set()
