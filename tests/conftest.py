"""Fixtures that tests of several folders share."""

import signal

from tests.nats import address, journal, kind, nats_server, own_server, settings

__all__ = ["address", "journal", "kind", "nats_server", "own_server", "settings"]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell has begun the tests behind its back (`make test &`): processes that they start would not hear Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
