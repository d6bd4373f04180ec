"""What the gateway counts, for Prometheus."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from gateway.entries import SharedEntry

LATENCY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The gateway's instruments, in a registry of their own."""

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.connections = Gauge(
            "fabula_gateway_connections", "Open WebSockets and event streams.", ["door"], registry=self.registry
        )
        self.watches = Gauge(
            "fabula_gateway_watches", "Generations watched, once for each watcher.", registry=self.registry
        )
        self.upstreams = Gauge(
            "fabula_gateway_upstream_watches", "Watches held open at the services.", registry=self.registry
        )
        self.reconnects = Counter(
            "fabula_gateway_upstream_reconnects", "Upstream watches taken up again.", registry=self.registry
        )
        self.errors = Counter(
            "fabula_gateway_errors", "Errors told to clients.", ["door", "code"], registry=self.registry
        )
        self._sent = Counter("fabula_gateway_events_sent", "Events sent.", ["door"], registry=self.registry)
        self._latency = Histogram(
            "fabula_gateway_event_latency_seconds",
            "From an event's time to its last byte handed to the socket; history that is replayed is left out.",
            ["door"],
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )

    def at(self, door: str) -> DoorMetrics:
        """Return the instruments of one connection through this door, opened now."""
        return DoorMetrics(self._sent.labels(door), self._latency.labels(door))

    def exposition(self) -> bytes:
        """Return all values in Prometheus' text format."""
        return generate_latest(self.registry)


class DoorMetrics:
    """What is measured of the events that pass one connection."""

    def __init__(self, sent: Counter, latency: Histogram) -> None:
        self._sent = sent
        self._latency = latency
        self._since = time.time()

    def sent(self, entry: SharedEntry) -> None:
        """Note that an event has been handed to the socket."""
        self._sent.inc()
        made = entry.time_seconds
        if made >= self._since:
            self._latency.observe(max(0.0, time.time() - made))
