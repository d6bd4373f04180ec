"""How people of a story are introduced, by what is known of them."""

from __future__ import annotations

import pytest

from services.story.domain import Brief, Character
from services.story.grammar.portraits import portrait_of, portraits_for, with_portraits
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
        ("His scales are dark. He is larger than any door.", "", "Silas's scales were dark."),
        ("He is late and never says why.", "", "Silas was late and never said why."),
        (
            "He keeps bees and counts them, and his eyes are grey.",
            "",
            "Silas kept bees and counted them, and his eyes were grey.",
        ),
        ("He is lean, with a crown he cannot sell.", "", "Silas was lean, with a crown he could not sell."),
        ("He has a dent that one sees only from behind.", "", "Silas had a dent that one saw only from behind."),
        ("He grumbulates and is old.", "", ""),
        ("They wear a hat and move with great care.", "", "Silas wore a hat and moved with great care."),
        ("They are small and light on their feet.", "", "Silas was small and light on their feet."),
        ("Its paint is gone.", "", "Silas's paint was gone."),
        ("It is small for its kind. It has one lamp.", "", "Silas had one lamp."),
        ("", "The first years of Dr Silas Varga were spent at sea.", "The first years of Silas were spent at sea."),
        ("", "Ten years ago, Silas came by night.", "Ten years before, Silas came by night."),
        (
            "",
            "How it began for Silas is known, and he lets people talk.",
            "How it began for Silas was known, and he let people talk.",
        ),
        ("Its eyes are red.", "Silas was made at sea, and nobody noticed it.", "Silas's eyes were red."),
        ("", "Silas was born here and is here still.", ""),
        ("Grey.", "Born at sea", ""),
        ("He " + "is " * 60 + ".", "", ""),
        ("", "", ""),
    ],
)
def test_a_portrait_tells_looks_and_beginnings_as_what_is_past(looks: str, history: str, told: str) -> None:
    """By the name; what cannot be told so is left out."""
    assert told == portrait_of(Character("Silas Varga", "", "", looks, history))


def placed(text: str, room: int = 100, words: int = 300, person: Character = SILAS) -> str:
    """Return a text with what a portrait adds to it."""
    return with_portraits(text, portraits_for(Brief(characters=(person,), words=words)), room)


def test_portraits_stand_behind_the_first_paragraph() -> None:
    """Or behind that which names them; as many as a story of this length bears."""
    portrait = portrait_of(SILAS)

    assert f"One.\n\n{portrait}\n\nTwo." == placed("One.\n\nTwo.")
    assert f"One.\n\n{portrait}" == placed("One.")
    assert f"One.\n\nTwo Silas.\n\n{portrait}\n\nThree Silas." == placed("One.\n\nTwo Silas.\n\nThree Silas.")
    assert "One.\n\nTwo." == placed("One.\n\nTwo.", words=100)
    assert "One." == placed("One.", person=Character("Ann"))


def test_what_there_is_no_room_for_is_left_out() -> None:
    """Beginnings first, then looks; nobody's beginning is told where their looks are not."""
    looks = portrait_of(Character("Silas Varga", looks=LOOKS))
    ben = Character("Ben", looks="He is small.", history="Ben grew up at sea.")
    both = portraits_for(Brief(characters=(SILAS, ben), words=300))

    assert f"One.\n\n{looks}" == placed("One.", room=len(looks.split()))
    assert "One." == placed("One.", room=len(looks.split()) - 1)
    assert "One.\n\nBen was small. He grew up at sea." == with_portraits("One.", both, 8)
    assert f"One.\n\n{looks}\n\nBen was small." == with_portraits("One.", both, len(looks.split()) + 3)


def test_no_two_begin_in_the_same_words() -> None:
    """Who would, tells the next thing that is known, or nothing."""
    shared, own = "The first years of {} were spent at sea.", "In the end Cay came by night."
    people = [Character(name, history=shared.format(name)) for name in ("Ann", "Ben")]
    people.append(Character("Cay", history=f"{shared.format('Cay')} {own}"))

    told = [one.text for one in portraits_for(Brief(characters=tuple(people), words=600))]

    assert [shared.format("Ann"), own] == told


def test_a_story_has_the_portraits_of_its_people_once() -> None:
    """In its first chapter, in the revised one as well."""
    brief = Brief(premise="A knight finds a door in the sea.", characters=(SILAS,), words=600, chapters=2)
    first, second = (chapter.text for chapter in compose(brief).chapters)
    portrait = portrait_of(SILAS)

    assert (1, 0) == (first.count(portrait), second.count(portrait))
    assert 1 == retell(brief, 1, 1, ()).count(portrait)
