"""Runs a gRPC server: health, reflection, and an orderly end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from fabula.errors import Unavailable
from fabula.rpc.tls import Tls

HEALTH_LOOK_SECONDS = 1.0
"""How often a server looks whether it can serve."""

UNHEALTHY_LOOK_SECONDS = 0.2
"""The same while something is missing: whoever waits for a start should not wait for the look."""

REFLECTION_V1 = "grpc.reflection.v1.ServerReflection"
"""The current reflection service. grpcio-reflection ships v1alpha only; the two are the same on the wire."""

SERVER_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.so_reuseport", 0),  # a second server on the same port is an error, not a silent sharing
    # Small fixed windows: a stream that nobody reads holds kilobytes in flight, not megabytes.
    ("grpc.http2.bdp_probe", 0),
    ("grpc.http2.lookahead_bytes", 65536),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # A picture to start from may have 10 MiB; by default gRPC takes 4.
    ("grpc.max_receive_message_length", 12 * 1024 * 1024),
    # When a gateway comes back, all its watches open at once: by default gRPC would refuse those beyond a thousand.
    ("grpc.server.max_pending_requests", 100_000),
    ("grpc.server.max_pending_requests_hard_limit", 100_000),
)

# The stubs of these packages lack their aio modules.
_health: Any = health.aio  # type: ignore[attr-defined]
_reflection: Any = reflection.aio  # type: ignore[attr-defined]

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

_log = structlog.get_logger(__name__)

Check = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Listen:
    """Where a server listens.

    Attributes:
        host: Address to bind.
        port: Port to bind; 0 takes a free one.
        drain_seconds: How long running calls may go on when the server ends.
        tls: Its certificates; None: it answers in the clear.
    """

    host: str = "127.0.0.1"
    port: int = 0
    drain_seconds: float = 5.0
    tls: Tls | None = None


@dataclass(slots=True)
class Running:
    """A server that runs.

    Attributes:
        port: The port it listens on.
    """

    port: int


@asynccontextmanager
async def serving(
    listen: Listen,
    generic_handlers: Sequence[grpc.GenericRpcHandler[Any, Any]],
    checks: dict[str, Check],
    on_drain: Callable[[], None],
) -> AsyncIterator[Running]:
    """Serve until the block is left; then refuse new work, end the streams, and stop.

    Args:
        listen: Where.
        generic_handlers: What.
        checks: Tells for each service name ("" is the whole server) whether it can serve now.
        on_drain: Called when the end begins: ends the streams, so that nothing is waited for in vain.

    Raises:
        Unavailable: the port is taken.
    """
    server = grpc.aio.server(options=list(SERVER_OPTIONS))
    server.add_generic_rpc_handlers(tuple(generic_handlers))
    servicer = _health.HealthServicer()
    for name in ("", *checks):
        await servicer.set(name, _NOT_SERVING)  # until the first look
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    _add_reflection(server, [name for name in checks if name])
    port = _bind(server, listen)
    await server.start()
    try:
        async with asyncio.TaskGroup() as tasks:
            looking = tasks.create_task(_keep_health(servicer, checks))
            yield Running(port)
            looking.cancel()
    finally:
        await servicer.enter_graceful_shutdown()
        on_drain()
        await server.stop(listen.drain_seconds)


def _bind(server: grpc.aio.Server, listen: Listen) -> int:
    address = f"[{listen.host}]:{listen.port}" if ":" in listen.host else f"{listen.host}:{listen.port}"
    try:
        if listen.tls is not None:
            return server.add_secure_port(address, listen.tls.of_server())
        return server.add_insecure_port(address)
    except RuntimeError:
        raise Unavailable(
            f"cannot listen on {address}: the port is taken, or the address is not this machine's", address=address
        ) from None


def _add_reflection(server: grpc.aio.Server, services: Sequence[str]) -> None:
    names = (*services, health.SERVICE_NAME, reflection.SERVICE_NAME, REFLECTION_V1)
    reflection.enable_server_reflection(names, server)
    servicer = _reflection.ReflectionServicer(names)
    method = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    table = {"ServerReflectionInfo": method}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(REFLECTION_V1, table),))


async def _keep_health(servicer: Any, checks: dict[str, Check]) -> None:
    known: dict[str, bool] = {}
    while True:
        for name, check in checks.items():
            fine = False
            with suppress(Unavailable):
                fine = await check()
            if known.get(name) is not fine:
                known[name] = fine
                _log.info("health_changed", service=name or "server", serving=fine)
                # A watcher that does not read must not keep the news from the others.
                with suppress(TimeoutError):
                    async with asyncio.timeout(1.0):
                        await servicer.set(name, _SERVING if fine else _NOT_SERVING)
        await asyncio.sleep(HEALTH_LOOK_SECONDS if all(known.values()) else UNHEALTHY_LOOK_SECONDS)
