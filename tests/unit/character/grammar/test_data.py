from __future__ import annotations

import inflect
import pytest

from services.character.grammar.checking import check, check_rows
from services.character.grammar.english import HE, SHE, THEY, bare, indefinite, third
from services.character.grammar.species import kinds
from services.character.grammar.table import LexiconInvalid, Table, read_table
from services.character.grammar.template import TemplateInvalid, check_row, fitting, render
from services.character.grammar.words import people


def test_the_lexicons_pass_their_check_and_are_rich() -> None:
    """There are hundreds of species and professions, and a dozen shapes of lives."""
    check()

    assert len(kinds().species) > 500
    assert len(people().professions) > 500
    assert len(read_table("history").table("shapes").names()) >= 12


@pytest.mark.parametrize("row", ["{nobody}", "[a|b", "a]", "{v:is", "a | b"])
def test_a_malformed_row_is_refused(row: str) -> None:
    """Brackets must close, and slots be known."""
    with pytest.raises(TemplateInvalid):
        check_row(row, frozenset({"name"}))


def test_a_fault_in_the_data_names_file_and_entry() -> None:
    """The maintainer learns where to look."""
    with pytest.raises(LexiconInvalid, match=r"sheet.toml.homes: 'sea'"):
        check_rows(Table("sheet.toml.homes", {"sea": ["in a {boat}"]}), frozenset())


def test_conditions_choose_rows() -> None:
    """A row is used only where its flags hold."""
    rows = ("<child,!infant>a", "b")

    assert [{"a", "b"}, {"b"}, {"b"}] == [
        set(fitting(rows, frozenset(flags))) for flags in ({"child"}, set(), {"child", "infant"})
    ]


@pytest.mark.parametrize(
    ("pronouns", "told"), [(SHE, "She keeps her word."), (HE, "He keeps his word."), (THEY, "They keep their word.")]
)
def test_verbs_agree_with_pronouns(pronouns: object, told: str) -> None:
    """Rows are written once and told of anybody."""
    from random import Random  # noqa: PLC0415

    assert told == render("{They} {v:keeps} {their} word.", Random(0), pronouns, {})  # type: ignore[arg-type]  # parametrised


@pytest.mark.parametrize(
    ("single", "plural"),
    [
        ("is", "are"),
        ("has", "have"),
        ("was", "were"),
        ("carries", "carry"),
        ("watches", "watch"),
        ("goes", "go"),
        ("loses", "lose"),
        ("lost", "lost"),
        ("cannot", "cannot"),
    ],
)
def test_verbs_are_turned_both_ways(single: str, plural: str) -> None:
    """What "she" does, "they" do."""
    assert (plural, single) == (bare(single), third(plural))


def test_articles_agree_with_the_library_of_plurals() -> None:
    """Every species and profession takes the article that `inflect` gives it."""
    engine = inflect.engine()
    words = sorted({*kinds().species, *people().professions})
    wrong = [word for word in words if indefinite(word) != str(engine.a(word)).split(" ", 1)[0]]

    assert {*wrong} <= {"usher"}  # the library says "a usher"
