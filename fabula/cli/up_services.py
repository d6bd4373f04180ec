"""What `fabula up` runs beside the journal: commands, settings, and when each is ready."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from fabula.cli import health
from fabula.cli.ports import in_a_row, reached_at
from fabula.cli.supervisor import Service
from fabula.errors import FabulaError, Unauthenticated, Unavailable
from fabula.rpc.client import Caller, Client, open_channel
from fabula.rpc.kinds import Kind
from fabula.rpc.tls import Tls, tls_of
from fabula.settings import UpSettings

PROBE_TIMEOUT_SECONDS = 2.0

KILL_AFTER_SECONDS = 5.0
"""How much longer than its drain time a process may take to end before it is killed."""

Check = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a generator's server is, as `fabula up` runs it."""

    kind: Kind
    host: str
    port: int

    @property
    def address(self) -> str:
        """Where it is reached from this machine."""
        return reached_at(self.host, self.port)

    @property
    def flag(self) -> str:
        """The option that names its port."""
        return f"--{self.kind.name}-port"

    @property
    def variable(self) -> str:
        """The variable that names its port."""
        return f"FABULA_{self.kind.name.upper()}_PORT"


def place_of(settings: UpSettings, kind: Kind) -> Place:
    """Return where the settings place a generator's server."""
    return Place(kind, getattr(settings, f"{kind.name}_host"), getattr(settings, f"{kind.name}_port"))


def loads_a_model(kind: Kind) -> bool:
    """Say whether a generator's worker loads a model before it works: others are not kept waiting for it."""
    return "GetModel" in kind.api.DESCRIPTOR.services_by_name[kind.service.rpartition(".")[2]].methods_by_name


def services_of(settings: UpSettings, kinds: Sequence[Kind], nats_url: str) -> tuple[Service, ...]:
    """Return what runs beside the journal, in the order of dependency: servers, then workers and the gateway."""
    ports = in_a_row(settings.worker_port, settings.worker_host, len(kinds))
    environment = {
        **settings.as_environment(),
        "FABULA_NATS_URL": nats_url,
        "FABULA_LOG_FORMAT": "json",
        "FABULA_GENERATORS": ",".join(kind.name for kind in kinds),
    }
    stop_seconds = settings.drain_seconds + KILL_AFTER_SECONDS
    tls = tls_of(settings)

    def service(name: str, ready: Check, *module: str, beside: bool, awaited: bool = True, **more: str) -> Service:
        command = (sys.executable, "-m", *module)
        return Service(
            name, command, ready, {**environment, **more},
            stop_seconds=stop_seconds, beside=beside, awaited=awaited,
        )  # fmt: skip

    servers, workers = [], []
    for number, (kind, port) in enumerate(zip(kinds, ports, strict=True)):
        address, name = place_of(settings, kind).address, kind.name
        servers.append(
            service(f"{name}-server", _serves(address, tls=tls), f"services.{name}", "server", beside=bool(number)),
        )
        # The whole server serves when the journal answers; its service when a worker is alive as well. That it goes on
        # to say so for seconds after a worker's death is why the worker is asked itself.
        works = _both(_serves(reached_at(settings.worker_host, port), tls=tls), _serves(address, kind.service, tls=tls))
        if not (awaited := not loads_a_model(kind)):
            works = _both(works, _knows_a_model(kind, address, tls))
        workers.append(
            service(
                f"{name}-worker", works, f"services.{name}", "worker",
                beside=bool(number), awaited=awaited, FABULA_WORKER_PORT=str(port),
            )
        )  # fmt: skip
    http = f"http://{reached_at(settings.http_host, settings.http_port)}"
    return (*servers, *workers, service("gateway", _is_ok(f"{http}/healthz"), "gateway", beside=True))


def _serves(address: str, service: str = "", *, tls: Tls | None) -> Check:
    async def ready() -> bool:
        try:
            status = await asyncio.to_thread(health.ask_grpc, address, service, PROBE_TIMEOUT_SECONDS, tls)
        except Unavailable:
            return False
        return status == "SERVING"

    return ready


def _knows_a_model(kind: Kind, address: str, tls: Tls | None) -> Check:
    """Return the check whether a worker has loaded its model, now or before: requests are accepted from then on."""

    async def ready() -> bool:
        async with open_channel(address, tls) as channel:
            try:
                await Client(kind, channel).call(
                    "GetModel", kind.request("GetModel")(), Caller(), timeout=PROBE_TIMEOUT_SECONDS
                )
            except FabulaError as error:
                return isinstance(error, Unauthenticated)  # whoever may ask is answered
        return True

    return ready


def _both(first: Check, second: Check) -> Check:
    async def ready() -> bool:
        return await first() and await second()

    return ready


def _is_ok(url: str) -> Check:
    async def ready() -> bool:
        try:
            status, _ = await asyncio.to_thread(health.ask_http, url, PROBE_TIMEOUT_SECONDS)
        except Unavailable:
            return False
        return status == 200

    return ready
