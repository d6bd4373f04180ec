from __future__ import annotations

import pytest

from fabula.backends.openai_protocol import is_too_long, reason_in, seconds_to_wait


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 0.0),
        ("soon", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    """Ten seconds after the epoch, this is how long to wait."""
    assert seconds == seconds_to_wait(header, now=10.0)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ('{"error": {"message": "no  such\\nmodel", "code": 1}}', "no such model"),
        ('{"error": "no such model"}', "no such model"),
        ('{"message": "no such model"}', "no such model"),
        ('{"detail": [{"loc": "body"}]}', '[{"loc": "body"}]'),
        ("<html>Bad Gateway</html>", "<html>Bad Gateway</html>"),
        ("x" * 1000, "x" * 300),
        ("", ""),
    ],
)
def test_the_reason_is_found_wherever_a_server_puts_it(body: str, reason: str) -> None:
    """Messages are one line, and not long."""
    assert reason == reason_in(body)


@pytest.mark.parametrize(
    ("reason", "too_long"),
    [
        ("This model's maximum context length is 4096 tokens. However, you requested 5000", True),
        ("the request exceeds the available context size, try increasing it", True),
        ("input exceeds the context window", True),
        ("response_format is not supported", False),
    ],
)
def test_a_text_beyond_the_window_is_told_from_other_refusals(reason: str, too_long: bool) -> None:
    """In the words of the servers that we know."""
    assert too_long == is_too_long(reason)
