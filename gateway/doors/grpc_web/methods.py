"""Which rpcs there are behind this door, as the contracts name them, and what carries each out."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health_pb2

from fabula.errors import NotFound
from fabula.rpc.client import CALL_SECONDS
from fabula.rpc.kinds import KINDS, Kind
from fabula.rpc.tickets import TICKETS
from fabula.rpc.wire import read_request
from gateway.doors.grpc_web.call import Call
from gateway.doors.grpc_web.status import Refusal, Status, fine
from gateway.doors.grpc_web.streams import Streams
from gateway.house import House

HEALTH_SERVICE = "grpc.health.v1.Health"
_CHECK = f"/{HEALTH_SERVICE}/Check"
_Answering = health_pb2.HealthCheckResponse


Carry = Callable[[Call], Coroutine[Any, Any, tuple[Status, bytes | None]]]
"""Carries a call out; returns how it ended, and the one message of an answer that is no stream."""


@dataclass(frozen=True, slots=True)
class Method:
    """An rpc.

    Attributes:
        carry: Carries it out.
        open_to_all: Whether it is answered without a token.
    """

    carry: Carry
    open_to_all: bool = False


def methods_of(house: House) -> Mapping[str, Method]:
    """Return what there is in this installation, by path."""
    streams = Streams(house)
    found = {}
    for name, channel in house.channels.items():
        kind = KINDS[name]
        service = kind.api.DESCRIPTOR.services_by_name[kind.service.rpartition(".")[2]]
        for method in service.methods:
            path = kind.path(method.name)
            if method.name == "WatchProgress":
                found[path] = Method(_watched(streams, kind))
            else:
                found[path] = Method((_streamed if method.server_streaming else _asked)(streams, channel, path))
    # Not RedeemTicket: its token is a secret between us and the services.
    found[TICKETS.path("CreateTicket")] = Method(_ticketed(house))
    found[_CHECK] = Method(_checked(house), open_to_all=True)
    return found


def _asked(_streams: Streams, channel: grpc.aio.Channel, path: str) -> Carry:
    async def carry(call: Call) -> tuple[Status, bytes | None]:
        return await _ask(channel, path, call)

    return carry


def _streamed(streams: Streams, channel: grpc.aio.Channel, path: str) -> Carry:
    async def carry(call: Call) -> tuple[Status, bytes | None]:
        return await streams.relay(channel, path, call), None

    return carry


def _watched(streams: Streams, kind: Kind) -> Carry:
    async def carry(call: Call) -> tuple[Status, bytes | None]:
        request = read_request(kind.request("WatchProgress"), call.data)
        return await streams.watch(kind, request, call), None

    return carry


def _ticketed(house: House) -> Carry:
    """Return what asks the service that a ticket's generation belongs to."""

    async def carry(call: Call) -> tuple[Status, bytes | None]:
        request: Any = read_request(TICKETS.request("CreateTicket"), call.data)
        channel = house.channels[house.client_of(request.generation_id).kind.name]
        return await _ask(channel, TICKETS.path("CreateTicket"), call)

    return carry


def _checked(house: House) -> Carry:
    """Return what tells whether a service can be asked, or, without a name, whether this gateway takes calls."""
    channels = {KINDS[name].service: channel for name, channel in house.channels.items()}

    async def carry(call: Call) -> tuple[Status, bytes | None]:
        request: Any = read_request(health_pb2.HealthCheckRequest, call.data)
        if not request.service:
            status = _Answering.NOT_SERVING if house.draining.is_set() else _Answering.SERVING
            return fine(), _Answering(status=status).SerializeToString()
        if request.service not in channels:
            raise NotFound("there is no such service here", resource="service", id=request.service)
        return await _ask(channels[request.service], _CHECK, call)

    return carry


async def _ask(channel: grpc.aio.Channel, path: str, call: Call) -> tuple[Status, bytes]:
    """Make a single call at a service, in bytes; it is cancelled with the task. Raises gRPC's own error."""
    caller = call.caller
    method: Any = channel.unary_unary(path, None, None)
    asking = method(call.data, metadata=caller.metadata, timeout=caller.seconds(CALL_SECONDS))
    try:
        response: bytes = await asking
        return fine(await asking.trailing_metadata()), response
    finally:
        asking.cancel()


def unknown(path: str) -> Refusal:
    """Return the refusal of a method that there is not."""
    return Refusal(grpc.StatusCode.UNIMPLEMENTED, f"there is no method {path[:200]} at this gateway")
