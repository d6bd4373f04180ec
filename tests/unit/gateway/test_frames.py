from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from gateway.frames import frame_bytes


def parsed(data: bytes) -> Frame:
    """Read one frame by a library that has nothing to do with ours."""
    reader = StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    steps = Frame.parse(reader.read_exact, mask=False)
    try:
        while True:
            next(steps)
    except StopIteration as end:
        assert not len(reader.buffer)
        frame: Frame = end.value
        return frame


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 0xFFFF, 0x10000, 1_000_000])
def test_every_length_has_its_form(size: int) -> None:
    """Lengths of one byte, of two and of eight are written as RFC 6455 has them."""
    frame = parsed(frame_bytes(b"x" * size))

    assert (Opcode.BINARY, True, size) == (frame.opcode, frame.fin, len(frame.data))


@given(st.text())
def test_text_is_a_text_frame(text: str) -> None:
    """Any text arrives as it is, in UTF-8."""
    frame = parsed(frame_bytes(text))

    assert (Opcode.TEXT, text) == (frame.opcode, bytes(frame.data).decode())
