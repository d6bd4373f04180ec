from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.api.story.v1 import story_pb2 as pb
from fabula.engine import events as ev
from fabula.engine.events import Event, Failure, LogLevel, Pending, Preview, Progress, Remaining, State
from fabula.engine.history import fold
from fabula.engine.ports import Entry, GenerationId, Tag
from fabula.errors import LogCorrupted
from fabula.rpc.codec import ProtoCodec
from fabula.rpc.kinds import STORY
from services.story.codec import StoryCodec
from services.story.domain import Brief, Chapter, ChapterPlan, Order, Outline, Story

CODEC = ProtoCodec(STORY, StoryCodec())
ID = GenerationId("story-1")
NOW = datetime(2026, 11, 21, 12, 30, 15, 123456, tzinfo=UTC)
ORDER = Order(Brief("Ann counts boats.", seed=7))
OUTLINE = Outline("Boats", "Ann counts.", "sea story", "a harbour", (), (ChapterPlan(1, "One", "Ann counts.", 60),))
STORY_VALUE = Story("Boats", "# Boats\n", 0, None, (), (), "grammar/1", 7)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
seconds = st.integers(0, 10**12).map(lambda micros: micros / 1e6)
counts = st.integers(0, 2**32 - 1)
failures = st.builds(
    Failure, texts, texts, st.dictionaries(texts, texts, max_size=3).map(lambda d: tuple(sorted(d.items())))
)
bodies = st.one_of(
    st.builds(ev.Accepted, st.just("story"), texts, texts, st.just(ORDER), texts),
    st.builds(ev.Claimed, texts, counts),
    st.builds(ev.Released, texts, texts),
    st.builds(ev.StageStarted, texts, st.lists(texts, max_size=3).map(tuple)),
    st.builds(ev.Advanced, texts, st.none() | counts, st.none() | counts, texts),
    st.builds(ev.TextDelta, texts, counts, texts),
    st.builds(ev.StageFinished, texts, st.sampled_from([None, OUTLINE, Chapter(1, "One", "Boats.")]), seconds, counts),
    st.builds(ev.StageRestarted, texts, texts),
    st.builds(ev.LogLine, texts, st.sampled_from(LogLevel)),
    st.builds(ev.Retried, texts),
    st.builds(ev.Succeeded, st.sampled_from([None, STORY_VALUE])),
    st.builds(ev.Failed, failures, texts, st.booleans()),
    st.sampled_from([ev.CancelRequested(), ev.PauseRequested(), ev.Paused(), ev.Resumed(), ev.Cancelled()]),
)
progresses = st.builds(
    Progress,
    st.floats(0, 1),
    texts,
    texts,
    st.none() | counts,
    st.none() | counts,
    st.lists(texts, max_size=3).map(tuple),
    seconds,
    st.none() | st.builds(Remaining, seconds, seconds),
    st.none() | counts,
)
all_events = st.builds(
    Event,
    st.integers(1, 2**32 - 1),
    bodies,
    st.sampled_from(State),
    progresses,
    st.sampled_from(Pending),
    st.integers(1, 99),
    st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - given a zone
    texts,
)


@given(all_events)
def test_every_event_comes_back_from_its_bytes_as_it_was(event: Event) -> None:
    """The log holds all of it, and a reader need not decode to know the tag."""
    entry = CODEC.encode(ID, event)

    assert (event.sequence, ev.tag_of(event.body)) == (entry.sequence, entry.tag)
    assert event == CODEC.decode(entry)


def test_every_kind_of_body_has_a_row() -> None:
    """No event is forgotten on the wire; what is there beside them is told by servers only."""
    fields = {field.name for field in gen.Event.DESCRIPTOR.oneofs_by_name["body"].fields}
    encoded = {_wire(body).event.WhichOneof("body") for body in _one_of_each()}

    assert fields - {"preview", "snapshot", "reset", "waiting"} == encoded


def _one_of_each() -> list[ev.Body]:
    bodies: list[ev.Body] = [ev.Accepted("story", "ann", "r", ORDER), ev.Claimed("w", 1), ev.Released("w")]
    bodies += [ev.StageStarted("s"), ev.Advanced("s"), ev.TextDelta("s", 0, "x"), ev.StageFinished("s")]
    bodies += [ev.StageRestarted("s"), ev.LogLine("x"), ev.CancelRequested(), ev.PauseRequested(), ev.Paused()]
    bodies += [ev.Resumed(), ev.Retried("s"), ev.Succeeded(), ev.Failed(Failure("X", "x")), ev.Cancelled()]
    assert {type(body) for body in bodies} == set(ev.Body.__args__)
    return bodies


def _wire(body: ev.Body) -> pb.WatchProgressResponse:
    entry = CODEC.encode(ID, Event(1, body, State.RUNNING, time=NOW))
    return pb.WatchProgressResponse.FromString(entry.data)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (ev.Accepted("story", "ann", "r", ORDER), "request"),
        (ev.StageFinished("outline", OUTLINE), "outline"),
        (ev.StageFinished("write-1", Chapter(1, "One", "Boats.")), "chapter"),
        (ev.StageFinished("load_prompts"), None),
        (ev.Succeeded(STORY_VALUE), "story"),
        (ev.Paused(), None),
    ],
)
def test_an_output_stands_beside_the_event_that_brings_it(body: ev.Body, field: str | None) -> None:
    """Each in the field of its type; nothing where there is nothing."""
    assert field == _wire(body).WhichOneof("output")


def test_what_is_not_known_is_absent() -> None:
    """No time left, no steps, no place in the queue: absent, not zero."""
    wire = _wire(ev.Claimed("w", 1)).event.progress

    assert [] == [
        name for name in ("step", "steps", "remaining_p50", "remaining_p90", "queue_position") if wire.HasField(name)
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"\xff",
        b"",
        pb.WatchProgressResponse().SerializeToString(),
        pb.WatchProgressResponse(event=gen.Event(state=gen.STATE_RUNNING)).SerializeToString(),
        pb.WatchProgressResponse(event=gen.Event(claimed=gen.Claimed())).SerializeToString(),
        pb.WatchProgressResponse(event=gen.Event(state=gen.STATE_QUEUED, waiting=gen.Waiting())).SerializeToString(),
        pb.WatchProgressResponse(
            event=gen.Event(state=gen.STATE_QUEUED, claimed=gen.Claimed(), pending_request=99)  # type: ignore[arg-type]  # from the future
        ).SerializeToString(),
    ],
)
def test_bytes_that_no_log_holds_are_told_as_such(data: bytes) -> None:
    """A reader is told which entry cannot be read."""
    with pytest.raises(LogCorrupted, match="entry 3"):
        CODEC.decode(Entry(3, Tag.STATE, data))


def test_a_snapshot_is_one_event_with_all_that_was() -> None:
    """State, progress and stages with their text so far, and the story as far as it is written."""
    snapshot = fold(_events())

    wire = pb.WatchProgressResponse.FromString(CODEC.encode_snapshot(ID, snapshot))

    assert ("snapshot", ID, 6, gen.STATE_RUNNING, "t" * 32) == (
        wire.event.WhichOneof("body"),
        wire.event.generation_id,
        wire.event.sequence,
        wire.event.state,
        wire.event.trace_id,
    )
    assert [("outline", True, ""), ("write-1", False, "Ann counts")] == [
        (view.stage, view.finished, view.text) for view in wire.event.snapshot.stages
    ]
    assert [True, False] == [view.HasField("elapsed") for view in wire.event.snapshot.stages]
    assert ("Boats", "# Boats\n\nAnn counts\n", 2, 7) == (
        wire.story.title,
        wire.story.text,
        wire.story.word_count,
        wire.story.seed,
    )
    assert NOW == wire.event.time.ToDatetime(UTC)


def test_a_reset_is_a_snapshot_with_a_reason() -> None:
    """It says why the cursor cannot be served, and what holds now."""
    snapshot = fold(_events())

    reset = pb.WatchProgressResponse.FromString(CODEC.encode_snapshot(ID, snapshot, reset="the log was cut"))
    plain = pb.WatchProgressResponse.FromString(CODEC.encode_snapshot(ID, snapshot))

    assert ("reset", "the log was cut") == (reset.event.WhichOneof("body"), reset.event.reset.reason)
    assert plain.event.snapshot == reset.event.reset.snapshot
    assert plain.story == reset.story


def test_a_failure_stands_in_the_snapshot() -> None:
    """Why the last run failed is part of what holds."""
    failed = Event(7, ev.Failed(Failure("MODEL_CRASHED", "it died", (("a", "b"),)), "write-1"), State.FAILED, time=NOW)

    wire = pb.WatchProgressResponse.FromString(CODEC.encode_snapshot(ID, fold([*_events(), failed])))

    assert gen.Failure(code="MODEL_CRASHED", message="it died", details={"a": "b"}) == wire.event.snapshot.failure


def test_what_is_not_part_of_the_log_has_no_sequence() -> None:
    """Previews and places in the queue replace each other; they are never counted."""
    preview = CODEC.encode_preview(ID, Preview(b"png", "image/png", 3, 1), State.RUNNING, Progress(0.5))
    waiting = CODEC.encode_waiting(ID, Progress(queue_position=2))

    for entry in (preview, waiting):
        assert (0, Tag.EPHEMERAL) == (entry.sequence, entry.tag)
        assert 0 == pb.WatchProgressResponse.FromString(entry.data).event.sequence
    assert (1, 0) == (preview.place, waiting.place)
    shown: Any = pb.WatchProgressResponse.FromString(preview.data).event
    assert gen.Preview(image=b"png", media_type="image/png", step=3, index=1) == shown.preview
    told = pb.WatchProgressResponse.FromString(waiting.data).event
    assert ("waiting", gen.STATE_QUEUED, 2) == (told.WhichOneof("body"), told.state, told.progress.queue_position)


def _events() -> list[Event]:
    """Return a log in the middle of its first chapter."""
    bodies: list[ev.Body] = [
        ev.Accepted("story", "ann", "r", ORDER),
        ev.Claimed("w", 1),
        ev.StageStarted("outline", ("Planner",)),
        ev.StageFinished("outline", OUTLINE, 1.5),
        ev.StageStarted("write-1", ("Writer",)),
        ev.TextDelta("write-1", 0, "Ann counts"),
    ]
    events = [Event(n, body, State.RUNNING, time=NOW, trace_id="t" * 32) for n, body in enumerate(bodies, start=1)]
    return [replace(events[0], state=State.QUEUED), *events[1:]]
