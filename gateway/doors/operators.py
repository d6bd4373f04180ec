"""For those who run the gateway: is it alive, is it ready, what does it count."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from http import HTTPStatus

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from fabula.rpc.kinds import KINDS, Kind
from gateway.house import House
from gateway.operations import Operation
from gateway.payloads.schema import TEXT, record, words

FAMILY = "operators"

_READY, _UNREADY = ("ok", "degraded"), ("draining", "unavailable")

READY_SECONDS = 2.0
"""How long a service may take to say how it is."""


class Operators:
    """Answers `/healthz`, `/readyz` and `/metrics`."""

    def __init__(self, house: House) -> None:
        self._house = house

    def operations(self) -> Iterable[Operation]:
        """Yield what may be asked."""
        readiness = record(
            {"status": words(*_READY, *_UNREADY), "services": {"type": "object", "additionalProperties": TEXT}}
        )
        yield Operation(
            "GET", "/healthz", "isAlive", "Whether the process runs.", self.alive, family=FAMILY, is_open=True,
            gives=record({"status": words("ok")}),
        )  # fmt: skip
        yield Operation(
            "GET", "/readyz", "isReady", "Whether requests can be carried out, and by whom.", self.ready,
            family=FAMILY, is_open=True, gives=readiness, failures={HTTPStatus.SERVICE_UNAVAILABLE: readiness},
        )  # fmt: skip
        yield Operation(
            "GET", "/metrics", "readMetrics", "What is counted, in Prometheus' text format.", self.metrics,
            family=FAMILY, is_open=True, media_types=(self._house.metrics.content_type.partition(";")[0],),
        )  # fmt: skip

    async def alive(self, _request: Request) -> Response:
        """Say that the process runs; nothing else is looked at."""
        return JSONResponse({"status": "ok"})

    async def ready(self, _request: Request) -> Response:
        """Say whether requests can be carried out: 503 while the gateway drains, or no service serves.

        Where some do and others do not, those are not given up for these: 200, and `degraded`.
        """
        channels = self._house.channels
        states = await asyncio.gather(*(_health(KINDS[kind], channel) for kind, channel in channels.items()))
        services = dict(zip(channels, states, strict=True))
        status = "draining" if self._house.draining.is_set() else "ok"
        if status == "ok" and set(states) - {"SERVING"}:
            status = "degraded" if "SERVING" in states else "unavailable"
        code = HTTPStatus.OK if status in _READY else HTTPStatus.SERVICE_UNAVAILABLE
        return JSONResponse({"status": status, "services": services}, code, {"Cache-Control": "no-store"})

    async def metrics(self, _request: Request) -> Response:
        """Return what is counted, in Prometheus' text format."""
        return Response(self._house.metrics.exposition(), media_type=self._house.metrics.content_type)


async def _health(kind: Kind, channel: grpc.aio.Channel) -> str:
    """Return what a service says of itself, as in `grpc.health.v1`; the gRPC status if it says nothing."""
    stub = health_pb2_grpc.HealthStub(channel)
    try:
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=kind.service), timeout=READY_SECONDS)
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))
