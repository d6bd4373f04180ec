from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.backends.host.frames import Frame, FrameDecoder, FrameError, encode
from fabula.backends.host.messages import Cancel, Ended, Failed, Item, Load, Message, Ready, Run, decode
from fabula.backends.host.messages import encode as encode_message

JSON = st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text())
FRAMES = st.builds(Frame, JSON, st.binary(max_size=300))


def decode_all(data: bytes, step: int) -> list[Frame]:
    """Feed the bytes in pieces of `step`, and return the frames."""
    decoder = FrameDecoder()
    frames: list[Frame] = []
    for start in range(0, len(data), step):
        decoder.feed(data[start : start + step])
        while (frame := decoder.next()) is not None:
            frames.append(frame)
    return frames


@given(st.lists(FRAMES, max_size=5), st.integers(1, 64))
def test_frames_come_out_as_they_went_in_however_the_pipe_chops_them(frames: list[Frame], step: int) -> None:
    """Encoding and decoding are inverse, lone surrogates included."""
    assert frames == decode_all(b"".join(map(encode, frames)), step)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff" * 8,
        struct.pack(">II", 4, 0) + b"no!!",
        struct.pack(">II", 2, 0) + b"[]",
        struct.pack(">II", 2, 0) + b"\xff\xff",
    ],
    ids=["absurd length", "no JSON", "no object", "no UTF-8"],
)
def test_bytes_that_are_no_frame_are_refused(data: bytes) -> None:
    """A stray print in the pipe is an error, not an endless wait."""
    with pytest.raises(FrameError):
        decode_all(data, 8)


@pytest.mark.parametrize(
    "message",
    [
        Load("module:function", {"a": 1}),
        Run(1, {"a": [1, "ü"]}, b"\x00\xff"),
        Cancel(2),
        Ready({}),
        Item(3, {"text": "x"}),
        Ended(4, cancelled=True),
        Failed(5, "MODEL_CRASHED", "why", usable=False),
    ],
    ids=lambda message: type(message).__name__,
)
def test_every_message_survives_the_pipe(message: Message) -> None:
    """What one end encodes the other decodes to the same."""
    (frame,) = decode_all(encode_message(message), 7)

    assert message == decode(frame)


@pytest.mark.parametrize("header", [{}, {"kind": "unheard of"}, {"kind": "cancel"}, {"kind": "cancel", "x": 1}])
def test_a_frame_without_a_known_message_is_refused(header: dict[str, object]) -> None:
    """Versions that differ are noticed."""
    with pytest.raises(FrameError):
        decode(Frame(header))
