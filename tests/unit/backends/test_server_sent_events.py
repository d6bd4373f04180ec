from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.backends.server_sent_events import EventDecoder, EventTooLong

LINES = st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])), min_size=1, max_size=3)


def decode(data: bytes, step: int = 1) -> list[str]:
    """Feed the bytes in pieces of `step`, and return the events' data."""
    decoder = EventDecoder()
    events = [event for at in range(0, len(data), step) for event in decoder.feed(data[at : at + step])]
    last = decoder.finish()
    return events if last is None else [*events, last]


@given(st.lists(LINES, max_size=4), st.integers(1, 20), st.sampled_from(["\n", "\r\n"]))
def test_events_come_out_as_they_went_in_however_the_network_chops_them(
    events: list[list[str]], step: int, end: str
) -> None:
    """Every line is kept, whatever line breaks Unicode sees in it."""
    data = "".join("".join(f"data: {line}{end}" for line in lines) + end for lines in events)

    assert ["\n".join(lines) for lines in events] == decode(data.encode(), step)


def test_what_is_no_data_is_passed_over() -> None:
    """Comments, names, ids and empty events are none of an answer's."""
    assert ["a", "b"] == decode(b": ping\n\nevent: x\nid: 7\ndata:a\n\n\n\nretry: 1\n\ndata: b")


def test_an_event_without_end_is_refused() -> None:
    """A server that sends something else does not fill the memory."""
    with pytest.raises(EventTooLong):
        decode(b"x" * 5 * 2**20, step=2**20)
