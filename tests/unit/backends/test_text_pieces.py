from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.backends.text_pieces import Detokeniser, StopCutter


def decode_bytes(tokens: list[int]) -> str:
    """Decode tokens that are single bytes, as byte-level tokenisers do."""
    return bytes(tokens).decode("utf-8", "replace")


def decode_words(tokens: list[int]) -> str:
    """Decode tokens that are words with a space before all but the first, as SentencePiece does."""
    return " ".join(f"w{token}" for token in tokens)


@given(st.text())
def test_characters_of_several_tokens_are_never_torn(text: str) -> None:
    """Joined, the pieces are the text; alone, each is valid."""
    detokeniser = Detokeniser(decode_bytes)
    pieces = [detokeniser.push(byte) for byte in text.encode()]

    assert text == "".join(pieces) + detokeniser.finish()
    assert text.count("\ufffd") == sum(piece.count("\ufffd") for piece in pieces)


@given(st.lists(st.integers(0, 9), max_size=30), st.integers(0, 30))
def test_spaces_between_tokens_are_kept_also_after_a_prefix(tokens: list[int], place: int) -> None:
    """A continued answer goes on with the space that the whole has there."""
    detokeniser = Detokeniser(decode_words, tokens[:place])
    continuation = "".join(map(detokeniser.push, tokens[place:])) + detokeniser.finish()

    assert decode_words(tokens) == decode_words(tokens[:place]) + continuation


@given(st.lists(st.integers(0x80, 0xFF), max_size=100))
def test_bytes_that_are_no_text_do_not_pile_up(tokens: list[int]) -> None:
    """After four tokens something is shown, whatever they are."""
    detokeniser = Detokeniser(decode_bytes)
    empty = 0
    for token in tokens:
        empty = 0 if detokeniser.push(token) else empty + 1

        assert empty < 4


def test_an_unfinished_character_at_the_end_is_shown_as_such() -> None:
    """Nothing that the model wrote is dropped without a sign."""
    detokeniser = Detokeniser(decode_bytes)

    assert "" == detokeniser.push(0xC3)
    assert "\ufffd" == detokeniser.finish()


@given(st.text("abc", max_size=30), st.lists(st.text("abc", max_size=4), max_size=3), st.integers(1, 5))
def test_an_answer_ends_before_the_first_stop_string_however_it_is_cut(text: str, stops: list[str], step: int) -> None:
    """The result is that of searching the whole text at once."""
    cutter = StopCutter(stops)
    shown = "".join(cutter.push(text[at : at + step]) for at in range(0, len(text), step))
    # Cutting in pieces finds the stop string that is complete first; of those, the one that begins first.
    expected, stopped = cut_character_groups(text, stops, step)

    assert (expected, stopped) == (shown + cutter.finish(), cutter.stopped)


def cut_character_groups(text: str, stops: list[str], step: int) -> tuple[str, bool]:
    """Cut by looking at everything again after each piece."""
    for end in range(step, len(text) + step, step):
        found = [at for stop in stops if stop and (at := text[:end].find(stop)) >= 0]
        if found:
            return text[: min(found)], True
    return text, False


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        (["one E", "N", "D two"], ["one ", "", ""]),
        (["one E", "N", "ough"], ["one ", "", "ENough"]),
        (["END"], [""]),
        (["E", "E", "END"], ["", "E", "E"]),
    ],
)
def test_the_beginning_of_a_stop_string_is_held_back(pieces: list[str], shown: list[str]) -> None:
    """Nothing is shown that would have to be taken back."""
    cutter = StopCutter(["END"])

    assert shown == [cutter.push(piece) for piece in pieces]
