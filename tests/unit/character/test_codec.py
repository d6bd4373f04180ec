"""What is decoded is what was encoded; requests get the defaults; what there is so far is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.api.character.v1 import character_pb2 as pb
from fabula.api.generation.v1 import generation_pb2
from fabula.engine.events import Accepted, Claimed, StageFinished, StageStarted, Succeeded, TextDelta
from fabula.engine.history import Snapshot, fold
from fabula.engine.ids import address_of
from fabula.engine.ports import BlobInfo
from fabula.errors import LogCorrupted
from services.character.codec import CharacterCodec
from services.character.domain import Wish
from services.character.orders import order_from_message
from services.character.reader import Analysis
from services.character.sheet import Character, History, Order, PictureRef
from tests.log_rules import log_of
from tests.unit.character.samples import ANALYSIS, DETAILS, LOOKS, ORDER, character

CODEC = CharacterCodec()
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc", "Z")), max_size=20)
BLOBS = st.builds(BlobInfo, TEXT, st.integers(0, 2**32 - 1), TEXT, TEXT)
PICTURES = st.builds(PictureRef, TEXT, BLOBS, st.integers(1, 2**31), st.integers(1, 2**31))
WISHES = st.builds(
    Wish,
    description=TEXT,
    style=TEXT,
    language=st.sampled_from(["en", "de-CH"]),
    seed=st.integers(0, 2**32 - 1),
    looks=st.none(),
)
OUTPUTS: list[object] = [
    ANALYSIS,
    Analysis("looker/1", "Nothing.", ()),
    LOOKS,
    DETAILS,
    replace(DETAILS, last_name="", traits=(), age=0),
    History("Once.\n\nThen."),
    character(),
    character(saved=True, expire_time=None, etag="17"),
    Character("character-1"),
]
STARTED = Accepted("character", "ida", "request", ORDER)
ID = address_of("character", "ida", "request").id


def so_far(snapshot: Snapshot) -> Any:
    """Return the message of what there is."""
    return CODEC.so_far(snapshot)


@given(st.builds(Order, WISHES, st.none() | PICTURES, st.booleans()))
def test_order_comes_back(order: Order) -> None:
    """With its picture as a reference."""
    message = pb.CharacterRequest.FromString(CODEC.to_message(order).SerializeToString())  # type: ignore[union-attr]

    assert order == CODEC.from_message(message)


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda output: type(output).__name__)
def test_output_comes_back(output: object) -> None:
    """Every stage's output and the result."""
    message: Any = CODEC.to_message(output)

    assert output == CODEC.from_message(type(message).FromString(message.SerializeToString()))


def test_every_output_of_the_contract_is_translated() -> None:
    """No field of the response is forgotten here."""
    known = {message.DESCRIPTOR.full_name for one in (*OUTPUTS, ORDER) if (message := CODEC.to_message(one))}

    fields: Any = pb.WatchProgressResponse.DESCRIPTOR.oneofs_by_name["output"].fields
    assert {field.message_type.full_name for field in fields} == known


def test_every_field_of_a_character_is_told() -> None:
    """Nothing that the library keeps is left out."""
    message: Any = CODEC.to_message(character(saved=True, etag="17"))

    assert {field.name for field in pb.Character.DESCRIPTOR.fields} == {field.name for field, _ in message.ListFields()}
    assert {field.name for field in pb.Details.DESCRIPTOR.fields} == {
        field.name for field, _ in message.details.ListFields()
    }


def test_request_gets_its_defaults() -> None:
    """English, an avatar, and the seed that the server draws; control characters go."""
    order = order_from_message(pb.CharacterRequest(description=" a\x07 keeper\n", style=" no\nir "), seed=5)

    assert Order(Wish("a keeper", "no ir", "en", 5), None, generate_avatar=True) == order


def test_unknown_values_are_refused() -> None:
    """A value of another service is a fault here; a message of one is a corrupt log."""
    with pytest.raises(TypeError):
        CODEC.to_message("a keeper")
    with pytest.raises(LogCorrupted):
        CODEC.from_message(generation_pb2.Blob())
    assert CODEC.to_message(None) is None


def test_title_is_the_beginning_of_the_description() -> None:
    """One line, of eighty characters at most; of a picture alone, its name."""
    assert "a keeper" == CODEC.title(Order(Wish(" a\nkeeper ")))
    assert "face.png" == CODEC.title(replace(ORDER, wish=Wish()))
    assert 80 == len(CODEC.title(Order(Wish("a keeper " * 20))))
    assert "" == CODEC.title(None)


def test_what_is_made_so_far_is_told() -> None:
    """Who it is, and its history in the middle of a sentence."""
    log = log_of(
        STARTED,
        Claimed("w", 1),
        StageStarted("generate_details"),
        StageFinished("generate_details", DETAILS, 0.5),
        StageStarted("generate_history"),
        TextDelta("generate_history", 0, "Once the"),
    )

    assert so_far(fold(log[:1])) == pb.Character(id=ID, seed=7)
    message = so_far(fold(log))
    assert ("Once the", "Mara") == (message.history, message.details.first_name)
    assert ["generate_details"] == [timing.stage for timing in message.timings]
    assert not message.HasField("create_time")
    assert so_far(Snapshot()) == pb.Character()


def test_character_that_is_made_is_told_as_it_was_made() -> None:
    """By the newest stage that put one out."""
    made, linked = character(etag="1"), character(etag="2")
    log = log_of(
        STARTED,
        Claimed("w", 1),
        StageStarted("create_character"),
        StageFinished("create_character", made, 0.5),
        StageStarted("queue_avatar"),
        StageFinished("queue_avatar", linked, 0.5),
        Succeeded(linked),
    )

    assert "1" == so_far(fold(log[:4])).etag
    assert "2" == so_far(fold(log[:6])).etag
    assert "2" == so_far(fold(log)).etag
