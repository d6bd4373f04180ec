"""What the gateway counts, for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Sequence

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
        self.tcp_connections = Gauge(
            "fabula_gateway_tcp_connections", "Open TCP connections, idle ones as well.", registry=self.registry
        )
        self._limits = Counter(
            "fabula_gateway_limits", "Times that a client has met a limit.", ["limit"], registry=self.registry
        )
        self._sent = Counter("fabula_gateway_events_sent", "Events sent.", ["door"], registry=self.registry)
        self._latency = Histogram(
            "fabula_gateway_event_latency_seconds",
            "From an event's time to its last byte handed to the socket, once for all who are sent it together; "
            "history that is replayed is left out.",
            ["door"],
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self._doors: dict[str, DoorMetrics] = {}

    def at(self, door: str) -> DoorMetrics:
        """Return the instruments of a door."""
        instruments = self._doors.get(door)
        if instruments is None:
            instruments = self._doors[door] = DoorMetrics(self._sent.labels(door), self._latency.labels(door))
        return instruments

    def limit_met(self, limit: str) -> None:
        """Note that a client has met a limit; docs/limits.md names them."""
        self._limits.labels(limit).inc()

    def exposition(self) -> bytes:
        """Return all values in Prometheus' text format."""
        return generate_latest(self.registry)


class DoorMetrics:
    """What is measured of the events that pass one door."""

    def __init__(self, sent: Counter, latency: Histogram) -> None:
        self._sent = sent
        self._latency = latency

    def sent(self, entries: Sequence[SharedEntry], since: float) -> None:
        """Note that events have been handed to one socket; the latency of those made after `since` is noted."""
        self._sent.inc(len(entries))
        now = time.time()
        for entry in entries:
            if entry.time_seconds >= since:
                self._latency.observe(max(0.0, now - entry.time_seconds))

    def sent_to_all(self, entries: Sequence[SharedEntry], sockets: int) -> None:
        """Note that new events have been handed to all of so many sockets; the latency noted is that of the last."""
        self._sent.inc(len(entries) * sockets)
        now = time.time()
        for entry in entries:
            self._latency.observe(max(0.0, now - entry.time_seconds))
