from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.dialects.stages import role_and_number
from gateway.dialects.times import iso, milliseconds, seconds


@pytest.mark.parametrize(
    ("time", "text"),
    [
        (Timestamp(), "1970-01-01T00:00:00.000Z"),
        (Timestamp(seconds=1_795_226_583, nanos=999_999_999), "2026-11-21T02:03:03.999Z"),
        (Timestamp(seconds=1_795_226_583, nanos=5_000_000), "2026-11-21T02:03:03.005Z"),
    ],
)
def test_times_have_milliseconds_and_a_z(time: Timestamp, text: str) -> None:
    """What is finer is cut off, never rounded up."""
    assert text == iso(time)


def test_durations_are_seconds_or_milliseconds() -> None:
    """Both are numbers."""
    duration = Duration(seconds=2, nanos=345_600_000)

    assert (2.3456, 2346) == (seconds(duration), milliseconds(duration))


@pytest.mark.parametrize(
    ("stage", "parts"),
    [
        ("write-12", ("write", 12)),
        ("outline", ("outline", 0)),
        ("load_prompts", ("load_prompts", 0)),
        ("", ("", 0)),
        ("-1", ("-1", 0)),
        ("write-two", ("write-two", 0)),
        ("write-²", ("write-²", 0)),
    ],
)
def test_a_stage_is_a_role_and_perhaps_a_number(stage: str, parts: tuple[str, int]) -> None:
    """Whatever a stage is called, it can be taken apart."""
    assert parts == role_and_number(stage)
