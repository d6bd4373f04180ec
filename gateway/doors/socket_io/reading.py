"""Reads the Socket.IO packets of one client, with their attachments.

Source: Socket.IO protocol, revision 5 (sections "Exchange protocol" and "Packet encoding").
"""

from __future__ import annotations

from typing import Any

from socketio import packet as socket_packet

from gateway.doors.socket_io.packets import event_of

MOST_ATTACHMENTS = 16
"""Binary parts of one packet. No event here takes any: who sends some is told so, as anybody whose content is wrong."""

UNREADABLE = (ValueError, TypeError, LookupError, RecursionError)
"""What is raised for what is no packet."""

_WHOLE = {socket_packet.BINARY_EVENT: socket_packet.EVENT, socket_packet.BINARY_ACK: socket_packet.ACK}
"""What a binary packet is once its attachments are in their places."""


class PacketReader:
    """One client's.

    Args:
        most_bytes: How much the attachments of one packet may hold together.
    """

    __slots__ = ("_greeted", "_left", "_most_bytes", "_waiting")

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._left = 0
        self._waiting: Any = None
        self._greeted = False

    def read(self, data: Any) -> Any:
        """Return a packet, once it is whole; None while attachments are still to come.

        Raises:
            UNREADABLE: it is no packet, or not one that may come now: first of all a client asks to be let in, and
                between a packet and its attachments nothing else comes.
        """
        if isinstance(data, str):
            packet = self._begin(data)
        elif self._waiting is None:
            raise TypeError("no packet has attachments")
        else:
            packet = self._attach(bytes(data))
        if packet is not None:
            _check(packet)
        return packet

    def _begin(self, text: str) -> Any:
        if self._waiting is not None:
            raise ValueError("an attachment is missing")
        packet = socket_packet.Packet(encoded_packet=text)
        self._greeted = self._greeted or packet.packet_type == socket_packet.CONNECT
        if not self._greeted:
            raise ValueError("first of all comes CONNECT")
        binary = packet.packet_type in _WHOLE
        if binary != bool(packet.attachment_count) or packet.attachment_count > MOST_ATTACHMENTS:
            raise ValueError("not so many attachments")
        if not binary:
            return packet
        if not isinstance(packet.data, list) or (
            packet.packet_type == socket_packet.BINARY_EVENT and not event_of(packet.data)
        ):
            raise ValueError("no content")
        self._waiting, self._left = packet, self._most_bytes
        return None

    def _attach(self, data: bytes) -> Any:
        self._left -= len(data)
        if self._left < 0:
            raise ValueError("the attachments are too large")
        packet = self._waiting
        if not packet.add_attachment(data):
            return None
        self._waiting = None
        packet.packet_type = _WHOLE[packet.packet_type]
        return packet


def _check(packet: Any) -> None:
    """Check the content of a packet. Raises `ValueError`."""
    match packet.packet_type:
        case socket_packet.EVENT if event_of(packet.data) is None:
            raise ValueError("no event")
        case socket_packet.CONNECT if not isinstance(packet.data, dict | None):
            raise ValueError("no credentials")
        case socket_packet.ACK if not isinstance(packet.data, list) or packet.id is None:
            raise ValueError("no acknowledgement")
        case socket_packet.CONNECT_ERROR:
            raise ValueError("not for clients")
