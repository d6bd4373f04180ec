"""What is written to the log is what is read from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fabula.api.story.v1 import story_pb2 as pb
from fabula.engine.events import Accepted, Event, Preview, Progress, State, tag_of
from fabula.engine.ports import Entry, GenerationId, Tag
from fabula.errors import LogCorrupted
from fabula.rpc.codec import ProtoCodec
from fabula.rpc.kinds import STORY
from services.story.codec import StoryCodec
from services.story.domain import Brief, Order
from tests.unit.engine.strategies import EVENTS

CODEC = ProtoCodec(STORY, StoryCodec())
ID = GenerationId("story-1")


def _strange_state(response: pb.WatchProgressResponse) -> None:
    response.event.state = 99  # type: ignore[assignment]  # a value of the future


def _strange_pending(response: pb.WatchProgressResponse) -> None:
    response.event.pending_request = 99  # type: ignore[assignment]  # a value of the future


def _no_body(response: pb.WatchProgressResponse) -> None:
    response.event.ClearField("accepted")


def _late(response: pb.WatchProgressResponse) -> None:
    response.event.time.seconds = 2**60


@settings(max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@given(EVENTS)
def test_every_event_survives_the_wire(event: Event) -> None:
    """Encoding and decoding again gives the same event, and the entry is tagged by what it holds."""
    entry = CODEC.encode(ID, event)

    assert event == CODEC.decode(entry)
    assert (event.sequence, tag_of(event.body)) == (entry.sequence, entry.tag)
    assert entry == CODEC.encode(ID, CODEC.decode(entry)), "the bytes are a function of the event"


@given(st.binary(max_size=200))
def test_bytes_that_are_no_event_are_corruption(data: bytes) -> None:
    """Whatever bytes lie in the log, they are an event or they are called corrupt; nothing else is raised."""
    try:
        event = CODEC.decode(Entry(1, Tag.STATE, data))
    except LogCorrupted:
        return
    assert isinstance(event, Event)


@pytest.mark.parametrize("break_it", [_strange_state, _strange_pending, _no_body, _late])
def test_values_that_no_version_has_written_are_corruption(
    break_it: Callable[[pb.WatchProgressResponse], None],
) -> None:
    """A state, a request, a body or a time from the future is not guessed at."""
    good = CODEC.encode(ID, Event(1, Accepted("story", "me", "1", Order(Brief("A fox"))), State.QUEUED))
    response = pb.WatchProgressResponse.FromString(good.data)
    break_it(response)

    with pytest.raises(LogCorrupted):
        CODEC.decode(replace(good, data=response.SerializeToString()))


def test_preview_is_ephemeral() -> None:
    """A preview has no sequence, and carries picture, state and progress."""
    preview = Preview(b"pixels", "image/png", 3, 1)

    entry = CODEC.encode_preview(ID, preview, State.RUNNING, Progress(0.5))

    assert (0, Tag.EPHEMERAL) == (entry.sequence, entry.tag)
    wire = pb.WatchProgressResponse.FromString(entry.data).event
    assert (b"pixels", "image/png", 3, 1) == (
        wire.preview.image,
        wire.preview.media_type,
        wire.preview.step,
        wire.preview.index,
    )
    assert 0.5 == wire.progress.fraction
