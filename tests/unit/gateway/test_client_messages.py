from __future__ import annotations

import pytest

from gateway.doors.client_messages import answer_to


@pytest.mark.parametrize("text", ["ping", '{"type": "ping"}', '{"type":"ping","timestamp":1}'])
def test_a_ping_is_answered(text: str) -> None:
    """As the bare word, too."""
    assert {"type": "pong"} == answer_to(text)


@pytest.mark.parametrize("text", ["pong", '{"type": "pong"}', '{"type": "keep-alive"}', '{"type": "heartbeat"}'])
def test_signs_of_life_are_not_answered(text: str) -> None:
    """They call for nothing."""
    assert answer_to(text) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null", '{"type": 7}', "{}", '{"type": "x"}', "[" * 50_000])
def test_nonsense_is_answered_with_an_error(text: str) -> None:
    """Whatever it is, however deep."""
    answer = answer_to(text)

    assert answer is not None
    assert "error" == answer["type"]
