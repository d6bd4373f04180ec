from __future__ import annotations

import math

import pytest

from fabula.backends.image import Part
from fabula.backends.painting.batching import Company, Rank, Ticket, choose, wakes_at, what_pays
from fabula.backends.painting.requests import Terms

TERMS = Terms(Part.BASE, 64, 64, 30, 5.0, "euler", None, None)
OTHER = Terms(Part.BASE, 64, 64, 20, 5.0, "euler", None, None)
REFINED = Terms(Part.REFINER, 64, 64, 30, 5.0, "euler", 0.8, None)


def base(number: int, pictures: int = 1, terms: Terms | None = TERMS, until: float = 0.0) -> Ticket:
    """Return a request for base steps."""
    return Ticket(number, Rank.BASE, terms, pictures, until)


def numbers(batch: list[Ticket]) -> list[int]:
    """Return who was chosen."""
    return [ticket.number for ticket in batch]


def test_equal_terms_share_a_batch_in_the_order_of_arrival() -> None:
    """Others wait for their turn."""
    waiting = [base(3), base(1), base(2, terms=OTHER), base(4)]

    assert [1, 3, 4] == numbers(choose(waiting, 8, now=0.0))


def test_a_batch_is_not_larger_than_the_limit() -> None:
    """Who does not fit waits, and a smaller one behind may take the place."""
    waiting = [base(1, 2), base(2, 3), base(3, 2), base(4)]

    assert [1, 3] == numbers(choose(waiting, 4, now=0.0))


def test_a_request_larger_than_the_limit_is_a_batch_of_its_own() -> None:
    """Its pictures are painted together in any case."""
    assert [1] == numbers(choose([base(1, 8), base(2)], 4, now=0.0))


def test_what_is_begun_is_finished_first() -> None:
    """A prompt is read before all, then pictures are decoded, refined, begun."""
    waiting = [base(1), Ticket(2, Rank.REFINER, REFINED), Ticket(3, Rank.DECODE), Ticket(4, Rank.ENCODE)]
    served = []
    while waiting:
        (chosen,) = choose(waiting, 8, now=0.0)
        waiting.remove(chosen)
        served.append(chosen.number)

    assert [4, 3, 2, 1] == served


def test_who_goes_on_in_the_middle_runs_alone() -> None:
    """Its batch has its shape already."""
    assert [1] == numbers(choose([base(1, terms=None), base(2), base(3)], 8, now=0.0))


def test_a_first_request_waits_for_company_but_not_longer_than_it_may() -> None:
    """Meanwhile others may be served; when one of a batch has waited long enough, all of it begin."""
    waiting = [base(1, until=5.0), base(2, until=6.0)]

    assert [] == choose(waiting, 8, now=4.0)
    assert 5.0 == wakes_at(waiting)
    assert [3] == numbers(choose([*waiting, Ticket(3, Rank.ENCODE)], 8, now=4.0))
    assert [1, 2] == numbers(choose(waiting, 8, now=5.0))


def test_a_full_batch_waits_for_nobody() -> None:
    """There is no room for company."""
    assert [1, 2] == numbers(choose([base(1, until=5.0), base(2, until=6.0)], 2, now=0.0))


def test_with_a_limit_of_one_each_runs_alone_at_once() -> None:
    """Nobody waits for company that cannot come."""
    assert [1] == numbers(choose([base(1, until=5.0), base(2, until=6.0)], 1, now=0.0))


def test_nobody_waits_where_nobody_is() -> None:
    """An empty queue has nothing to choose from."""
    assert [] == choose([], 8, now=0.0)
    assert math.inf == wakes_at([])


def test_company_is_expected_until_it_has_come_or_is_late() -> None:
    """Each arrival ends one expectation; who is late is not waited for."""
    company = Company(0.5)
    assert 1.0 == company.until(1.0)

    company.expect(1.0)
    company.expect(1.25)
    assert 1.75 == company.until(1.3)
    company.arrived(1.3)
    assert 1.75 == company.until(1.3)
    company.arrived(1.4)
    company.arrived(1.4)
    assert 1.4 == company.until(1.4)

    company.expect(2.0)
    assert 2.5 == company.until(2.0)
    assert 2.5 == company.until(2.5)


@pytest.mark.parametrize(
    ("device", "weights", "expected"),
    [
        ("cpu", 2_000_000, 8),
        ("cuda:0", 2_000_000, 8),
        ("cpu", 2_600_000_000, 1),
        ("mps", 2_600_000_000, 2),
        ("cuda:1", 2_600_000_000, 4),
    ],
)
def test_what_pays_depends_on_the_device_and_the_network(device: str, weights: int, expected: int) -> None:
    """A processor is busy with one picture of a large network."""
    assert expected == what_pays(device, weights)
