"""The table of the benchmarks: what is compared, and whether it is good enough."""

from __future__ import annotations

import pytest

from bench.table import Row, lines, page


def row(ours: list[float], theirs: list[float], aim: str, why: str = "") -> Row:
    """Return a row of seconds."""
    return Row("waiting", "s", ours, theirs, "the clock", aim, lower_is_better=True, why=why)


def test_a_ratio_is_that_of_the_middle_round() -> None:
    """Rounds are compared one by one, so that a slow moment of the machine counts on both sides."""
    assert 2.0 == row([2.0, 30.0, 4.0], [1.0, 10.0, 4.0], "≤ 3").ratio


@pytest.mark.parametrize(("aim", "met"), [("≤ 2", True), ("≤ 1.9", False), ("≥ 2", True), ("≥ 2.1", False)])
def test_an_aim_is_a_bound(aim: str, met: bool) -> None:
    """At most or at least; the bound itself is good enough."""
    assert met is row([2.0], [1.0], aim).met


def test_an_aim_in_other_words_is_refused() -> None:
    """What cannot be judged is found before the benchmarks run on."""
    with pytest.raises(ValueError, match="is no aim"):
        row([1.0], [1.0], "about 1")


def test_rounds_are_in_pairs() -> None:
    """A round without its counterpart is a mistake."""
    with pytest.raises(ValueError, match="2 rounds of ours, 1 of theirs"):
        row([1.0, 2.0], [1.0], "≤ 2")


def test_figures_stand_with_their_spread() -> None:
    """The median, with the least and the greatest behind it."""
    table = lines([row([1.0, 3.0, 2.0], [200.0, 1000.0, 400.0], "≤ 3")])

    assert (
        "| waiting (lower is better) | 2.00 s (1.00–3.00) | the clock | 400 s (200–1,000) | 0.01 | ≤ 3 | yes |" in table
    )


def test_a_missed_aim_is_said_plainly_and_explained() -> None:
    """The table marks it, and below it stands what is known of the reason."""
    written = page([row([9.0], [1.0], "≤ 3", "It dawdles."), row([1.0], [1.0], "≤ 3", "It hurries.")])

    assert "| 9.00 | ≤ 3 | **no** |" in written
    assert "**waiting** (9.00; aim ≤ 3). It dawdles." in written
    assert "It hurries." not in written


def test_where_all_aims_are_met_nothing_is_explained() -> None:
    """No heading without a text below it."""
    assert "missed" not in page([row([1.0], [1.0], "≤ 3")])
