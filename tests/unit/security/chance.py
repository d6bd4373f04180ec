"""What parsers are fed with."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.proof import share_of

MANY = settings(
    max_examples=share_of(1000),
    deadline=timedelta(seconds=10),
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
)
"""Each example has its time, generous on a busy machine: what grows by more than its input takes far longer."""

DEEP = st.integers(1, 3000).flatmap(
    lambda depth: st.sampled_from(["[" * depth, '{"a":' * depth, "[" * depth + "]" * depth])
)
LONG = st.integers(1, 6000).flatmap(
    lambda digits: st.sampled_from(["9" * digits, "-" + "1" * digits, "1e" + "9" * digits])
)
ODD = st.sampled_from(
    ["", "\0", "\r\n", "..", "%00", "%2f", "٣", "²", "Ⅷ", "𝟗", "\ud800", "😀" * 50, "x" * 5000, "null"]
)
TEXT = st.text(max_size=60) | ODD | LONG | DEEP
LATIN = st.text(st.characters(max_codepoint=255), max_size=80)
"""What a header can hold, as servers hand it over."""

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(10**30, 10**400) | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
