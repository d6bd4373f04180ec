"""What may come from a client, told from its first characters. Pure.

Packets that are let through are ones that the library below reads without stumbling.

Sources: Engine.IO protocol, revision 4 (sections "Packet encoding" and "HTTP long-polling"); Socket.IO protocol,
revision 5 (section "Packet encoding").
"""

from __future__ import annotations

import base64
import binascii

SEPARATOR = "\x1e"
"""Stands between the packets of one HTTP body."""

CLOSE = "1"
PROBE = "2probe"
PONG = "3"
MESSAGE = "4"
UPGRADE = "5"
NOOP = "6"
BINARY = "b"
"""Before a binary message in base64, where only text goes."""

MOST_PACKETS = 256
"""Packets of one HTTP body: a page that has lost its connection sends all that has gathered meanwhile at once."""

_SOCKET_IO_TYPES = frozenset("0123456")
"""Types of Socket.IO packets."""


def is_readable(packet: str) -> bool:
    """Say whether a packet is one that a client may send."""
    if packet.startswith(MESSAGE):
        return packet[1:2] in _SOCKET_IO_TYPES and len(packet) > 1
    if packet.startswith(BINARY):
        return _is_base64(packet[1:])
    return packet in {CLOSE, PROBE, UPGRADE} or packet.startswith(PONG)


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return False


def packets_of(body: str) -> list[str] | None:
    """Return the packets of an HTTP body, as they are read; None if it holds what no client may send."""
    packets = body.split(SEPARATOR)
    is_good = len(packets) <= MOST_PACKETS and PROBE not in packets and all(map(is_readable, packets))
    return [without_content(packet) for packet in packets] if is_good else None


def without_content(packet: str) -> str:
    """Return a packet as it is read: what comes with a PONG says nothing, but it would be taken for JSON."""
    return PONG if packet.startswith(PONG) else packet


def event_of(data: object) -> tuple[str, list[object]] | None:
    """Return the name and the arguments of an event's content; None if it is none that a client may send.

    The names that the protocol keeps for itself would reach what is done when clients come and go.
    """
    if not isinstance(data, list) or not data or not isinstance(data[0], str):
        return None
    name: str = data[0]
    return None if name in {"connect", "connect_error", "disconnect", "disconnecting"} else (name, data[1:])
