"""Characters of the library as people of a story."""

from __future__ import annotations

from typing import Any

import pytest

from fabula.api.character.v1 import character_pb2 as pb
from services.story.domain import Character
from services.story.library import LONGEST_HISTORY, person_of

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
    ],
)
def test_a_person_is_told_by_what_it_is(details: Any, told: str) -> None:
    """Who is not human, by its species first; what is not known is left out."""
    shared: Any = {"first_name": "Bo", "age": 3, "profession": "owl keeper", "traits": ["kind"]}

    person = person_of(pb.Character(id="character-1", details=pb.Details(**shared, **details)))

    assert ("Bo", told, "", "") == (person.name, person.description, person.looks, person.history)


def test_of_a_long_history_the_beginning_goes_into_a_story() -> None:
    """No more of it than a request may bring."""
    long = person_of(pb.Character(details=KNIGHT, history="x" * (LONGEST_HISTORY + 1))).history
    whole = person_of(pb.Character(details=KNIGHT, history="x" * LONGEST_HISTORY)).history

    assert (LONGEST_HISTORY, "x…") == (len(long), long[-2:])
    assert "x" * LONGEST_HISTORY == whole
