from __future__ import annotations

import subprocess
import sys

import pytest

from services.story.grammar.english import after_they, capitalise, fix_articles, possessive, sentences, tidy


@pytest.mark.parametrize(
    ("rough", "right"),
    [("a hour", "an hour"), ("an unicorn", "a unicorn"), ("A owl", "An owl"), ("a old map", "an old map")],
)
def test_articles_follow_the_sound(rough: str, right: str) -> None:
    """The article is set by the word that follows."""
    assert right == fix_articles(rough)


@pytest.mark.parametrize(
    ("rough", "right"),
    [
        (" was late", " were late"),
        (" wasn't late", " weren't late"),
        (" always tells it", " always tell it"),
        (" wasted no time", " wasted no time"),
        (" ran, and was late", " ran, and was late"),
    ],
)
def test_verbs_agree_with_they(rough: str, right: str) -> None:
    """Only the verb that follows at once, and only where it would be wrong."""
    assert right == after_they(rough)


@pytest.mark.parametrize(
    ("rough", "right"),
    [
        ('"why?" asked Mira. she left.', '"Why?" asked Mira. She left.'),
        ('"why?" the keeper said.', '"Why?" the keeper said.'),
        ('"go!" she laughed.', '"Go!" She laughed.'),
        ("one.\n\ntwo.", "One.\n\nTwo."),
    ],
)
def test_sentences_begin_with_a_capital_and_tags_do_not(rough: str, right: str) -> None:
    """What follows a question in quotes is small if it is the tag of that speech."""
    assert right == capitalise(rough)


def test_possessives_and_spaces() -> None:
    """Genitives follow the name's form; spaces before points vanish."""
    assert ["Mira's", "James's", "the twins'", "the octopus's"] == [
        possessive(name) for name in ("Mira", "James", "the twins", "the octopus")
    ]
    assert "He came, and went." == tidy("he came ,  and went .")


def test_a_text_is_cut_at_sentence_ends_and_inside_speech() -> None:
    """Quotes stay with their sentence."""
    assert ['"Yes," he said.', '"No."', "They left."] == sentences('"Yes," he said. "No." They left.')


def test_the_first_article_does_not_wait_for_a_compiler() -> None:
    """What tells articles is loaded as it stands, without checks that are compiled into it for more than a second."""
    code = (
        "from services.story.grammar.english import indefinite\n"
        "print(indefinite('owl'))\n"
        "import inflect, typeguard\n"
        "print('TypeCheckMemo' in inflect.engine.a.__code__.co_varnames, typeguard.typechecked.__module__)\n"
    )

    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert ["an", "False typeguard"] == [
        line.replace("typeguard._decorators", "typeguard") for line in told.stdout.splitlines()
    ]
