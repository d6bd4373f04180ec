"""What all doors share: the services, the hub, who is let in, what is counted, and whether the gateway is closing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import grpc
from starlette.types import Scope

from fabula.errors import ResourceExhausted, Unavailable
from fabula.rpc.client import Client
from fabula.settings import GatewaySettings
from gateway.caretaker import Caretaker
from gateway.hub import Hub
from gateway.identity import Doorkeeper
from gateway.limits import Bucket, Budget, Connections, Place, Rates, address_key, exceeded
from gateway.metrics import Metrics
from gateway.origin import is_preflight
from gateway.owner_feeds import Feeds
from gateway.upstream import service_of

UNCOUNTED = frozenset({"/healthz", "/readyz", "/metrics"})
"""What those who run the gateway ask, as often as they like."""


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
    places: Connections = field(init=False)
    rates: Rates = field(init=False)
    bodies: Budget = field(init=False)

    def __post_init__(self) -> None:
        """Take the limits from the settings."""
        limits = self.settings
        # Without authentication everybody is one owner.
        per_owner = limits.max_connections_per_owner if self.doorkeeper.required else 0
        self.places = Connections(
            limits.max_connections, limits.max_connections_per_address, per_owner, self.metrics.limit_met
        )
        self.rates = Rates(limits.requests_per_second, limits.requests_at_once)
        self.bodies = Budget(limits.max_bodies_bytes, self.metrics.limit_met)

    @property
    def connections(self) -> int:
        """How many long connections are open."""
        return self.places.count

    def client_of(self, generation_id: str) -> Client:
        """Return the service that a generation belongs to. Raises `NotFound` for what is no id of ours."""
        return service_of(self.clients, generation_id)

    @contextmanager
    def connection(self, door: str, scope: Scope | None = None, owner: str = "") -> Iterator[Place]:
        """Count a long connection for as long as it is open.

        Args:
            door: Which door it came by.
            scope: ASGI's, which tells the client's address; None: it is of no address.
            owner: Whose it is; empty: that turns out later, and is then said by `Place.belong_to`.

        Raises:
            ResourceExhausted: there are too many, or too many of this address or owner.
            Unavailable: the gateway is closing.
        """
        place = self.enter(door, scope, owner)
        try:
            yield place
        finally:
            self.leave(door, place)

    def enter(self, door: str, scope: Scope | None = None, owner: str = "") -> Place:
        """Count a long connection until `leave` is called; see `connection`."""
        if self.closing.is_set():
            raise Unavailable("the gateway is being restarted: connect again")
        place = self.places.enter(address_of(scope), owner)
        self.metrics.connections.labels(door).inc()
        return place

    def leave(self, door: str, place: Place) -> None:
        """Count a long connection no more."""
        self.metrics.connections.labels(door).dec()
        place.leave()

    def may_ask(self, scope: Scope) -> bool:
        """Count a request or handshake; say whether its client has made no more than it may in this time."""
        if scope["path"] in UNCOUNTED or is_preflight(scope):  # who may not ask that is told nothing at all
            return True
        return self.rates.take(address_key(address_of(scope)))

    def too_many_requests(self) -> ResourceExhausted:
        """Return the error for who has made too many."""
        self.metrics.limit_met("requests")
        return exceeded("requests", "your address sends too many requests: wait, and send fewer", 1)

    def allowance(self, share: float = 1.0) -> Bucket:
        """Return how much one client may say on one socket; `share`: of what the settings allow."""
        limits = self.settings
        return Bucket(limits.messages_per_second * share, limits.messages_at_once * share)

    def close(self) -> None:
        """Let nobody in any more, and ask who is in to come back later."""
        if not self.closing.is_set():
            self.closing.set()
            self.caretaker.dismiss_all()


def address_of(scope: Scope | None) -> str:
    """Return a client's address, as the server or a trusted proxy tells it; empty where there is none."""
    client = scope.get("client") if scope is not None else None
    return client[0] if client else ""
