"""Header blocks as NATS servers write them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client

from fabula.journal.client import LeanClient
from fabula.journal.stored import headers_of

NAMES = st.text(st.characters(codec="ascii", categories=("L", "N"), include_characters="-"), min_size=1, max_size=20)
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=30)


@given(st.dictionaries(NAMES, VALUES, max_size=12))
def test_headers_are_read_as_the_client_library_reads_them(headers: dict[str, str]) -> None:
    """Names and values come out as from nats-py's own, slower reading."""
    block = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode() + b"\r\n"

    assert Client._parse_header_lines(block) == LeanClient._parse_header_lines(block)


def test_the_fast_reading_is_in_use() -> None:
    """nats-py still calls what we replace; if this fails, a new release reads headers elsewhere, and slower."""
    assert "_parse_header_lines" in Client._process_headers.__code__.co_names


def test_lines_without_a_colon_are_passed_over() -> None:
    """Nothing but `Name: value` is a header; what is no UTF-8 is replaced, not refused."""
    assert {"A": "1", "B": "\ufffd"} == headers_of(b"A: 1\r\nnonsense\r\nB: \xff\r\n\r\n")
