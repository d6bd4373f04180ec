"""A relay between two services: passes every call on, and writes down who calls, in which trace, with how much time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import jwt

from fabula.rpc.client import open_channel
from tests.integration.story.house import SECRET, free_port

STREAMS = frozenset({"WatchProgress", "WatchCharacter", "WatchGenerations", "DownloadPicture"})


@dataclass(slots=True)
class Passed:
    """A call that came by.

    Attributes:
        rpc: Name of the method.
        owner: Whom its token names; empty without one.
        token: The token.
        trace_id: Of its traceparent; empty without one.
        seconds: How long its caller still waits; None: for ever.
        over: Set when it has ended, or its caller has gone.
    """

    rpc: str
    owner: str
    token: str
    trace_id: str
    seconds: float | None
    over: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class Relay:
    """Stands where a service is looked for.

    Attributes:
        port: Where it listens.
        passed: All calls that came, in order.
        go: Calls are passed on while it is set; else their callers wait.
        before_silence: So many are passed on all the same.
    """

    port: int
    channel: grpc.aio.Channel
    passed: list[Passed] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    before_silence: int = 0
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, rpc: str, count: int = 1) -> list[Passed]:
        """Wait until a method was called so often; return these calls."""
        async with asyncio.timeout(60):
            while len(calls := self.calls(rpc)) < count:
                self._news.clear()
                await self._news.wait()
        return calls

    @contextmanager
    def silent(self, after: int = 0) -> Iterator[None]:
        """Keep all calls while the block lasts, after so many; what came before is forgotten."""
        self.passed.clear()
        self.before_silence = after
        self.go.clear()
        try:
            yield
        finally:
            self.go.set()

    def calls(self, rpc: str) -> list[Passed]:
        """Return all calls of a method."""
        return [one for one in self.passed if one.rpc == rpc]

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        """Return who passes a call on."""
        method = str(details.method)
        if method.rpartition("/")[2] in STREAMS:

            async def stream(data: bytes, context: Any) -> AsyncIterator[bytes]:
                async with self._passing(method, context) as options:
                    async for answer in self.channel.unary_stream(method, None, None)(data, **options):
                        yield answer

            return grpc.unary_stream_rpc_method_handler(stream)

        async def unary(data: bytes, context: Any) -> Any:
            async with self._passing(method, context) as options:
                return await self.channel.unary_unary(method, None, None)(data, **options)

        return grpc.unary_unary_rpc_method_handler(unary)

    @asynccontextmanager
    async def _passing(self, method: str, context: Any) -> AsyncIterator[dict[str, Any]]:
        """Note a call, and wait until it may go on; give the options it goes on with. Refusals are passed back."""
        told = {key: str(value) for key, value in context.invocation_metadata()}
        token, parent = told.get("authorization", "").removeprefix("Bearer "), told.get("traceparent", "")
        owner = jwt.decode(token, SECRET, algorithms=["HS256"], options={"verify_aud": False})["sub"] if token else ""
        trace_id = parent.split("-")[1] if parent else ""
        call = Passed(method.rpartition("/")[2], owner, token, trace_id, context.time_remaining())
        self.passed.append(call)
        self._news.set()
        try:
            if not self.go.is_set() and self.before_silence:
                self.before_silence -= 1
            else:
                await self.go.wait()
            kept = tuple((key, value) for key, value in told.items() if key in ("authorization", "traceparent"))
            yield {"metadata": kept, "timeout": context.time_remaining()}
        except grpc.aio.AioRpcError as error:
            await context.abort(error.code(), error.details(), tuple(error.trailing_metadata() or ()))
        finally:
            call.over.set()


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # cannot be subscripted at run time
    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
        return self._relay.service(handler_call_details)


@asynccontextmanager
async def relaying(to_port: int, *, port: int = 0) -> AsyncIterator[Relay]:
    """Run a relay to a port of this machine while the block lasts, on a free port unless one is given."""
    async with open_channel(f"127.0.0.1:{to_port}") as channel:
        relay = Relay(port or free_port(), channel)
        relay.go.set()
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((_Handlers(relay),))
        server.add_insecure_port(f"127.0.0.1:{relay.port}")
        await server.start()
        try:
            yield relay
        finally:
            await server.stop(0)
