"""Names of generations."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.engine.ids import address_of, is_generation_id


@given(st.text(), st.text())
def test_id_is_a_function_of_who_asks_for_what(owner: str, request_id: str) -> None:
    """The same request of the same owner has the same address, of the promised shape."""
    address = address_of("story", owner, request_id)

    assert address == address_of("story", owner, request_id)
    assert ("story", owner) == (address.kind, address.owner)
    assert uuid.UUID(address.id.removeprefix("story-")).version == 4
    assert is_generation_id(address.id, "story")


def test_kind_owner_and_request_all_count() -> None:
    """No two of them can be exchanged or run together."""
    asked = [("story", "a", "b"), ("story", "b", "a"), ("image", "a", "b"), ("story", "ab", ""), ("story", "", "ab")]

    assert len(asked) == len({address_of(*one).id.partition("-")[2] for one in asked})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "story",
        "story-",
        "story-1",
        "image-7e0f8d2c-8f1e-4b9a-9c3d-2b1a0f9e8d7c",
        "7e0f8d2c-8f1e-4b9a-9c3d-2b1a0f9e8d7c",
        "story-7E0F8D2C-8F1E-4B9A-9C3D-2B1A0F9E8D7C",
        "story-7e0f8d2c8f1e4b9a9c3d2b1a0f9e8d7c",
        "story-{7e0f8d2c-8f1e-4b9a-9c3d-2b1a0f9e8d7c}",
        "story-7e0f8d2c-8f1e-4b9a-9c3d-2b1a0f9e8d7c ",
        "story-7e0f8d2c-8f1e-4b9a-9c3d-2b1a0f9e8d7c.>",
    ],
)
def test_what_is_no_id_of_this_kind(text: str) -> None:
    """Only the one spelling of an id of this kind is one: what is looked up cannot be bent into another address."""
    assert not is_generation_id(text, "story")
