from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.story.domain import Chapter, Draft
from services.story.markdown import WordCount, count_words, render, tidy, tidy_draft, words_of

TEXT = "The boat was green.\n\nAnn rowed it to the island."


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \n – … ", []),
        ("Don't stop, Ann-Marie's 2nd boat!", ["Don't", "stop", "Ann-Marie's", "2nd", "boat"]),
        ("L’été à Nîmes", ["L’été", "à", "Nîmes"]),
        ("cafe\u0301", ["cafe\u0301"]),
        ("Привет, мир", ["Привет", "мир"]),
        ("हिन्दी भाषा है।", ["हिन्दी", "भाषा", "है"]),
        ("我爱船。", ["我", "爱", "船"]),
        ("船はAnnです", ["船", "は", "Ann", "で", "す"]),
        ("지수는 배를 셌다.", ["지수는", "배를", "셌다"]),
        ("snake_case", ["snake", "case"]),
    ],
)
def test_words_are_counted_in_every_script(text: str, words: list[str]) -> None:
    """Apostrophes, hyphens, accents and vowel signs are parts of words; ideographs are words."""
    assert words == words_of(text)
    assert len(words) == count_words(text)


@given(st.lists(st.text(alphabet="ab' -\n猫é", max_size=6)))
def test_words_are_counted_as_they_come(pieces: list[str]) -> None:
    """However a text is cut into pieces, the count at the end is that of the whole."""
    count = WordCount("They sai")

    last = [count.add(piece) for piece in [*pieces, ""]][-1]

    assert count_words("They sai" + "".join(pieces)) == last


def test_a_story_of_one_chapter_has_its_title_only() -> None:
    """A heading for a single chapter would say nothing."""
    assert f"# Boats\n\n{TEXT}\n" == render("Boats", [Chapter(1, "One", TEXT)])


def test_chapters_have_their_headings() -> None:
    """Number and title; the number alone where there is no title; no heading for a story without one."""
    chapters = [Chapter(1, "Out", "A."), Chapter(2, "", "B.")]

    assert "# Boats\n\n## 1. Out\n\nA.\n\n## 2.\n\nB.\n" == render("Boats", chapters)
    assert "## 1. Out\n\nA.\n\n## 2.\n\nB.\n" == render("", chapters)
    assert "" == render("", [])
    assert "# Boats\n" == render("Boats", [Chapter(1, "One", "")])


@pytest.mark.parametrize(
    "added",
    [
        "Sure! Here is the chapter:\n\n",
        "Here's a gentle story for you:\n\n",
        "Certainly, here is the revised chapter.\n\n",
        "Of course! Here’s chapter one of the story!\n",
        "Sure!\n\n",
        "Hier ist das Kapitel:\n\n",
        "Natürlich! Hier ist das Kapitel:\n\n",
        "Voici le chapitre :\n\n",
        "Claro! Aquí tienes el capítulo:\n\n",
        "## Chapter 1\n\n",
        "# The Green Boat\n\n",
        "**Chapter 1: The Green Boat**\n\n",
        "Chapter One – The Green Boat\n\n",
        "The Green Boat\n\n",
        "Here is the story:\n\n# The Green Boat\n\n",
        "```markdown\n",
        "\n\n  \n",
    ],
)
def test_what_models_add_is_taken_away(added: str) -> None:
    """Politeness, fences and headings are no part of a story."""
    assert TEXT == tidy(added + TEXT, "The Green Boat")


@pytest.mark.parametrize(
    "first",
    [
        "Sure enough, the boat was gone.",
        "Of course it rained.",
        "Certainly nobody had expected a bear.",
        "Here is where the river bends.",
        "Here's to the boats that come back.",
        "Chapters had been written about less.",
        "Absolutely nothing moved!",
        "“Sure!” said Ann.",
        "The Green Boatman waited.",
    ],
)
def test_what_a_story_begins_with_stays(first: str) -> None:
    """A first sentence may begin like politeness does."""
    assert f"{first}\n\n{TEXT}" == tidy(f"{first}\n\n{TEXT}", "The Green Boat")


@pytest.mark.parametrize(
    ("untidy", "expected"),
    [
        ("One\r\n\r\n\r\n\r\ntwo", "One\n\ntwo"),
        ("One\n  \t\ntwo", "One\n\ntwo"),
        ("A line\nof a   paragraph", "A line of a paragraph"),
        ("One , two . Three .", "One, two. Three."),
        ("It cost .50 and no more", "It cost .50 and no more"),
        ("« Où\u00a0? », dit-il\u202f!", "« Où\u00a0? », dit-il\u202f!"),
        ("Où ?", "Où ?"),
        ("One\n```\ntwo", "One\n\ntwo"),
        ("", ""),
    ],
)
def test_paragraphs_are_parted_by_one_empty_line(untidy: str, expected: str) -> None:
    """Lines are joined and blanks made one; French typography is left alone."""
    assert expected == tidy(untidy)


@given(st.text())
def test_what_is_tidy_stays_as_it_is(text: str) -> None:
    """Setting a text twice changes nothing that the first time has not."""
    once = tidy("Once. " + text)

    assert once == tidy(once)


def test_a_draft_is_tidied_chapter_by_chapter() -> None:
    """Titles too."""
    draft = Draft(" The\n boats ", (Chapter(1, " Out ", "Out\n\nA ."), Chapter(2, "", "B")))

    assert Draft("The boats", (Chapter(1, "Out", "A."), Chapter(2, "", "B"))) == tidy_draft(draft)
