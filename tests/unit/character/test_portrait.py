"""What painters are told of characters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.character.portrait import LONGEST_PROMPT, portrait_of
from tests.unit.character.samples import DETAILS


def test_prompt_tells_first_who_it_is() -> None:
    """Then how it looks, then how it would be drawn."""
    expected = "A portrait of Mara, a human woman, lighthouse keeper. Tall, with a grey plait and a scar on her chin."
    assert f"{expected} ink and wash" == portrait_of(DETAILS)


@pytest.mark.parametrize(
    ("changes", "who"),
    [
        ({"age": 9, "gender": "girl"}, "a young human girl"),
        ({"age": 80}, "an old human woman"),
        ({"age": 685, "species": "elf"}, "an elf woman"),
        ({"age": 2, "species": "lighthouse", "gender": "none"}, "a lighthouse"),
    ],
)
def test_age_and_gender_are_told_where_they_say_something(changes: dict[str, Any], who: str) -> None:
    """An elf of seven hundred is not old."""
    assert f", {who}, " in portrait_of(replace(DETAILS, **changes))


def test_long_looks_leave_room_for_the_manner() -> None:
    """Every prompt is one that the image service takes."""
    whole = replace(DETAILS, physical_description="long hair " * 200, visual_style="ink", profession="x" * 120)
    assert portrait_of(whole).endswith("hair ink")
    assert len(portrait_of(replace(whole, visual_style="y" * 500, species="z" * 80))) <= LONGEST_PROMPT
