"""Reads query parameters, and says precisely which one is wrong. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from fabula.errors import InvalidRequest

_FLAGS = {None: False, "": True, "1": True, "true": True, "0": False, "false": False}


def only(given: Iterable[str], known: Collection[str]) -> None:
    """Check that no parameter is given that nobody reads.

    Raises:
        InvalidRequest: there is one, misspelt perhaps.
    """
    unknown = tuple((name, "there is no such parameter") for name in sorted(set(given) - set(known)))
    if unknown:
        there_are = ", ".join(known) or "none"
        raise InvalidRequest(f"unknown parameter {unknown[0][0]!r}; there are: {there_are}", unknown)


def whole_number(name: str, text: str | None, largest: int) -> int | None:
    """Return a number from 0 to `largest`; None where the parameter is absent or empty. Raises `InvalidRequest`."""
    if not text:
        return 0 if text == "" else None
    if not (text.isascii() and text.isdigit()) or len(text) > 20 or int(text) > largest:
        problem = f"must be a whole number from 0 to {largest}"
        raise InvalidRequest(f"{name} {problem}", ((name, problem),))
    return int(text)


def flag(name: str, text: str | None) -> bool:
    """Return whether a flag is set: `?name`, `=1` or `=true`. Raises `InvalidRequest`."""
    if text not in _FLAGS:
        raise InvalidRequest(f"{name} must be 0 or 1", ((name, "must be 0 or 1"),))
    return _FLAGS[text]
