"""Parts of a whole, and colours with their parts, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_FRACTIONS = (
    (0.97, "nearly all"),
    (0.87, "about nine tenths"),
    (0.7, "about three quarters"),
    (0.58, "about two thirds"),
    (0.42, "about half"),
    (0.29, "about a third"),
    (0.225, "about a quarter"),
    (0.15, "about a fifth"),
    (0.075, "about a tenth"),
    (0.03, "about a twentieth"),
    (0.0, "a small part"),
)

ALL, NEARLY_ALL, MOSTLY, LARGE, SOME, TOUCH = 0.9995, 0.97, 0.58, 0.225, 0.08, 0.02
"""From which part on a colour is nearly all of something, most of it, or is named with its part; is "some"; is a
"touch". What is less is not named."""

_MOST_NAMED = 3

Shares = Sequence[tuple[str, float]]


def fraction(share: float) -> str:
    """Return a part of a whole in words: "about a third"."""
    return next(words for least, words in _FRACTIONS if share >= least)


def listed(items: Iterable[str]) -> str:
    """Return things in a row: "red, blue and green"."""
    *most, last = items
    return f"{', '.join(most)} and {last}" if most else last


def colours(shares: Shares) -> str:
    """Return which colours something has, to follow "it is": "mostly navy blue, with some cream and touches of red".

    Args:
        shares: Each colour's part, the largest first.
    """
    first, share = shares[0]
    if share >= ALL:
        return f"all {first}"
    if share >= NEARLY_ALL:
        return f"nearly all {first}"
    if share >= MOSTLY:
        head, rest = f"mostly {first}", shares[1:]
    else:
        large = [(name, part) for name, part in shares if part >= LARGE]
        named = [f"{fraction(part)} {name}" for name, part in large]
        head = listed(named) if named else "of many shades, none of them prevailing"
        rest = shares[len(large) :]
    tail = _tail(rest)
    return f"{head}, with {tail}" if tail else head


def names(shares: Shares) -> str:
    """Return the colours' names alone, the most important ones first: "chestnut brown, cream and black"."""
    important = [name for name, part in shares if part >= SOME][: _MOST_NAMED + 1]
    return listed(important or [shares[0][0]])


def _tail(shares: Shares) -> str:
    large = [f"{fraction(part)} {name}" for name, part in shares if part >= LARGE]
    some = [name for name, part in shares if SOME <= part < LARGE][:_MOST_NAMED]
    touches = [name for name, part in shares if TOUCH <= part < SOME][:_MOST_NAMED]
    parts = [*large]
    if some:
        parts.append(f"some {listed(some)}")
    if touches:
        parts.append(f"touches of {listed(touches)}")
    return " and ".join(parts) if len(parts) < 3 else f"{', '.join(parts[:-1])} and {parts[-1]}"
