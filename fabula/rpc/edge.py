"""The edge of a server: every call is read, its caller named, its request checked and its errors told here.

Requests come as bytes, so that what cannot be decoded is answered as the invalid request it is.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

import grpc
import structlog
from google.protobuf.message import DecodeError
from grpc_status import rpc_status

from fabula.errors import FabulaError, InvalidRequest
from fabula.rpc.auth import Authenticator, bearer
from fabula.rpc.errors import to_status
from fabula.rpc.kinds import Kind
from fabula.rpc.service import Call, GenerationService, UnaryMethod
from fabula.rpc.validation import validate, warm

_log = structlog.get_logger(__name__)

Unary = Callable[[Call, Any], Awaitable[Any]]
Streaming = Callable[[Call, Any], AsyncGenerator[bytes, None]]
Context = Any
"""A grpc.aio.ServicerContext: its type parameters say nothing about identity serialisers."""


def handlers(
    service: GenerationService, more: Mapping[str, UnaryMethod], auth: Authenticator
) -> grpc.GenericRpcHandler[Any, Any]:
    """Return all rpcs of a service, ready for a server."""
    kind = service.kind
    unary: dict[str, Unary] = {
        "StartGeneration": service.start,
        "GetGeneration": service.get,
        "ListGenerations": service.list,
        "CancelGeneration": service.cancel,
        "PauseGeneration": service.pause,
        "ResumeGeneration": service.resume,
        "RetryGeneration": service.retry,
        "DeleteGeneration": service.delete,
        **{rpc: _without_trace(method) for rpc, method in more.items()},
    }
    streaming: dict[str, Streaming] = {"WatchProgress": service.watch, "WatchGenerations": service.watch_all}
    edge = _Edge(kind, auth)
    warm(kind.request(rpc)() for rpc in (*unary, *streaming))
    table = {rpc: edge.unary(rpc, method) for rpc, method in unary.items()}
    table |= {rpc: edge.streaming(rpc, method) for rpc, method in streaming.items()}
    return grpc.method_handlers_generic_handler(kind.service, table)


def _without_trace(method: UnaryMethod) -> Unary:
    async def call(caller: Call, request: Any) -> Any:
        return await method(caller.owner, request)

    return call


class _Edge:
    def __init__(self, kind: Kind, auth: Authenticator) -> None:
        self._kind = kind
        self._auth = auth

    def unary(self, rpc: str, method: Unary) -> grpc.RpcMethodHandler[Any, Any]:
        async def handle(data: bytes, context: Context) -> bytes:
            try:
                call, request = self._enter(rpc, data, context)
                response = await method(call, request)
            except Exception as error:
                await _refuse(context, rpc, error)
                raise AssertionError("a refused call has ended") from error
            encoded: bytes = response.SerializeToString()
            return encoded

        return grpc.unary_unary_rpc_method_handler(handle)

    def streaming(self, rpc: str, method: Streaming) -> grpc.RpcMethodHandler[Any, Any]:
        async def handle(data: bytes, context: Context) -> None:
            try:
                call, request = self._enter(rpc, data, context)
                # Tells the client at once that the stream stands, though its first event may be far.
                await context.send_initial_metadata(())
                async with aclosing(method(call, request)) as messages:
                    async for message in messages:
                        await context.write(message)
            except grpc.aio.BaseError:
                raise
            except Exception as error:  # noqa: BLE001 - the edge tells every error
                await _refuse(context, rpc, error)

        return grpc.unary_stream_rpc_method_handler(handle)

    def _enter(self, rpc: str, data: bytes, context: Context) -> tuple[Call, Any]:
        metadata = tuple(context.invocation_metadata() or ())
        owner = self._auth.owner(bearer(metadata))
        try:
            request: Any = self._kind.request(rpc).FromString(data)
        except DecodeError:
            raise InvalidRequest(f"the request is not a {rpc}Request: it cannot be decoded") from None
        validate(request)
        return Call(owner, _trace_id(metadata)), request


def _trace_id(metadata: tuple[tuple[str, str | bytes], ...]) -> str:
    """Return the trace id of a W3C traceparent: version, trace id, parent id and flags, joined by hyphens."""
    for key, value in metadata:
        if key == "traceparent" and isinstance(value, str):
            parts = value.split("-")
            if len(parts) >= 4 and len(parts[1]) == 32 and set(parts[1]) <= set("0123456789abcdef"):
                return parts[1]
    return ""


async def _refuse(context: Context, rpc: str, error: Exception) -> None:
    if not isinstance(error, FabulaError):
        _log.exception("call_failed", rpc=rpc, exc_info=error)
    await context.abort_with_status(rpc_status.to_status(to_status(error)))
