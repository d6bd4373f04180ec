from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.api.story.v1 import story_pb2 as pb
from fabula.errors import InvalidRequest
from fabula.rpc.wire import MOST_FIELDS, SMALL_BYTES, has_more_fields, read_request

MANY = 1_000_000


def field(tag: int, content: bytes) -> bytes:
    """Return a field of bytes."""
    size, number = b"", len(content)
    while number > 0x7F:
        size, number = size + bytes([number & 0x7F | 0x80]), number >> 7
    return bytes([tag]) + size + bytes([number]) + content


def start(content: bytes) -> bytes:
    """Return a request for a story, as it is on the wire."""
    number = pb.StartGenerationRequest.DESCRIPTOR.fields_by_name["story"].number
    return field(number << 3 | 2, content)


def characters(count: int) -> bytes:
    """Return so many characters that say nothing."""
    return bytes([pb.StoryRequest.DESCRIPTOR.fields_by_name["characters"].number << 3 | 2, 0]) * count


@pytest.mark.parametrize(
    "data",
    [
        start(characters(MANY)),
        start(characters(MANY)) + b"\xff",
        characters(MANY),
        b"\x0b" * MANY,
        b"\xf8\x07\x01" * MANY,
    ],
    ids=["items", "items, then nothing that can be read", "unknown fields", "groups", "unknown numbers"],
)
def test_a_request_of_very_many_fields_is_refused_before_it_is_read(data: bytes) -> None:
    """Two bytes on the wire are a hundred in memory; read, these would be more than a hundred times what is allowed."""
    with pytest.raises(InvalidRequest, match="more than 10000 fields"):
        read_request(pb.StartGenerationRequest, data)


def test_numbers_in_one_field_are_counted() -> None:
    """Packed, they have no tags."""
    number = pb.ListGenerationsRequest.DESCRIPTOR.fields_by_name["states"].number
    packed = field(number << 3 | 2, b"\x01" * MANY)
    with pytest.raises(InvalidRequest, match="fields"):
        read_request(pb.ListGenerationsRequest, packed)


def test_a_large_request_of_few_fields_is_read() -> None:
    """A long text is one field."""
    request = pb.StartGenerationRequest(story=pb.StoryRequest(source=pb.Source(text="owl " * SMALL_BYTES)))
    assert request == read_request(pb.StartGenerationRequest, request.SerializeToString())


@given(st.integers(0, 40), st.integers(0, 40))
def test_fields_are_counted_as_they_are(count: int, most: int) -> None:
    """Those of inner messages and the field that holds them, too."""
    assert (1 + count > most) == has_more_fields(start(characters(count)), pb.StartGenerationRequest.DESCRIPTOR, most)


@given(st.binary(max_size=200))
def test_whatever_comes_is_looked_at_in_bounded_time(data: bytes) -> None:
    """And leaves no exception but the documented one."""
    for cls in (pb.StartGenerationRequest, pb.WatchProgressRequest):
        has_more_fields(data, cls.DESCRIPTOR, MOST_FIELDS)
