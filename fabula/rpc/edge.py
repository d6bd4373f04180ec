"""The edge of a server: every call is read, its caller named, its request checked and its errors told here.

Requests come as bytes, so that what cannot be decoded is answered as the invalid request it is.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any

import grpc
import structlog
from grpc_status import rpc_status

from fabula.errors import FabulaError, PermissionDenied, Unauthenticated, Unavailable
from fabula.rpc.auth import EXPIRED, Authenticator, Identity, bearer
from fabula.rpc.errors import to_status
from fabula.rpc.expiry import on_expiry
from fabula.rpc.kinds import Kind
from fabula.rpc.service import GenerationService
from fabula.rpc.stores import Call, StreamMethod, UnaryMethod
from fabula.rpc.validation import warm
from fabula.rpc.wire import read_request

DRAINING = "the server is shutting down: watch again, from the last event you have"

_TRACE_ID = re.compile(r"(?!0{32})[0-9a-f]{32}")

_log = structlog.get_logger(__name__)

Context = Any
"""A grpc.aio.ServicerContext: its type parameters say nothing about identity serialisers."""


class Edge:
    """All rpcs of a service, ready for a server.

    Args:
        kind: The service, as its contract names it.
        unary: What answers its rpcs with one response, by their names.
        streaming: What answers those with a stream.
        auth: Tells who calls.
        open_to_all: Names of rpcs that are answered without a token.
    """

    def __init__(
        self,
        kind: Kind,
        unary: Mapping[str, UnaryMethod],
        streaming: Mapping[str, StreamMethod],
        auth: Authenticator,
        open_to_all: Collection[str] = (),
    ) -> None:
        self._kind = kind
        self._unary_methods = unary
        self._streaming_methods = streaming
        self._auth = auth
        self._open_to_all = open_to_all
        self._streams: set[asyncio.Timeout] = set()
        self._draining = False

    def handler(self) -> grpc.GenericRpcHandler[Any, Any]:
        """Return what a server is given."""
        unary, streaming = self._unary_methods, self._streaming_methods
        warm(self._kind.request(rpc)() for rpc in (*unary, *streaming))
        table = {rpc: self._unary(rpc, method) for rpc, method in unary.items()}
        table |= {rpc: self._streaming(rpc, method) for rpc, method in streaming.items()}
        return grpc.method_handlers_generic_handler(self._kind.service, table)

    def drain(self) -> None:
        """End all streams, whatever they wait for: their cursors are good at the next server. Refuse new ones."""
        self._draining = True
        for scope in self._streams:
            _leave(scope)

    def _unary(self, rpc: str, method: UnaryMethod) -> grpc.RpcMethodHandler[Any, Any]:
        async def handle(data: bytes, context: Context) -> bytes:
            try:
                call, request = await self._enter(rpc, data, context)
                response = await method(call, request)
            except Exception as error:
                await _refuse(context, rpc, error)
                raise AssertionError("a refused call has ended") from error
            encoded: bytes = response.SerializeToString()
            return encoded

        return grpc.unary_unary_rpc_method_handler(handle)

    def _streaming(self, rpc: str, method: StreamMethod) -> grpc.RpcMethodHandler[Any, Any]:
        async def handle(data: bytes, context: Context) -> None:
            try:
                call, request = await self._enter(rpc, data, context)
                async with self._while_welcome(call.expires):
                    # Tells the client at once that the stream stands, though its first event may be far.
                    await context.send_initial_metadata(())
                    async with aclosing(method(call, request)) as messages:
                        async for message in messages:
                            await context.write(message)
            except grpc.aio.InternalError:
                return  # the caller has left while a message was waiting for room; there is nobody to tell
            except grpc.aio.BaseError:
                raise
            except Exception as error:  # noqa: BLE001 - the edge tells every error
                await _refuse(context, rpc, error)

        return grpc.unary_stream_rpc_method_handler(handle)

    @asynccontextmanager
    async def _while_welcome(self, expires: float | None) -> AsyncIterator[None]:
        """Leave the block when the server drains, or the caller's token holds no longer."""
        scope = asyncio.timeout(0 if self._draining else None)
        try:
            async with scope:
                self._streams.add(scope)
                with on_expiry(expires, lambda: _leave(scope)):
                    yield
        except TimeoutError:
            if not scope.expired():
                raise
            raise Unavailable(DRAINING) if self._draining else Unauthenticated(EXPIRED) from None
        finally:
            self._streams.discard(scope)

    async def _enter(self, rpc: str, data: bytes, context: Context) -> tuple[Call, Any]:
        metadata = tuple(context.invocation_metadata() or ())
        token = bearer(metadata)
        identity = Identity("") if rpc in self._open_to_all else await self._auth.identify(token)
        request = read_request(self._kind.request(rpc), data)
        if identity.generation_id and not _only_reads(rpc, request, identity.generation_id):
            raise PermissionDenied("a ticket lets its holder read one generation, and do nothing else")
        left = context.time_remaining()
        deadline = None if left is None else asyncio.get_running_loop().time() + left
        return Call(identity.owner, _trace_id(metadata), token, deadline, identity.expires), request


def _leave(scope: asyncio.Timeout) -> None:
    """Have whoever is in the scope leave it, unless they are on their way out."""
    if not scope.expired():
        scope.reschedule(0)


def edge_of(service: GenerationService, auth: Authenticator) -> Edge:
    """Return the edge of a generator's service: the rpcs that all have, and its own."""
    unary: dict[str, UnaryMethod] = {
        "StartGeneration": service.start,
        "GetGeneration": service.get,
        "ListGenerations": service.list,
        "CancelGeneration": service.cancel,
        "PauseGeneration": service.pause,
        "ResumeGeneration": service.resume,
        "RetryGeneration": service.retry,
        "DeleteGeneration": service.delete,
        **service.unary,
    }
    streaming: dict[str, StreamMethod] = {
        "WatchProgress": service.watch,
        "WatchGenerations": service.watch_all,
        **service.streaming,
    }
    return Edge(service.kind, unary, streaming, auth)


def _only_reads(rpc: str, request: Any, generation_id: str) -> bool:
    """Say whether a call reads this generation: by what rpcs and fields are called in every contract."""
    return rpc.startswith(("Get", "Watch", "Download")) and getattr(request, "generation_id", "") == generation_id


def _trace_id(metadata: tuple[tuple[str, str | bytes], ...]) -> str:
    """Return the trace id of a W3C traceparent: version, trace id, parent id and flags, joined by hyphens."""
    for key, value in metadata:
        if key == "traceparent" and isinstance(value, str):
            parts = value.split("-")
            if len(parts) >= 4 and _TRACE_ID.fullmatch(parts[1]):
                return parts[1]
    return ""


async def _refuse(context: Context, rpc: str, error: Exception) -> None:
    if not isinstance(error, FabulaError):
        _log.exception("call_failed", rpc=rpc, exc_info=error)
    await context.abort_with_status(rpc_status.to_status(to_status(error)))
