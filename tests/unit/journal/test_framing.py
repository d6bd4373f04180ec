"""Records as bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.engine.ports import Entry, Tag
from fabula.errors import LogCorrupted
from fabula.journal import framing

some_entries = st.lists(st.tuples(st.sampled_from(Tag), st.binary(max_size=300)), min_size=1, max_size=20)


@given(some_entries, st.integers(1, 2**40))
def test_what_is_encoded_is_decoded(parts: list[tuple[Tag, bytes]], first: int) -> None:
    """Every list of entries survives, with its sequences."""
    entries = tuple(Entry(first + index, tag, data) for index, (tag, data) in enumerate(parts))

    assert entries == framing.decode(framing.encode(entries), first)


@given(some_entries, st.integers(0, 1000))
def test_payload_that_is_cut_off_is_never_taken_for_whole(parts: list[tuple[Tag, bytes]], cut: int) -> None:
    """A truncated payload is an error, or ends exactly between two entries."""
    entries = [Entry(1 + index, tag, data) for index, (tag, data) in enumerate(parts)]
    payload = framing.encode(entries)[:cut]
    try:
        decoded = framing.decode(payload, 1)
    except LogCorrupted:
        return

    assert list(decoded) == entries[: len(decoded)]


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(garbage: bytes) -> None:
    """No bytes raise anything but LogCorrupted."""
    try:
        framing.decode(garbage, 1)
    except LogCorrupted:
        return


@pytest.mark.parametrize("size", [0, 127, 128, 16383, 16384, 1 << 20])
def test_lengths_around_the_borders_of_their_encoding(size: int) -> None:
    """Lengths of one, two and three bytes are read back."""
    entry = Entry(1, Tag.TEXT, b"x" * size)

    assert (entry,) == framing.decode(framing.encode([entry]), 1)


def test_stored_bytes_stay_readable() -> None:
    """The format of version 1 is fixed: logs outlive the program."""
    entries = (Entry(7, Tag.STATE, b"ab"), Entry(8, Tag.TERMINAL, b""))

    assert framing.encode(entries) == b"\x01s\x02abz\x00"
    assert entries == framing.decode(b"\x01s\x02abz\x00", 7)


def test_ephemeral_entries_have_no_sequence() -> None:
    """A first sequence of zero stands for entries outside the log."""
    entry = Entry(0, Tag.EPHEMERAL, b"x")

    assert (entry,) == framing.decode(framing.encode([entry]), 0)
