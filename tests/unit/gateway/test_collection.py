"""What the doors read from a generator's contract."""

from __future__ import annotations

import pytest

from fabula.rpc.kinds import KINDS
from gateway.collection import collection_of

MIB = 1 << 20


@pytest.mark.parametrize(
    ("kind", "path", "noun", "field", "more"),
    [
        ("story", "/v1/stories", "Story", "story", "ListTemplates"),
        ("character", "/v1/characters", "Character", "character", "GetCharacter"),
        ("image", "/v1/images", "Image", "image", "GetModel"),
    ],
)
def test_names_follow_from_the_contract(*, kind: str, path: str, noun: str, field: str, more: str) -> None:
    """Address, names of operations, the field of the request; and which rpcs there are beside the ten of all."""
    collection = collection_of(KINDS[kind])

    assert (path, noun, field) == (collection.path, collection.noun, collection.field)
    assert [more] == [rpc for rpc in ("ListTemplates", "GetCharacter", "GetModel") if collection.has(rpc)]
    assert KINDS[kind].message(f"{noun}Request") is collection.body


def test_a_body_has_room_for_the_largest_file_in_base64() -> None:
    """1 MiB of a story's source, 10 MiB of a picture."""
    bounds = {name: collection_of(kind).most_body_bytes / MIB for name, kind in KINDS.items()}

    assert {"story": 2.0, "character": 15.5, "image": 15.5} == bounds


def test_an_uploaded_file_goes_where_the_contract_has_a_place_for_one() -> None:
    """Whatever the field is called."""
    fields = {name: collection_of(kind).file_field for name, kind in KINDS.items()}

    assert {"story": "source", "character": "picture", "image": "source"} == fields
