"""Strategies for everything a story is made of."""

from __future__ import annotations

from hypothesis import strategies as st

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

texts = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)
filled = texts.map(lambda text: f"x{text.strip()}y")
lines = filled.map(lambda text: " ".join(text.split()))  # as orders are when they are accepted
counts = st.integers(0, 2**32 - 1)
seconds = st.integers(0, 10**12).map(lambda micros: micros / 1e6)

characters = st.builds(Character, texts, texts)
chapters = st.builds(Chapter, counts, texts, texts)
plans = st.builds(ChapterPlan, counts, texts, texts, counts, st.lists(texts, max_size=3).map(tuple))
outlines = st.builds(
    Outline,
    texts,
    texts,
    texts,
    texts,
    st.lists(characters, max_size=3).map(tuple),
    st.lists(plans, max_size=3).map(tuple),
    texts,
)
drafts = st.builds(Draft, texts, st.lists(chapters, max_size=3).map(tuple))
reviews = st.builds(Review, st.booleans(), st.lists(st.builds(Finding, texts, texts, counts), max_size=3).map(tuple))
stories = st.builds(
    Story,
    texts,
    texts,
    counts,
    st.none() | outlines,
    st.lists(chapters, max_size=3).map(tuple),
    st.lists(reviews, max_size=2).map(tuple),
    texts,
    counts,
    st.lists(st.builds(Timing, texts, seconds), max_size=3).map(tuple),
)
briefs = st.builds(
    Brief,
    premise=filled,
    title=lines,
    genre=lines,
    tone=lines,
    audience=lines,
    language=st.sampled_from(["en", "de", "zh-Hant"]),
    characters=st.lists(st.builds(Character, lines, filled), max_size=3).map(tuple),
    words=st.integers(50, 20_000),
    chapters=st.integers(0, 40),
    instructions=filled,
    seed=counts,
    revisions=st.integers(0, 5),
    sampling=st.builds(Sampling, st.none() | st.floats(0, 2), st.none() | st.floats(0.01, 1)),
)
orders = st.builds(Order, briefs, st.none() | st.builds(SourceRef, texts, texts, counts, texts))
