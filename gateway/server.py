"""Runs the gateway under uvicorn, and ends it in good order."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import structlog
import uvicorn

from fabula.settings import GatewaySettings
from gateway.app import application, open_house
from gateway.guard import Guard
from gateway.house import House
from gateway.http_protocol import GuardedHttp
from gateway.protocols import PipedWebSocket

log = structlog.get_logger(__name__)

MOST_NOTICE_SECONDS = 1.0
"""How long the gateway says that it is not ready before it stops to listen: load balancers look before they send."""
PING_TIMEOUT_SECONDS = 20.0
"""A client that does not answer a ping for so long is gone."""


class DrainingServer(uvicorn.Server):
    """Ends in steps: says so at `/readyz`, stops to listen, ends its streams with a call to come back, waits."""

    def __init__(self, house: House) -> None:
        self._house = house
        settings = house.settings
        guard = Guard(settings, house.metrics.limit_met, house.metrics.tcp_connections.set)
        super().__init__(
            uvicorn.Config(
                application(house),
                host=settings.http_host,
                port=settings.http_port,
                loop="none",
                interface="asgi3",
                http=partial(GuardedHttp, guard=guard),  # type: ignore[arg-type]  # called like a class
                ws=partial(PipedWebSocket, guard=guard),  # type: ignore[arg-type]  # so is this
                timeout_keep_alive=settings.idle_seconds,  # type: ignore[arg-type]  # a float does as well
                proxy_headers=bool(settings.trusted_proxies),
                forwarded_allow_ips=list(settings.trusted_proxies),
                ws_max_size=settings.ws_message_bytes,
                ws_ping_interval=settings.keepalive_seconds,
                ws_ping_timeout=PING_TIMEOUT_SECONDS,
                ws_per_message_deflate=False,  # one frame's bytes serve every socket; deflate costs twice the time
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=max(1, round(settings.drain_seconds - _notice_seconds(settings))),
            )
        )

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGINT and SIGTERM; unlike uvicorn's own, a clean end is exit code 0."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(number)

    def stop(self) -> None:
        """Begin to end; asked a second time, end at once."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self._house.draining.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        for listening in (each for server in self.servers for each in server.sockets):
            _find_the_dead(listening, self._house.settings.keepalive_seconds)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End in steps, within the settings' drain time."""
        self._house.draining.set()
        log.info("draining", connections=self._house.connections)
        if self._house.connections and not self.force_exit:
            await asyncio.sleep(_notice_seconds(self._house.settings))
        for server in self.servers:
            server.close()
        self._house.close()
        await asyncio.sleep(0)
        await super().shutdown(sockets)
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()  # a client that does not read would never let what is buffered for it go


def _find_the_dead(listening: Any, silent_seconds: float) -> None:
    """Have the system ask silent clients whether they are there: connections have this of the socket they came by.

    Not all that is open has signs of life of its own: in gRPC-Web nothing can be said but messages.
    """
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL"):  # not every system has them
        if hasattr(socket, name):
            listening.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), max(1, round(silent_seconds)))


def _notice_seconds(settings: GatewaySettings) -> float:
    return min(MOST_NOTICE_SECONDS, settings.drain_seconds / 10)


async def serve(settings: GatewaySettings) -> None:
    """Run the gateway until it is asked to stop."""
    async with open_house(settings) as house:
        log.info("gateway_starting", address=f"http://{settings.http_host}:{settings.http_port}")
        await DrainingServer(house).serve()
