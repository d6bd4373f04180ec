from __future__ import annotations

import pytest

from services.story.keywords import is_english, missing_words, subject_words, tolerated


@pytest.mark.parametrize(
    ("premise", "words"),
    [
        ("A baker finds a snow globe.", ["baker", "snow", "globe"]),
        ("Write me a story about two foxes.", ["foxes"]),
        ("I want a story for my son about a snail", ["snail"]),
        ("the chess set of Maria Sol", ["chess", "set", "Maria Sol"]),
        ("She must return it before they wake up", []),
    ],
)
def test_only_what_carries_the_subject_is_taken(premise: str, words: list[str]) -> None:
    """Small words, common verbs and talk of the story are left out; the parts of a name stay together."""
    assert words == [" ".join(unit) for unit in subject_words(premise)]


@pytest.mark.parametrize(
    ("premise", "text"),
    [
        ("the wolves of the valley", "A wolf came. There are two valleys."),
        ("the children and the geese", "A child met one goose."),
        ("a telegraph operator", "The operators of the telegraphs."),
        ("a hot-air balloon", "It was hot, and in the air hung balloons."),
        ("the diary of Zoë Adler", "Zoe's diaries"),
        ("a juggler practises", "She juggled and practised; jugglers do."),
    ],
)
def test_words_match_in_any_form(premise: str, text: str) -> None:
    """Number, tense, genitive and accents do not matter, and one part of a name is enough."""
    assert () == missing_words(premise, text)


def test_a_word_is_missing_if_only_a_longer_word_begins_like_it() -> None:
    """A globe is no globetrotter."""
    assert ("globe",) == missing_words("the globe", "A globetrotter came.")


@pytest.mark.parametrize(
    ("premise", "english"),
    [
        ("a lighthouse keeper finds a map", True),
        ("two crows", True),
        ("Un perro y una casa", False),
        ("a casa no lago", False),
        ("un chat dans la maison", False),
        ("Кот и мышь", False),
        ("dragons", False),
    ],
)
def test_a_premise_is_english_if_its_small_words_surely_are(premise: str, english: bool) -> None:
    """Better not to judge than to judge wrongly."""
    assert english == is_english(premise)


def test_the_longer_the_premise_the_more_may_be_missing() -> None:
    """None of five words, one of six, a third of thirty."""
    assert [0, 1, 4, 10] == [tolerated(words) for words in (5, 6, 24, 30)]
