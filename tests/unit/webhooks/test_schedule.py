"""When something is sent again: the specification's waits, with chance and time handed in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.webhooks.deliveries import MOST_ATTEMPTS_KEPT, Attempt, Delivery, DeliveryState
from fabula.webhooks.schedule import (
    DELAYS_SECONDS,
    Verdict,
    delay_before,
    is_dead,
    problem_of,
    retry_after_seconds,
    verdict_of,
)

DAY = 24 * 3600
NOW = 1_800_000_000.0


def test_the_waits_are_those_of_the_specification_over_a_day_and_a_third() -> None:
    """Eight attempts in all."""
    waits = [delay_before(attempt, 0.5) for attempt in range(1, 9)]

    assert [5, 300, 1800, 7200, 18000, 36000, 50400, None] == waits
    assert DAY < sum(DELAYS_SECONDS) < 1.5 * DAY


@given(st.integers(1, 7), st.floats(0, 1))
def test_chance_moves_a_wait_by_a_fifth_at_most(attempt: int, chance: float) -> None:
    """So what failed together does not come back together."""
    wait = delay_before(attempt, chance)

    assert wait is not None
    assert 0.8 * DELAYS_SECONDS[attempt - 1] - 1e-6 <= wait <= 1.2 * DELAYS_SECONDS[attempt - 1] + 1e-6


@given(st.integers(1, 7), st.floats(0, 1), st.floats(0, DAY))
def test_an_endpoint_is_never_asked_before_it_wants_to_be(attempt: int, chance: float, asked: float) -> None:
    """Nor before the schedule says so."""
    wait = delay_before(attempt, chance, asked)

    assert wait is not None
    assert wait >= asked
    assert wait >= 0.8 * DELAYS_SECONDS[attempt - 1] - 1e-6
    assert delay_before(8, chance, asked) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("999999999", DAY),
        ("Fri, 15 Jan 2027 08:01:00 GMT", 60.0),
        ("Fri, 15 Jan 2027 07:00:00 GMT", 0.0),
        ("Fri, 15 Jan 2100 07:00:00 GMT", DAY),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1e9", None),
        ("٣", None),
        ("9" * 400, None),
        ("Fri, 99 Jan 2027 08:01:00 GMT", None),
    ],
)
def test_retry_after_in_both_its_forms(header: str, seconds: float | None) -> None:
    """Bounded by a day; what cannot be read says nothing."""
    assert seconds == retry_after_seconds(header, NOW)


@pytest.mark.parametrize("status", range(200, 300))
def test_every_2xx_is_success(status: int) -> None:
    """And nothing else is."""
    assert Verdict.ACCEPTED is verdict_of(status)
    assert "" == problem_of(status)


@pytest.mark.parametrize("status", [0, 100, 199, 301, 302, 304, 307, 308, 400, 401, 404, 429, 500, 503])
def test_everything_else_is_not(status: int) -> None:
    """It says so; redirects with what to do about them."""
    assert Verdict.REFUSED is verdict_of(status)
    assert str(status) in problem_of(status)
    assert ("redirects are not followed" in problem_of(status)) is (300 <= status < 400)


def test_gone_is_for_good() -> None:
    """The endpoint has said so."""
    assert Verdict.GONE is verdict_of(410)


@pytest.mark.parametrize(
    ("days", "failures", "dead"), [(5, 12, True), (4.9, 1000, False), (5, 11, False), (400, 1, False), (6, 50, True)]
)
def test_an_endpoint_is_dead_after_days_and_attempts(days: float, failures: int, *, dead: bool) -> None:
    """Both: a bad minute each week is none."""
    assert dead is is_dead(NOW - days * DAY, failures, NOW)


def test_a_delivery_goes_through_its_attempts() -> None:
    """To its end; by hand it begins anew, under its id, and its history stays short."""
    delivery = Delivery("msg_1", "ann", "webhook-1", "generation.failed", "{}", NOW, next=NOW)
    for number in range(1, 9):
        assert DeliveryState.PENDING is delivery.state
        delivery = delivery.after(Attempt(NOW, 500, "busy", 1.5), delay_before(number, 0.5))

    assert [DeliveryState.FAILED, "after 8 attempts: busy", 8] == [
        delivery.state,
        delivery.failure,
        len(delivery.attempts),
    ]
    for _ in range(20):
        delivery = delivery.again(NOW + 5, 0).after(Attempt(NOW, 0, "no connection", 15.0), 5.0)
    assert [NOW + 20, 1, MOST_ATTEMPTS_KEPT] == [delivery.next, delivery.round, len(delivery.attempts)]
    done = delivery.after(Attempt(NOW, 204, "", 0.1), 5.0)
    assert [DeliveryState.DELIVERED, 0.0, ""] == [done.state, done.next, done.failure]
