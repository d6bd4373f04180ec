"""Typed reading of TOML tables, with errors that name the file and the entry. Knows nothing of stories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.story.grammar.template import Passage, TemplateInvalid, parse


class LexiconInvalid(ValueError):
    """A data file of the grammar is not as it must be; the message names the file and the entry."""


class Table:
    """One TOML table with typed access and errors that name where they are."""

    def __init__(self, where: str, data: Mapping[str, Any]) -> None:
        self.where = where
        self._data = data

    def names(self) -> tuple[str, ...]:
        """Return the keys in the order of the file."""
        return tuple(self._data)

    def text(self, key: str, default: str | None = None) -> str:
        """Read a text."""
        value = self._data.get(key, default)
        if not isinstance(value, str):
            raise LexiconInvalid(f"{self.where}: '{key}' must be a text.")
        return value

    def number(self, key: str, default: int) -> int:
        """Read a whole number."""
        value = self._data.get(key, default)
        if not isinstance(value, int):
            raise LexiconInvalid(f"{self.where}: '{key}' must be a whole number.")
        return value

    def words(self, key: str) -> frozenset[str]:
        """Read a text of words as a set; "_" joins compounds."""
        return frozenset(word.replace("_", " ") for word in self.text(key, "").split())

    def texts(self, key: str, *, needed: bool = True) -> tuple[str, ...]:
        """Read a list of texts."""
        value = self._data.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value) or (needed and not value):
            raise LexiconInvalid(f"{self.where}: '{key}' must be a list of texts.")
        return tuple(value)

    def passages(self, key: str, *, needed: bool = True) -> tuple[Passage, ...]:
        """Read a list of templates."""
        return tuple(self._parsed(key, source) for source in self.texts(key, needed=needed))

    def passage(self, key: str) -> Passage:
        """Read one template."""
        return self._parsed(key, self.text(key))

    def _parsed(self, key: str, source: str) -> Passage:
        try:
            return parse(source)
        except TemplateInvalid as error:
            raise LexiconInvalid(f"{self.where}: '{key}': {error}") from error

    def table(self, key: str) -> Table:
        """Read a table; an absent one is empty."""
        value = self._data.get(key, {})
        if not isinstance(value, dict):
            raise LexiconInvalid(f"{self.where}: '{key}' must be a table.")
        return Table(f"{self.where}.{key}", value)

    def tables(self, key: str) -> list[Table]:
        """Read a list of tables."""
        value = self._data.get(key, [])
        if not isinstance(value, list) or not value:
            raise LexiconInvalid(f"{self.where}: '{key}' must be a list of tables.")
        return [Table(f"{self.where}.{key}[{index}]", item) for index, item in enumerate(value)]

    def decks(self, key: str) -> dict[str, tuple[str, ...]]:
        """Read a table of lists of texts."""
        table = self.table(key)
        return {name: table.texts(name) for name in table.names()}

    def banks(self, key: str) -> dict[str, tuple[Passage, ...]]:
        """Read a table of lists of templates."""
        table = self.table(key)
        return {name: table.passages(name) for name in table.names()}

    def fields(self, key: str, count: int) -> list[list[str]]:
        """Read "a | b | c" lines of exactly `count` fields."""
        rows = [[field.strip() for field in line.split("|")] for line in self.texts(key)]
        for row in rows:
            if len(row) != count:
                raise LexiconInvalid(f"{self.where}: '{key}': {' | '.join(row)!r} must have {count} fields.")
        return rows
