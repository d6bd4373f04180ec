"""When something is sent again, and what an endpoint's answer means. Pure: time and chance are handed in."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from enum import Enum

DELAYS_SECONDS: tuple[float, ...] = (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600)
"""Waits before the second attempt, the third, …: those of Standard Webhooks up to a day and a third."""

JITTER = 0.2
"""A wait is longer or shorter by so much of it at most: what failed together does not come back together."""

LONGEST_RETRY_AFTER_SECONDS = 24 * 3600.0

FAILING_SECONDS = 5 * 24 * 3600.0
"""A webhook that has accepted nothing for so long is disabled,"""

FAILING_ATTEMPTS = 12
"""if so many attempts were made at least: one bad minute a week apart is no dead endpoint."""

THROTTLING = frozenset({429, 502, 503, 504})
"""Statuses by which an endpoint says that it has too much to do."""


class Verdict(Enum):
    """What an answer means."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    GONE = "gone"


def verdict_of(status: int) -> Verdict:
    """Return what an HTTP status means; 0 stands for no answer."""
    if 200 <= status < 300:
        return Verdict.ACCEPTED
    return Verdict.GONE if status == 410 else Verdict.REFUSED


def problem_of(status: int) -> str:
    """Return what is wrong with an answer, in a sentence; empty if nothing is."""
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"the endpoint answered {status}: redirects are not followed, register the address that it points to"
    if status == 410:
        return "the endpoint answered 410: it is gone for good"
    return f"the endpoint answered {status}"


def delay_before(attempt: int, chance: float, retry_after: float | None = None) -> float | None:
    """Return how many seconds to wait after a failed attempt; None: it was the last.

    Args:
        attempt: Which attempt has failed, from 1.
        chance: A random number from 0 to 1.
        retry_after: What the endpoint asked for, in seconds; None: nothing.
    """
    if attempt > len(DELAYS_SECONDS):
        return None
    delay = DELAYS_SECONDS[attempt - 1] * (1 + JITTER * (2 * chance - 1))
    if retry_after is not None:
        delay = max(delay, retry_after * (1 + JITTER * chance))  # later rather than sooner than was asked for
    return delay


def retry_after_seconds(header: str, now: float) -> float | None:
    """Return how long a `Retry-After` asks to wait, at most a day; None where it says nothing that can be read.

    Args:
        header: Its value: seconds, or an HTTP date.
        now: Unix time.
    """
    header = header.strip()
    if header.isascii() and header.isdigit() and len(header) < 12:
        return min(float(header), LONGEST_RETRY_AFTER_SECONDS)
    try:
        until = parsedate_to_datetime(header).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(until - now, 0.0), LONGEST_RETRY_AFTER_SECONDS)


def is_dead(failing_since: float, failures: int, now: float) -> bool:
    """Whether a webhook that has accepted nothing since then, in so many attempts, is to be disabled."""
    return failures >= FAILING_ATTEMPTS and now - failing_since >= FAILING_SECONDS
