"""Characters of the library as people of a story."""

from __future__ import annotations

from typing import Any

import pytest

from fabula.api.character.v1 import character_pb2 as pb
from services.story.domain import Character
from services.story.library import LONGEST_HISTORY, called, is_character_id, person_of

KNIGHT = pb.Details(
    first_name="Mara", last_name="Quill", age=40, gender="woman", species="human", profession="knight",
    home="by the sea", physical_description="She is tall.", traits=["brave", "stubborn", "kind"], goal="to sleep",
    fear="geese",
)  # fmt: skip


def test_a_character_becomes_a_person_with_all_that_a_story_can_use() -> None:
    """Name and id, who it is, looks and history."""
    told = "a knight of 40 years. She is brave, stubborn and kind. Lives by the sea. Wants to sleep. Fears geese."

    person = person_of(pb.Character(id="character-1", details=KNIGHT, history="Once."))

    assert Character("Mara Quill", told, "character-1", "She is tall.", "Once.") == person


@pytest.mark.parametrize(
    ("details", "told"),
    [
        ({"species": "Human", "gender": "man"}, "an owl keeper of 3 years. He is kind."),
        ({"species": "red fox", "gender": "female"}, "a red fox of 3 years, owl keeper. She is kind."),
        ({"species": "star", "gender": "none"}, "a star of 3 years, owl keeper. They are kind."),
        ({"species": "star", "physical_description": "It is dim."}, "a star of 3 years, owl keeper. It is kind."),
        (
            {"species": "elf", "personality": "Her wit is sharp."},
            "an elf of 3 years, owl keeper. She is kind. Her wit is sharp.",
        ),
        (
            {"species": "elf", "personality": "They are kind and odd."},
            "an elf of 3 years, owl keeper. They are kind and odd.",
        ),
        ({"species": "elf", "age": 1}, "an elf of 1 year, owl keeper. They are kind."),
        ({"species": "elf", "age": 0}, "an elf of less than a year, owl keeper. They are kind."),
    ],
)
def test_a_person_is_told_by_what_it_is(details: Any, told: str) -> None:
    """Who is not human, by its species first; what is not known is left out."""
    shared: Any = {"first_name": "Bo", "age": 3, "profession": "owl keeper", "traits": ["kind"]}

    person = person_of(pb.Character(id="character-1", details=pb.Details(**{**shared, **details})))

    assert ("Bo", told, "") == (person.name, person.description, person.history)


def test_of_a_long_history_the_beginning_goes_into_a_story() -> None:
    """No more of it than a request may bring."""
    long = person_of(pb.Character(details=KNIGHT, history="x" * (LONGEST_HISTORY + 1))).history
    whole = person_of(pb.Character(details=KNIGHT, history="x" * LONGEST_HISTORY)).history

    assert (LONGEST_HISTORY, "x…") == (len(long), long[-2:])
    assert "x" * LONGEST_HISTORY == whole


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Mara Quill", "Mara Quill grew up at sea. Mara's hat is red, and Quill is old."),
        ("Ann", "Ann grew up at sea. Ann's hat is red, and Quill is old."),
        ("Ann Lee", "Ann Lee grew up at sea. Ann's hat is red, and Quill is old."),
        ("D'Arcy O'Neill", "D'Arcy O'Neill grew up at sea. D'Arcy's hat is red, and Quill is old."),
    ],
)
def test_who_is_called_otherwise_is_so_in_all_that_is_told(name: str, told: str) -> None:
    """A story that calls her Ann is not told of a Mara."""
    history = "Mara Quill grew up at sea. Mara's hat is red, and Quill is old."
    person = called(Character("Mara Quill", "Mara", "character-1", "Marathon. Mara!", history), name)

    first = name.split(maxsplit=1)[0]
    assert Character(name, first, "character-1", f"Marathon. {first}!", told) == person


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("character-00000000-0000-4000-8000-000000000001", True),
        ("story-00000000-0000-4000-8000-000000000001", False),
        ("character-00000000-0000-4000-8000-00000000000A", False),
        ("character-", False),
        ("", False),
    ],
)
def test_an_id_of_the_library_is_known_by_its_form(text: str, good: bool) -> None:
    """No other kind's, and no other spelling."""
    assert is_character_id(text) is good
