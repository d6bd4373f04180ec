"""How people of a story are introduced, by what is known of them."""

from __future__ import annotations

import pytest

from services.story.domain import Brief, Character
from services.story.grammar.portraits import portrait_of, with_portraits
from services.story.grammar.story import compose, retell

LOOKS = "He is tall, with hair the colour of tea. He wears a hat."
HISTORY = "There was a storm. Silas was born on the border, where nobody drew maps. He is a knight.\n\nThen he left."
SILAS = Character("Silas Varga", "a knight. He is brave.", "character-1", LOOKS, HISTORY)


@pytest.mark.parametrize(
    ("looks", "history", "told"),
    [
        (
            LOOKS,
            HISTORY,
            "Silas was tall, with hair the colour of tea. He was born on the border, where nobody drew maps.",
        ),
        (LOOKS, "", "Silas was tall, with hair the colour of tea."),
        ("", HISTORY, "Silas was born on the border, where nobody drew maps."),
        ("They are tall. ", HISTORY, "Silas was tall. They were born on the border, where nobody drew maps."),
        ("His scales catch the light. He is larger than any door.", "", "Silas was larger than any door."),
        ("He is late and never says why.", "", ""),
        ("", "Silas was born here and is here still.", ""),
        ("Grey.", "Born at sea", ""),
        ("He " + "is " * 60 + ".", "", ""),
        ("", "", ""),
    ],
)
def test_a_portrait_tells_looks_and_beginnings_as_what_is_past(looks: str, history: str, told: str) -> None:
    """By the name; what cannot be told so is left out."""
    assert told == portrait_of(Character("Silas Varga", "", "", looks, history))


def test_portraits_stand_behind_the_first_paragraph() -> None:
    """Or behind that which names them; as many as a story of this length bears."""
    portrait = portrait_of(SILAS)

    assert f"One.\n\n{portrait}\n\nTwo." == with_portraits("One.\n\nTwo.", Brief(characters=(SILAS,), words=300))
    assert f"One.\n\n{portrait}" == with_portraits("One.", Brief(characters=(SILAS,), words=300))
    named = with_portraits("One.\n\nTwo Silas.\n\nThree Silas.", Brief(characters=(SILAS,), words=300))
    assert f"One.\n\nTwo Silas.\n\n{portrait}\n\nThree Silas." == named
    assert "One.\n\nTwo." == with_portraits("One.\n\nTwo.", Brief(characters=(SILAS,), words=100))
    assert "One." == with_portraits("One.", Brief(characters=(Character("Ann"),), words=300))


def test_a_story_has_the_portraits_of_its_people_once() -> None:
    """In its first chapter, in the revised one as well."""
    brief = Brief(premise="A knight finds a door in the sea.", characters=(SILAS,), words=600, chapters=2)
    first, second = (chapter.text for chapter in compose(brief).chapters)
    portrait = portrait_of(SILAS)

    assert (1, 0) == (first.count(portrait), second.count(portrait))
    assert 1 == retell(brief, 1, 1, ()).count(portrait)
