"""What TCP connections to the gateway may cost: how many there are, how long they may take, how large heads may be."""

from __future__ import annotations

import asyncio
import fcntl
import ipaddress
import socket
import struct
import termios
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any

from fabula.settings.limits import LimitSettings
from gateway.limits import OnLimit, Tally, address_key

SPARE_PER_ADDRESS = 256
"""TCP connections that an address may have beside its long ones: for its other requests, and to be told too many."""
BODY_BYTES_PER_SECOND = 4096
"""A body that comes at least so fast is waited for, however long it is."""
LONGEST_ADDRESS = 8000
"""Bytes of a request's target (RFC 9110, section 4.1, wants at least so many to be supported)."""

LOOKS = 4
"""How often a client that has not read is looked at in the time after which it is cut off."""

SYSTEM_PATIENCE = 2
"""The system waits so many times as long as we do, so that a client that reads again finds out why it was closed."""

_ACKED_AT = 120
"""Where Linux' `struct tcp_info` holds `tcpi_bytes_acked`, 64 bits (linux/tcp.h)."""


class Guard:
    """Watches over the TCP connections of one server.

    Args:
        settings: The limits.
        on_limit: Told of each limit that is met.
        on_count: Told how many connections there are, when that changes.
    """

    def __init__(self, settings: LimitSettings, on_limit: OnLimit, on_count: Callable[[int], None]) -> None:
        self.settings = settings
        self.on_limit = on_limit
        self._on_count = on_count
        per_address = settings.max_connections_per_address
        self._peers = Tally(per_address + SPARE_PER_ADDRESS if per_address else 0)
        self._open: dict[Hashable, str] = {}
        self._proxies = tuple(ipaddress.ip_network(each) for each in settings.trusted_proxies)

    def enter(self, transport: asyncio.BaseTransport) -> bool:
        """Count a connection that was made; False, and it is not counted, if there are too many."""
        peer = self._peer_of(transport)
        if len(self._open) >= self.settings.max_tcp_connections:
            self.on_limit("tcp_connections")
            return False
        if not self._peers.enter(peer):
            self.on_limit("tcp_connections_per_address")
            return False
        self._open[transport] = peer
        self._bound_unread(transport)
        self._on_count(len(self._open))
        return True

    def leave(self, transport: asyncio.BaseTransport) -> None:
        """Count a connection no more that was lost; nothing happens if it is not counted."""
        peer = self._open.pop(transport, None)
        if peer is not None:
            self._peers.leave(peer)
            self._on_count(len(self._open))

    def _bound_unread(self, transport: asyncio.BaseTransport) -> None:
        """Have the system end a connection whose client takes nothing of what waits in the system's own buffer."""
        milliseconds = round(SYSTEM_PATIENCE * self.settings.stalled_seconds * 1000)
        with suppress(AttributeError, OSError):  # another system, or another kind of socket
            sock = transport.get_extra_info("socket")
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)

    def _peer_of(self, transport: asyncio.BaseTransport) -> str:
        """Return what a connection is counted under; empty where it is nobody's, or that of many behind a proxy."""
        name = transport.get_extra_info("peername")
        address = name[0] if isinstance(name, tuple) else ""
        if not self._proxies:
            return address_key(address)
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return ""
        return "" if any(parsed in network for network in self._proxies) else address_key(address)


class StallWatch:
    """Tells when a client takes no more of what waits for it.

    Args:
        transport: Its connection.
        seconds: How long it may take nothing.
        on_stalled: Called once when it has not.
    """

    __slots__ = ("_on_stalled", "_seconds", "_since", "_taken", "_timer", "_transport")

    def __init__(self, transport: asyncio.Transport, seconds: float, on_stalled: Callable[[], None]) -> None:
        self._transport = transport
        self._seconds = seconds
        self._on_stalled = on_stalled
        self._timer: asyncio.TimerHandle | None = None
        self._taken: Any = None
        self._since = 0.0

    def begin(self) -> None:
        """Look on for as long as something waits for the client in this process."""
        if self._timer is None:
            self._taken, self._since = taken_by(self._transport), asyncio.get_running_loop().time()
            self._later()

    def end(self) -> None:
        """Look on no more: it is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _later(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._seconds / LOOKS, self._look)

    def _look(self) -> None:
        self._timer = None
        if not self._transport.get_write_buffer_size():
            return
        taken, now = taken_by(self._transport), asyncio.get_running_loop().time()
        if taken != self._taken:
            self._taken, self._since = taken, now
        if now - self._since >= self._seconds:
            self._on_stalled()
        else:
            self._later()


def taken_by(transport: asyncio.Transport) -> int:
    """Return a number that changes whenever the client's system has taken more.

    Linux knows how many bytes it has acknowledged. Elsewhere it is seen only when that makes room for much more.
    """
    try:
        info = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _ACKED_AT + 8)
        acked: int = struct.unpack_from("Q", info, _ACKED_AT)[0]
    except (AttributeError, OSError, struct.error):  # another system, or another kind of socket
        return -transport.get_write_buffer_size()
    return acked


def unread_by(transport: asyncio.Transport) -> int:
    """Return how many bytes wait for a client here: in this process and, where that can be told, in its system."""
    waiting: int = transport.get_write_buffer_size()
    with suppress(AttributeError, OSError):
        queued = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
        waiting += struct.unpack("i", queued)[0]
    return waiting
