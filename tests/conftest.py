"""Fixtures that tests of several folders share."""

from tests.nats import address, journal, kind, nats_server, own_server, settings

__all__ = ["address", "journal", "kind", "nats_server", "own_server", "settings"]
