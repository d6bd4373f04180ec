"""Every event there can be, as Hypothesis draws it. Times are whole microseconds, as the wire has them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar

from hypothesis import strategies as st

from fabula.engine.events import (
    Accepted,
    Advanced,
    Body,
    Cancelled,
    CancelRequested,
    Claimed,
    Event,
    Failed,
    Failure,
    LogLevel,
    LogLine,
    Paused,
    PauseRequested,
    Pending,
    Progress,
    Released,
    Remaining,
    Resumed,
    Retried,
    StageFinished,
    StageRestarted,
    StageStarted,
    State,
    Succeeded,
    TextDelta,
)
from services.story.domain import (
    Brief,
    Chapter,
    ChapterPlan,
    Character,
    Draft,
    Finding,
    Order,
    Outline,
    Review,
    Sampling,
    SourceRef,
    Story,
    Timing,
)

T = TypeVar("T")

WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)
TRIMMED = WORDS.map(str.strip)  # as orders are when they are accepted
ONE_LINE = WORDS.map(lambda text: " ".join(text.split()))
COUNTS = st.integers(0, 2**32 - 1)
SECONDS = st.integers(0, 10**12).map(lambda microseconds: microseconds / 1_000_000)
TIMES = st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - see timezones
FAILURES = st.builds(
    Failure, WORDS, WORDS, st.dictionaries(WORDS, WORDS, max_size=3).map(lambda found: tuple(sorted(found.items())))
)


def _many(one: st.SearchStrategy[T]) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(one, max_size=3).map(tuple)


CHARACTERS = st.builds(Character, ONE_LINE, ONE_LINE)
CHAPTERS = st.builds(Chapter, COUNTS, WORDS, WORDS)
OUTLINES = st.builds(
    Outline,
    WORDS,
    WORDS,
    WORDS,
    WORDS,
    _many(CHARACTERS),
    _many(st.builds(ChapterPlan, COUNTS, WORDS, WORDS, COUNTS, _many(WORDS))),
    WORDS,
)
REVIEWS = st.builds(Review, st.booleans(), _many(st.builds(Finding, WORDS, WORDS, COUNTS)))
DRAFTS = st.builds(Draft, WORDS, _many(CHAPTERS))
STORIES = st.builds(
    Story,
    title=WORDS,
    text=WORDS,
    words=COUNTS,
    outline=st.none() | OUTLINES,
    chapters=_many(CHAPTERS),
    reviews=_many(REVIEWS),
    model=WORDS,
    seed=COUNTS,
    timings=_many(st.builds(Timing, WORDS, SECONDS)),
)
SHARES = st.none() | st.floats(0, 2)
SOURCES = st.builds(SourceRef, WORDS, WORDS.filter(bool), COUNTS, WORDS)
BRIEFS = st.builds(
    Brief,
    premise=TRIMMED,
    source=st.just(""),
    title=ONE_LINE,
    genre=ONE_LINE,
    tone=ONE_LINE,
    audience=ONE_LINE,
    language=st.sampled_from(["en", "de"]),
    characters=_many(CHARACTERS),
    words=st.integers(1, 10_000),
    chapters=st.integers(0, 50),
    instructions=TRIMMED,
    seed=COUNTS,
    revisions=st.integers(0, 5),
    sampling=st.builds(Sampling, SHARES, SHARES),
)
ORDERS = st.builds(Order, BRIEFS, st.none() | SOURCES)
OUTPUTS = st.none() | OUTLINES | CHAPTERS | DRAFTS | REVIEWS | STORIES

BODIES: st.SearchStrategy[Body] = st.one_of(
    st.builds(Accepted, WORDS, WORDS, WORDS, ORDERS, WORDS),
    st.builds(Claimed, WORDS, COUNTS),
    st.builds(Released, WORDS, WORDS),
    st.builds(StageStarted, WORDS, _many(WORDS)),
    st.builds(Advanced, WORDS, st.none() | COUNTS, st.none() | COUNTS, WORDS),
    st.builds(TextDelta, WORDS, COUNTS, WORDS),
    st.builds(StageFinished, WORDS, OUTPUTS, SECONDS, COUNTS),
    st.builds(StageRestarted, WORDS, WORDS),
    st.builds(LogLine, WORDS, st.sampled_from(LogLevel)),
    st.just(CancelRequested()),
    st.just(PauseRequested()),
    st.just(Paused()),
    st.just(Resumed()),
    st.builds(Retried, WORDS),
    st.builds(Succeeded, OUTPUTS),
    st.builds(Failed, FAILURES, WORDS, st.booleans()),
    st.just(Cancelled()),
)
PROGRESS = st.builds(
    Progress,
    fraction=st.floats(0, 1),
    stage=WORDS,
    message=WORDS,
    step=st.none() | COUNTS,
    steps=st.none() | COUNTS,
    active_agents=_many(WORDS),
    elapsed=SECONDS,
    remaining=st.none() | st.builds(Remaining, SECONDS, SECONDS),
    queue_position=st.none() | COUNTS,
)
EVENTS = st.builds(
    Event,
    sequence=st.integers(1, 2**32 - 1),
    body=BODIES,
    state=st.sampled_from(State),
    progress=PROGRESS,
    pending=st.sampled_from(Pending),
    run=st.integers(1, 2**32 - 1),
    time=TIMES,
    trace_id=WORDS,
)
