"""Small lists of words by which somebody is read, drawn and told."""

from __future__ import annotations

from functools import cache

from services.character.grammar.table import Table, read_table


@cache
def _table() -> Table:
    return read_table("lists")


@cache
def listed_in(key: str) -> frozenset[str]:
    """Return a list of `lists.toml` as a set. Raises `LexiconInvalid` if there is none of that name."""
    return _table().known(key)


def check_lists() -> None:
    """Read all lists. Raises `LexiconInvalid`."""
    for key in _table().names():
        listed_in(key)
