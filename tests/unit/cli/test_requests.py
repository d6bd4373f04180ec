"""From options to a request."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabula.api.story.v1.story_pb2 import Character, StoryRequest
from fabula.cli.story import Wishes, parse_character, read_source
from fabula.errors import InvalidRequest

ID = "character-00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mara", Character(name="Mara")),
        ("Mara: a keeper", Character(name="Mara", description="a keeper")),
        (" Mara :keeper: of the light ", Character(name="Mara", description="keeper: of the light")),
        (ID, Character(id=ID)),
        (f" {ID}: afraid of geese", Character(id=ID, description="afraid of geese")),
        ("character-1: odd", Character(name="character-1", description="odd")),
    ],
)
def test_a_character_is_a_name_and_what_follows_the_first_colon(text: str, expected: Character) -> None:
    """The description may be absent, and may contain colons."""
    assert expected == parse_character(text)


@pytest.mark.parametrize("text", ["", ": a keeper", "  "])
def test_a_character_without_a_name_is_refused(text: str) -> None:
    """The message says how to write it."""
    with pytest.raises(InvalidRequest, match="Name: description"):
        parse_character(text)


def test_what_is_wished_goes_over_the_template() -> None:
    """What was not said stays as the template has it."""
    template = StoryRequest(premise="a ship", genre="adventure", words=900, characters=[Character(name="Ann")])

    request = Wishes(premise="a raft", words=200, characters=("Bo: a boy",), temperature=0.5).over(template)

    expected = StoryRequest(
        premise="a raft", genre="adventure", words=200, characters=[Character(name="Bo", description="a boy")]
    )
    expected.sampling.temperature = 0.5
    assert expected == request
    assert 900 == template.words


def test_a_number_that_no_field_holds_is_refused() -> None:
    """As a message, not as a traceback."""
    with pytest.raises(InvalidRequest, match="out of range"):
        Wishes(premise="x", seed=2**32).over()


def test_a_source_is_sent_as_it_is(tmp_path: Path) -> None:
    """The service recognises the encoding; the client does not touch it."""
    path = tmp_path / "déjà.txt"
    path.write_bytes("Grüße".encode("latin-1"))

    source = read_source(path)

    assert ("déjà.txt", b"Gr\xfc\xdfe") == (source.name, source.data)


@pytest.mark.parametrize(("size", "problem"), [(0, "is empty"), (1024 * 1024 + 1, "larger than 1 MiB")])
def test_a_source_that_cannot_be_used_is_refused(tmp_path: Path, size: int, problem: str) -> None:
    """Before anything is sent."""
    path = tmp_path / "source.txt"
    path.write_bytes(b"x" * size)

    with pytest.raises(InvalidRequest, match=problem):
        read_source(path)


def test_a_source_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(InvalidRequest, match=r"gone\.txt cannot be read: No such file or directory"):
        read_source(tmp_path / "gone.txt")
