"""Which entries of a log are lines of its readable log, and how they are sent. Pure."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from fabula.api.gateway.v1.gateway_pb2 import LogRecord
from fabula.rpc.log_records import LINE_BODIES, matters, record_of
from gateway.dialects import native
from gateway.dialects.native import Native
from gateway.entries import Frame, SharedEntry
from gateway.fan import Form
from gateway.frames import frame_bytes


def line_of(entry: SharedEntry, least: str = "") -> LogRecord | None:
    """Return the line that an entry is; None if it is none, or less important than `least`."""
    if entry.body not in LINE_BODIES:
        return None
    record = record_of(entry.response.event)
    return record if record is not None and matters(record, least) else None


@cache
def teller_of(least: str) -> Callable[[SharedEntry], bool]:
    """Return what tells which entries are sent: lines at least this important, and what says to start over."""
    return lambda entry: entry.is_reset or line_of(entry, least) is not None


def message_of(dialect: Native, entry: SharedEntry) -> Frame:
    """Return an entry that is sent as a message of the native WebSocket."""
    line = line_of(entry)
    return dialect.encode(native.entry_frame(entry) if line is None else native.log_frame(entry.generation_id, line))


@cache
def socket_form(name: str, door: str, least: str) -> Form:
    """Return the form in which a socket that speaks the native dialect of this name gets lines."""
    dialect = native.DIALECTS[name]

    def encode(entry: SharedEntry) -> bytes:
        return frame_bytes(message_of(dialect, entry))

    return Form(f"{name} line in a frame", encode, door, wants=teller_of(least))
