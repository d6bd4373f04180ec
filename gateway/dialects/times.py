"""Times as front ends read them. Pure."""

from __future__ import annotations

from datetime import UTC

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp


def iso(time: Timestamp) -> str:
    """Return a time as ISO 8601 in UTC with milliseconds and a Z, e.g. "2026-11-21T01:53:03.146Z".

    What is finer is cut off, as JavaScript's `toISOString` does, so that no time comes to lie in the future.
    """
    return time.ToDatetime(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def seconds(duration: Duration) -> float:
    """Return a duration in seconds."""
    return duration.ToMicroseconds() / 1_000_000


def milliseconds(duration: Duration) -> int:
    """Return a duration in whole milliseconds."""
    return round(duration.ToMicroseconds() / 1_000)
