from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.errors import ResourceExhausted
from fabula.rpc.errors import RETRY_AFTER
from gateway.answers import problem_of
from gateway.limits import Bucket, Connections, Rates, Tally, address_key, too_many_messages


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return its time."""
        return self.now


@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("", ""),
        ("unknown", "unknown"),
        ("x" * 1000, "x" * 64),
    ],
)
def test_clients_are_told_apart_by_what_they_cannot_choose(address: str, key: str) -> None:
    """Of IPv6 by the network."""
    assert key == address_key(address)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.booleans())))
def test_a_count_is_right_whatever_comes_and_goes(steps: list[tuple[str, bool]]) -> None:
    """It is never above its bound, and what has gone is forgotten."""
    tally, inside = Tally(2), {"a": 0, "b": 0}
    for key, comes in steps:
        if comes:
            assert (inside[key] < 2) is tally.enter(key)
            inside[key] = min(2, inside[key] + 1)
        elif inside[key]:
            tally.leave(key)
            inside[key] -= 1
        assert inside[key] == tally[key]
    assert len(tally) == sum(count > 0 for count in inside.values())


@pytest.mark.parametrize(
    ("limits", "second", "name"),
    [
        ((1, 0, 0), ("192.0.2.2", "bea"), "connections"),
        ((9, 1, 0), ("192.0.2.1", "bea"), "connections_per_address"),
        ((9, 0, 1), ("192.0.2.2", "ann"), "connections_per_owner"),
    ],
)
def test_one_too_many_is_refused_until_one_has_gone(
    limits: tuple[int, int, int], second: tuple[str, str], name: str
) -> None:
    """The error names the limit; a refusal counts nowhere; in the end nothing is kept."""
    met: list[str] = []
    connections = Connections(*limits, met.append)
    place = connections.enter("192.0.2.1", "ann")
    before = connections.keys
    with pytest.raises(ResourceExhausted) as refused:
        connections.enter(*second)
    assert name == refused.value.details["limit"]
    assert (1, before) == (connections.count, connections.keys)
    place.leave()
    connections.enter(*second).leave()

    assert [name] == met
    assert (0, 0) == (connections.count, connections.keys)


def test_who_is_not_near_a_limit_is_not_refused() -> None:
    """Other addresses and other owners have their own."""
    connections = Connections(9, 1, 1)
    for number in range(9):
        connections.enter(f"192.0.2.{number}", f"owner-{number}")

    assert 9 == connections.count


def test_an_owner_may_turn_out_later_and_counts_once() -> None:
    """A refused one leaves the connection as it was."""
    connections = Connections(9, 0, 1)
    first, second = connections.enter(), connections.enter()
    first.belong_to("ann")
    first.belong_to("ann")
    with pytest.raises(ResourceExhausted):
        second.belong_to("ann")
    second.belong_to("bea")
    first.leave()
    second.leave()

    assert 0 == connections.keys


def test_a_bucket_gives_so_much_at_once_and_then_so_much_a_second() -> None:
    """It never holds more than it can."""
    clock = Clock()
    bucket = Bucket(2.0, 3, clock)
    assert [True, True, True, False] == [bucket.take() for _ in range(4)]
    clock.now += 0.5
    assert [True, False] == [bucket.take() for _ in range(2)]
    clock.now += 1000

    assert [True, True, True, False] == [bucket.take() for _ in range(4)]
    assert 1.5 == bucket.refill_seconds


def test_rates_are_kept_for_each_key_as_long_as_they_matter() -> None:
    """Whoever has not asked for long enough is forgotten."""
    clock = Clock()
    rates = Rates(1.0, 2, clock)
    assert [True, True, False] == [rates.take("a") for _ in range(3)]
    assert rates.take("b")
    assert 2 == len(rates)
    clock.now += 1.5
    assert rates.take("b")
    clock.now += 0.5
    assert rates.take("c")
    assert 2 == len(rates)
    clock.now += 60
    assert rates.take("c")

    assert 1 == len(rates)


def test_without_a_limit_nothing_is_kept() -> None:
    """Zero says: as much as you like."""
    rates, tally = Rates(0, 1), Tally(0)

    assert all(rates.take("a") and tally.enter("a") for _ in range(9))
    assert (0, 0) == (len(rates), len(tally))


def test_the_answer_says_when_to_come_again() -> None:
    """In its header and in its body."""
    problem = problem_of(too_many_messages(Bucket(2.0, 9)))
    response = problem.as_response()

    assert ("5", "5") == (problem.details[RETRY_AFTER], response.headers["retry-after"])
    assert (429, 4429) == (problem.http, problem.close)
