"""What all doors share: the services, the hub, who is let in, what is counted, and whether the gateway is closing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc

from fabula.errors import ResourceExhausted, Unavailable
from fabula.rpc.client import Client
from fabula.settings import GatewaySettings
from gateway.caretaker import Caretaker
from gateway.hub import Hub
from gateway.identity import Doorkeeper
from gateway.metrics import Metrics
from gateway.owner_feeds import Feeds
from gateway.upstream import service_of


@dataclass(slots=True)
class House:
    """The inside of the gateway, as doors see it.

    Attributes:
        settings: The process's settings.
        channels: The connections to the services, by kind.
        clients: The services, by kind.
        hub: Opens watches.
        feeds: Tell of owners' generations.
        doorkeeper: Tells who is asking.
        metrics: What is counted.
        caretaker: Looks after long connections.
        draining: Set when the process has been asked to stop: it is not ready for more.
        closing: Set when streams have to end.
    """

    settings: GatewaySettings
    channels: Mapping[str, grpc.aio.Channel]
    clients: Mapping[str, Client]
    hub: Hub
    feeds: Feeds
    doorkeeper: Doorkeeper
    metrics: Metrics
    caretaker: Caretaker
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0

    def client_of(self, generation_id: str) -> Client:
        """Return the service that a generation belongs to. Raises `NotFound` for what is no id of ours."""
        return service_of(self.clients, generation_id)

    @contextmanager
    def connection(self, door: str) -> Iterator[None]:
        """Count a long connection for as long as it is open.

        Raises:
            ResourceExhausted: there are too many.
            Unavailable: the gateway is closing.
        """
        if self.closing.is_set():
            raise Unavailable("the gateway is being restarted: connect again")
        if self.connections >= self.settings.max_connections:
            raise ResourceExhausted("too many connections are open: close some, or try again later")
        self.connections += 1
        with self.metrics.connections.labels(door).track_inprogress():
            try:
                yield
            finally:
                self.connections -= 1

    def close(self) -> None:
        """Let nobody in any more, and ask who is in to come back later."""
        if not self.closing.is_set():
            self.closing.set()
            self.caretaker.dismiss_all()
