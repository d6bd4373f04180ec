from __future__ import annotations

import pytest

from services.story.grammar.premise import read


@pytest.mark.parametrize(
    ("premise", "name", "noun"),
    [
        ("a lighthouse keeper finds a map", "", "lighthouse keeper"),
        ("Detective Marsh hunts a forger in Old Town.", "Detective Marsh", "detective"),
        ("a plumber named rosa discovers a river", "Rosa", "plumber"),
        ("A fisherman's daughter, Sunniva, finds a bell.", "Sunniva", "daughter"),
        ("THE KING WHO COULD NOT LAUGH", "", "king"),
        ("My name is Theo and I want to be a pirate", "Theo", "Theo"),
    ],
)
def test_the_first_being_of_a_premise_is_found(premise: str, name: str, noun: str) -> None:
    """Names, trades and their apposition are told apart, in any case of letters."""
    first = read(premise).beings[0]

    assert (name, noun) == (first.name, first.head)


@pytest.mark.parametrize(
    ("premise", "deed"),
    [
        ("a lighthouse keeper finds a map", "found a map"),
        ("A young wizard must find the lost staff.", "had to find the lost staff"),
        ("Mei writes a letter every day until the sea answers.", "wrote a letter every day until the sea answered"),
        ("An orphan is apprenticed to a baker who never sleeps.", "was apprenticed to a baker who never slept"),
        ("Mira and the dragon", ""),
        ("I lose my hat", ""),
    ],
)
def test_a_deed_is_told_in_the_past_or_not_at_all(premise: str, deed: str) -> None:
    """A main clause is turned to the past tense only where that is safe."""
    assert deed == read(premise).deed


def test_a_wish_is_found() -> None:
    """What somebody wants or must do is an infinitive."""
    assert "learn to dance" == read("two robots who want to learn to dance").want
    assert "carry the lantern before the wolves woke" == read("Finn must carry the lantern before the wolves wake").want


def test_numbers_places_and_things_are_found() -> None:
    """Nouns are sorted by kind, with their number and preposition."""
    facts = read("three sisters run an inn in Vellbridge with a golden clock")

    assert [("sisters", 3)] == [(noun.head, noun.count) for noun in facts.beings]
    assert {"inn", "Vellbridge"} == {noun.name or noun.head for noun in facts.places}
    assert ["golden clock"] == [noun.phrase for noun in facts.things]


def test_a_relative_of_somebody_is_somebody_else() -> None:
    """A name in the genitive owns what follows, and is not called so."""
    beings = read("Hana's grandfather left her a chess set.").beings

    assert ["Hana", "grandfather"] == [noun.name or noun.head for noun in beings]


@pytest.mark.parametrize("name", ["Port Mary", "Lake Anna", "Fort William"])
def test_a_place_that_bears_a_first_name_is_a_place(name: str) -> None:
    """Its first word says so."""
    facts = read(f"Ann counts the boats of {name}.")

    assert ["Ann"] == [noun.name for noun in facts.beings]
    assert name in {noun.name for noun in facts.places}


@pytest.mark.parametrize("text", ["Ein Hund und eine Katze suchen den Weg", "一个男孩", "Кот и мышь", "🚀", "", "?!"])
def test_other_languages_and_garbage_yield_no_nouns(text: str) -> None:
    """Nothing is taken for a person or a thing that is not surely one."""
    facts = read(text)

    assert ((), (), "", "") == (facts.beings, facts.things, facts.deed, facts.want)


def test_a_long_text_is_about_what_it_speaks_of_most() -> None:
    """In a source text the nouns that recur come first."""
    text = "The cat saw a spoon. " + "Ingrid held the whistle. The whistle hung from a cord. " * 12

    facts = read(text)

    assert "Ingrid" == facts.beings[0].name
    assert "whistle" == facts.things[0].head
