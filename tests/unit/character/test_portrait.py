"""What painters are told of characters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.character.portrait import LONGEST_PROMPT, portrait_of
from tests.unit.character.samples import DETAILS

FACE = "She is tall, with curly black hair and calm blue eyes. Her skin is dark. She wears a green cloak with a hood."


def test_prompt_begins_with_what_shows() -> None:
    """As painters were taught; then profession, manner and all the looks."""
    prompt = portrait_of(replace(DETAILS, physical_description=FACE))

    assert prompt == (
        "A portrait of Mara, a human woman with curly black hair and calm blue eyes and dark skin, "
        f"wearing a green cloak, lighthouse keeper. ink and wash. {FACE}"
    )


@pytest.mark.parametrize(
    ("changes", "who"),
    [
        ({"age": 9, "gender": "girl"}, "a young human girl"),
        ({"age": 80}, "an old human woman"),
        ({"age": 685, "species": "elf"}, "an elf woman"),
        ({"species": "red fox", "gender": "male"}, "a male red fox"),
        ({"age": 2, "species": "lighthouse", "gender": "none"}, "a lighthouse"),
    ],
)
def test_age_and_gender_are_told_where_they_say_something(changes: dict[str, Any], who: str) -> None:
    """An elf of seven hundred is not old."""
    details = replace(DETAILS, physical_description="Tall.", **changes)
    assert f"A portrait of Mara, {who}, lighthouse keeper. ink and wash. Tall." == portrait_of(details)


@pytest.mark.parametrize("looks", ["", "Groß, mit grauem Zopf.", "wears", "hair " * 400, "x" * 2000, "She wears. And."])
def test_any_looks_make_a_prompt_that_the_image_service_takes(looks: str) -> None:
    """However long all the rest is."""
    longest = {"visual_style": "y" * 500, "species": "z" * 80, "profession": "p" * 120, "first_name": "n" * 80}
    prompt = portrait_of(replace(DETAILS, physical_description=looks, **longest))  # type: ignore[arg-type]

    assert prompt.startswith("A portrait of n")
    assert len(prompt) <= LONGEST_PROMPT
    assert "y" * 500 in prompt
