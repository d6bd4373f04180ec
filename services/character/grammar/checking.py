"""Checks the lexicons as a whole: slots, lists that must not be empty, kinds without names."""

from __future__ import annotations

from functools import cache

from services.character.grammar.lists import check_lists, listed_in
from services.character.grammar.naming import first_names
from services.character.grammar.species import kinds
from services.character.grammar.table import LexiconInvalid, Table, read_table
from services.character.grammar.template import TemplateInvalid, check_row
from services.character.grammar.words import people, small, traits

_MOVES = frozenset({"event", "cost", "end", "told"})


@cache
def check() -> None:
    """Load all lexicons and check them; cheap once it has passed.

    Raises:
        LexiconInvalid: a data file is not as it must be; the message names file and entry.
    """
    check_lists()
    people(), traits(), small(), first_names()
    _check_names(read_table("names"))
    sheet = read_table("sheet")
    for group in ("homes", "faces", "colours", "styles", "character"):
        check_rows(sheet.table(group), frozenset({"colour"}))
    history = read_table("history")
    for group in ("banks", "told", "decks"):
        check_rows(history.table(group), listed_in("slots"))
    for shape in history.table("shapes").names():
        check_rows(history.table("shapes").table(shape), listed_in("slots"))
        _check_shape(history.table("shapes").table(shape))
    _check_orders(history)


def check_rows(table: Table, slots: frozenset[str]) -> None:
    """Check every row of every list of a table."""
    for key in table.names():
        for row in table.texts(key):
            try:
                check_row(row, slots)
            except TemplateInvalid as error:
                raise LexiconInvalid(f"{table.where}: '{key}': {error}.") from error


def _check_names(table: Table) -> None:
    groups = table.table("kinds")
    for species in kinds().species.values():
        if species.names not in groups.names():
            raise LexiconInvalid(f"species.toml: {species.name}: there are no names of the kind {species.names}.")
    for key in groups.names():
        if not all(groups.table(key).words(gender) for gender in ("woman", "man", "either")):
            raise LexiconInvalid(f"names.toml.kinds: {key}: names are needed for woman, man and either.")


def _check_shape(table: Table) -> None:
    missing = {"event", "cost", "end"} - set(table.names())
    if missing:
        raise LexiconInvalid(f"{table.where}: there is no {', '.join(sorted(missing))}.")


def _check_orders(history: Table) -> None:
    banks = set(history.table("banks").names()) | _MOVES
    for row in history.table("orders").texts("rows"):
        unknown = set(row.split()) - banks
        if unknown or not {"event", "cost", "end"} <= set(row.split()):
            wrong = ", ".join(sorted(unknown)) or "event, cost, end"
            raise LexiconInvalid(f"{history.where}.orders: {row!r}: unknown or missing: {wrong}.")
