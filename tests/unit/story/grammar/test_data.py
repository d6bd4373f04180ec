from __future__ import annotations

from dataclasses import replace

import pytest

from services.story.grammar.checking import check
from services.story.grammar.lexicon import lexicon
from services.story.grammar.table import LexiconInvalid, Table
from services.story.grammar.template import TemplateInvalid, parse


def test_the_data_are_rich_enough() -> None:
    """There are at least ten genres, eight plots and seven tones."""
    data = lexicon()

    assert len(data.genres) >= 10
    assert len(data.plots) >= 8
    assert len(data.tones) >= 7


def test_the_data_pass_their_check() -> None:
    """Every slot of every passage can be filled in every genre and tone."""
    check(lexicon())


def test_a_person_who_is_an_object_must_be_told_as_one() -> None:
    """Nobody "pointed to she": a subject after a preposition is refused at load."""
    data = lexicon()
    wrong = replace(data, banks={**data.banks, "wrong": (parse("He pointed to {friend}."),)})

    with pytest.raises(LexiconInvalid, match="needs the form 'o'"):
        check(wrong)


@pytest.mark.parametrize("source", ["{hero", "[a|b", "a]", "{hero.}", "x | y", "{He ro}"])
def test_a_malformed_template_is_refused(source: str) -> None:
    """Brackets must close and slots be well formed."""
    with pytest.raises(TemplateInvalid):
        parse(source)


def test_a_fault_in_the_data_names_file_and_entry() -> None:
    """The maintainer learns where to look."""
    table = Table("sea.toml", {"titles": ["{hero"]})

    with pytest.raises(LexiconInvalid, match=r"sea.toml: 'titles'"):
        table.passages("titles")


def test_conditions_choose_passages() -> None:
    """A passage is used only where its flags hold."""
    passage = parse("<pet,!children> The {pet} came.")

    assert [True, False, False] == [passage.fits(frozenset(flags)) for flags in ({"pet"}, set(), {"pet", "children"})]
