"""Exit codes, and how errors are told."""

from __future__ import annotations

import inspect

import pytest

from fabula import errors
from fabula.cli.exits import EXITS, Exit, exit_of, lines_of
from fabula.errors import FabulaError

CLASSES = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, FabulaError)]


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_has_its_row(cls: type[FabulaError]) -> None:
    """None is missing, and each row is what a command that ends with it returns."""
    assert EXITS[cls] is exit_of(cls("it happened"))


def test_exit_codes_never_change() -> None:
    """Scripts depend on them."""
    expected = {
        "SUCCESS": 0,
        "FAILED": 1,
        "USAGE": 2,
        "CANCELLED": 3,
        "NOT_FOUND": 4,
        "UNAVAILABLE": 5,
        "REFUSED": 6,
        "UNAUTHENTICATED": 7,
        "DETACHED": 130,
    }
    assert expected == {exit_.name: exit_.value for exit_ in Exit}


def test_what_a_server_found_wrong_is_listed() -> None:
    """Each field on a line of its own, named as the options are."""
    error = errors.InvalidRequest(
        "story.words: must be at least 50 (and 1 more)",
        (("story.words", "must be at least 50"), ("story.sampling.top_p", "must be at most 1")),
    )

    expected = [
        "Error: The request cannot be accepted:",
        "  words: must be at least 50",
        "  sampling.top_p: must be at most 1",
    ]
    assert expected == list(lines_of(error))


def test_an_error_says_what_to_do() -> None:
    """A missing token is asked for by its flag and variable."""
    expected = ["Error: The token has expired", "Give a token with --token or FABULA_TOKEN."]
    assert expected == list(lines_of(errors.Unauthenticated("the token has expired")))
