"""Whom a story is about, where the request names them: who they are, how they are spoken of, and whose deed it was."""

from __future__ import annotations

from typing import Any

import pytest

from services.story.domain import Brief, Character
from services.story.grammar.casting import cast
from services.story.grammar.headings import headline
from services.story.grammar.story import compose
from services.story.grammar.world import Person, World
from tests.unit.story.grammar.measure import text_of
from tests.unit.story.grammar.people import LENGTHS, brief_with_people, people_faults


def world(*people: Character, premise: str = "A boat comes in.", **fields: Any) -> World:
    """Cast a story about these people."""
    return cast(Brief(premise=premise, characters=people, seed=1, **fields))


def hero(description: str, name: str = "Kim Vale", looks: str = "") -> Person:
    """Return who a story is about, of whom this is known."""
    return world(Character(name, description, looks=looks)).persons["hero"]


@pytest.mark.parametrize(
    ("description", "looks", "pronoun"),
    [
        ("a witch of 15 years. They are brave.", "", "they"),
        ("a king of 40 years. She is brave.", "", "she"),
        ("a robot of 3 years, gardener. It is brave.", "", "it"),
        ("a knight of 40 years.", "He is tall.", "he"),
        ("a fox. He is sly.", "", "he"),
        ("a witch who knows what they are doing", "", "she"),
        ("Lives with her aunt. a sailor", "", "they"),
    ],
)
def test_the_pronoun_that_is_said_holds(description: str, looks: str, pronoun: str) -> None:
    """Before what noun or name suggest; what is said of home, goal and fear is of others."""
    assert pronoun == hero(description, looks=looks).pronoun


@pytest.mark.parametrize(
    ("description", "noun", "kind", "intro"),
    [
        ("a half-elf of 120 years, ranger. They are quiet.", "half-elf", "being", "a quiet half-elf"),
        ("a snow leopard of 12 years, monk. He is playful.", "leopard", "animal", "a snow leopard"),
        ("an AI of 8 years, ice miner. She is cheerful.", "", "being", "a cheerful AI"),
        ("a keeper of bees of 30 years. She is honest.", "keeper", "person", "an honest keeper of bees"),
        (
            "a gnome of 92 years, keeper of an empty house. She is witty but sly. She likes what is broken.",
            "gnome",
            "being",
            "a witty gnome",
        ),
        ("a tree spirit of 1000 years, cartographer. He is kind.", "spirit", "being", "a kind tree spirit"),
        (
            "a clerk of 30 years. Lives in an old, silent tower. Wants a brave dog. Fears the cruel king.",
            "clerk",
            "person",
            "a clerk",
        ),
    ],
)
def test_who_somebody_is_stands_where_the_library_says_it(description: str, noun: str, kind: str, intro: str) -> None:
    """Whatever the word; home, goal and fear lend nobody an adjective, a trade or a villain's part."""
    found = hero(description)

    assert (noun, kind, intro) == (found.noun, found.kind, intro)


@pytest.mark.parametrize("premise", ["Ottilie inherits her uncle's piano.", "A cartographer loses her map."])
def test_what_others_do_is_not_said_of_the_hero(premise: str) -> None:
    """The premise's own people do what it says, under the names by which they are introduced."""
    otis = Character("Otis", "a fox. He is sly.")
    found = world(otis, premise=premise)
    others = [one.short for one in found.persons.values() if one.noun == "cartographer" or one.short == "Ottilie"]

    assert ("Otis", "") == (found.persons["hero"].short, found.deed)
    assert found.told[0].text.startswith(f"{others[0]} ")
    assert f"Otis {found.told[0].text.split()[1]}" not in text_of(compose(Brief(premise, characters=(otis,), seed=1)))


def test_what_is_missing_is_not_found_at_once() -> None:
    """What others must find decides the plot all the same."""
    premise = "Sheriff Dolores Pike has one day to find the missing silver bell of Dry Fork."
    for seed in range(5):
        brief = Brief(premise, characters=(Character("Otto", "a baker of 40 years. He is kind."),), seed=seed)
        assert "found" != cast(brief).plot.key


@pytest.mark.parametrize(
    ("premise", "description", "deed"),
    [
        ("Otto finds a map.", "a baker. He is old.", "found a map"),
        ("A thief finds a map.", "a thief. He is old.", "found a map"),
        ("A stranger finds a map.", "a baker. He is old.", "found a map"),
        ("A thief loses her map.", "a thief. He is old.", ""),
    ],
)
def test_who_is_meant_does_it(premise: str, description: str, deed: str) -> None:
    """By name, by trade, or as a stranger, who may be anybody; not where the premise says "her" of another."""
    found = world(Character("Otto", description), premise=premise)

    assert deed == found.deed
    assert bool(deed) is not any(one.intro == "a thief" for key, one in found.persons.items() if key != "hero")


def test_two_friends_are_those_who_are_named() -> None:
    """Nobody else is made up to count with."""
    people = (Character("Ann", "a baker"), Character("Ben", "a smith"))

    names = [one.noun for one in world(*people, premise="Two friends count boats.").persons.values()]

    assert "friend" not in names


@pytest.mark.parametrize("description", ["a witch of 15 years. They are brave.", "a girl", "a baker, she is 12"])
@pytest.mark.parametrize("place", [0, 1])
def test_the_young_are_in_no_romance(description: str, place: int) -> None:
    """Whatever genre is asked for, and whatever the premise is about."""
    people = [Character("Kim", description), Character("Max", "a clerk of 40 years. He is kind.")]
    people = people if place == 0 else people[::-1]
    premise = f"{people[0].name} falls in love with {people[1].name} and wants to marry."
    for seed in range(5):
        found = cast(Brief(premise, genre="romance", characters=tuple(people), seed=seed))
        assert ("romance", "courtship") != (found.genre.key, found.plot.key)
        assert "romance" != found.genre.key
        assert "courtship" != found.plot.key


def test_a_dozen_people_are_all_in_the_story_and_named_together() -> None:
    """Three in a sentence, who are many; nobody is left out, and it is no longer for that."""
    people = tuple(
        Character(f"Person{letter}", f"a baker of {n + 30} years.") for n, letter in enumerate("abcdefghijkl")
    )
    for words in (300, 600):
        text = text_of(compose(Brief("A boat comes in.", characters=people, words=words)))

        assert [] == [person.name for person in people if person.name not in text]
        assert len(text.split()) < words * 1.4


def test_no_title_has_its_article_twice() -> None:
    """A place may bring one along."""
    assert "The Desert Expedition" == headline("the the desert expedition.")


@pytest.mark.parametrize("words", LENGTHS)
def test_stories_with_people_of_the_library_are_sound(words: int) -> None:
    """Named, looks and beginnings told, by the pronoun that is theirs, in the length asked for, and well-formed."""
    found = []
    for number in range(6 if words > 1000 else 12):
        brief = brief_with_people(number, words)
        found += [(number, *fault) for fault in people_faults(compose(brief), brief)]

    assert [] == found
