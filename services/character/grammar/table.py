"""Typed reading of TOML tables, with errors that name the file and the entry. Knows nothing of characters."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any


class LexiconInvalid(ValueError):
    """A data file of the grammar is not as it must be; the message names the file and the entry."""


def spread(listed: str) -> tuple[str, ...]:
    """Return the words of a list written as one string; "_" joins the words of a compound."""
    return tuple(word.replace("_", " ") for word in listed.split())


class Table:
    """One TOML table with typed access and errors that name where they are."""

    def __init__(self, where: str, data: Mapping[str, Any]) -> None:
        self.where = where
        self._data = data

    def names(self) -> tuple[str, ...]:
        """Return the keys in the order of the file."""
        return tuple(self._data)

    def text(self, key: str) -> str:
        """Read a text; it must be there, and may be empty."""
        value = self._data.get(key)
        if not isinstance(value, str):
            raise LexiconInvalid(f"{self.where}: '{key}' must be a text.")
        return value

    def number(self, key: str) -> int:
        """Read a whole number."""
        value = self._data.get(key)
        if not isinstance(value, int):
            raise LexiconInvalid(f"{self.where}: '{key}' must be a whole number.")
        return value

    def words(self, key: str) -> tuple[str, ...]:
        """Read a text of words, in its order."""
        return spread(self.text(key))

    def known(self, key: str) -> frozenset[str]:
        """Read a text of words as a set."""
        return frozenset(self.words(key))

    def texts(self, key: str) -> tuple[str, ...]:
        """Read a list of texts, at least one."""
        value = self._data.get(key)
        if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
            raise LexiconInvalid(f"{self.where}: '{key}' must be a list of texts.")
        return tuple(value)

    def fields(self, key: str, count: int) -> tuple[tuple[str, ...], ...]:
        """Read "a | b | c" lines of exactly `count` fields."""
        rows = tuple(tuple(field.strip() for field in line.split("|")) for line in self.texts(key))
        for row in rows:
            if len(row) != count:
                raise LexiconInvalid(f"{self.where}: '{key}': {' | '.join(row)!r} must have {count} fields.")
        return rows

    def table(self, key: str) -> Table:
        """Read a table; it must be there."""
        value = self._data.get(key)
        if not isinstance(value, dict):
            raise LexiconInvalid(f"{self.where}: '{key}' must be a table.")
        return Table(f"{self.where}.{key}", value)


def read_table(name: str) -> Table:
    """Read one data file of the package, wherever it is installed."""
    source = files("services.character.grammar") / "data" / f"{name}.toml"
    try:
        return Table(f"{name}.toml", tomllib.loads(source.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise LexiconInvalid(f"{name}.toml: {error}") from error
