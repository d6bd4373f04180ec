"""What is decoded is what was encoded; requests get the defaults that need no model."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.api.generation.v1 import generation_pb2
from fabula.api.image.v1 import image_pb2 as pb
from fabula.backends.image import Batch, EncodedPrompt, PictureFormat
from fabula.engine.events import Accepted, Claimed, StageFinished, StageStarted
from fabula.engine.history import fold
from fabula.engine.ports import BlobInfo, Stored
from fabula.errors import LogCorrupted
from services.image.card import FRESH_SECONDS, KnownCard, card_to_message, from_json, to_json
from services.image.codec import ImageCodec
from services.image.domain import (
    Denoised,
    Encoded,
    Environment,
    Image,
    Order,
    Picture,
    Pictures,
    SourceRef,
    Timing,
)
from services.image.orders import order_from_message
from tests.log_rules import log_of
from tests.unit.image.sketches import CARD

CODEC = ImageCodec()
TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc", "Z")), max_size=20)
BLOB = BlobInfo("image/x/b", 3, "image/png", "ab")
ENVIRONMENT = Environment("cpu", "float32", 2, "torch", "f")
SOURCES = st.builds(SourceRef, TEXT, st.just(BLOB), st.integers(1, 2**31), st.integers(1, 2**31))


def _orders(sources: st.SearchStrategy[SourceRef | None]) -> st.SearchStrategy[Order]:
    some = st.none() | st.integers(1, 1000)
    return st.builds(
        Order,
        prompt=TEXT,
        negative_prompt=TEXT,
        width=some,
        height=some,
        steps=some,
        guidance=st.none() | st.floats(0, 50),
        seed=st.integers(0, 2**32 - 1),
        count=st.integers(1, 8),
        scheduler=TEXT,
        use_refinement=st.none() | st.booleans(),
        handover=st.none() | st.floats(0.01, 0.99),
        high_quality=st.booleans(),
        source=sources,
        format=st.sampled_from(PictureFormat),
        preview_interval=st.integers(0, 1000),
    )


ORDERS = _orders(st.none()) | _orders(SOURCES)
PICTURE = Picture(1, 9, 64, 32, BLOB)
OUTPUTS: list[object] = [
    Encoded(Order("a boat", steps=3), EncodedPrompt(5, 77, "and more")),
    Denoised("painter/1", 40, Batch(4, 2), BLOB, ENVIRONMENT),
    Pictures((PICTURE, PICTURE)),
    Image(
        (PICTURE,), 9, "b", "r", 40, 10, "euler", 3.5, Batch(4, 2), Batch(1, 0), ENVIRONMENT, (Timing("decode", 1.5),)
    ),
    Image(),
]


@given(ORDERS)
def test_order_comes_back(order: Order) -> None:
    """Open fields stay open; a source stays a reference."""
    message = pb.ImageRequest.FromString(CODEC.to_message(order).SerializeToString())  # type: ignore[union-attr]

    assert order == CODEC.from_message(message)


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda output: type(output).__name__)
def test_output_comes_back(output: object) -> None:
    """Every stage's output and the result."""
    message: Any = CODEC.to_message(output)

    assert output == CODEC.from_message(type(message).FromString(message.SerializeToString()))


def test_request_gets_the_defaults_that_need_no_model() -> None:
    """The rest stays open, for the model's card to say."""
    order = order_from_message(pb.ImageRequest(prompt=" a\x07 boat\n"), seed=5)

    assert Order("a boat", seed=5, count=1, strength=0.6, preview_interval=5) == order


def test_unknown_values_are_refused() -> None:
    """A value of another service is a fault here; a message of one is a corrupt log."""
    with pytest.raises(TypeError):
        CODEC.to_message("a boat")
    with pytest.raises(LogCorrupted):
        CODEC.from_message(generation_pb2.Blob())
    assert CODEC.to_message(None) is None


def test_title_is_the_beginning_of_the_prompt() -> None:
    """One line, of eighty characters at most."""
    assert "a red boat" == CODEC.title(Order("a  red\nboat"))
    assert 80 == len(CODEC.title(Order("boat " * 100)))
    assert "" == CODEC.title(None)


def test_snapshot_shows_what_there_is_so_far() -> None:
    """The seed from the start; the base model's part once it is done."""
    order = Order("a boat", seed=3)
    begun: list[Any] = [Accepted("image", "ida", "r", order), StageStarted("encode_prompt")]
    done = [*begun, StageFinished("encode_prompt", OUTPUTS[0], 1.0), StageStarted("base_model")]
    painted = [*done, StageFinished("base_model", OUTPUTS[1], 2.0)]

    at_first: Any = CODEC.so_far(fold(log_of(begun[0])))
    later: Any = CODEC.so_far(fold(log_of(*_claimed(painted))))

    assert (3, "", 0) == (at_first.seed, at_first.model, at_first.base_steps)
    assert ("painter/1", 40, 4) == (later.model, later.base_steps, later.base_batch.size)
    assert ["encode_prompt", "base_model"] == [timing.stage for timing in later.timings]
    assert "cpu" == later.environment.device


def _claimed(bodies: list[Any]) -> list[Any]:
    return [bodies[0], Claimed("worker", 1), *bodies[1:]]


def test_card_comes_back_and_is_told_whole() -> None:
    """Every field of it; one of another version is none."""
    message = card_to_message(CARD)

    assert CARD == from_json(to_json(CARD))
    assert from_json(b'{"name": "other"}') is None
    assert from_json(b"[1]") is None
    assert [("euler", True), ("pndm", False)] == [(one.name, one.resumes) for one in message.schedulers]
    assert (CARD.name, CARD.max_side, CARD.default_handover, "float32") == (
        message.name,
        message.max_side,
        message.default_handover,
        message.environment.dtype,
    )
    assert {field.name for field in pb.Model.DESCRIPTOR.fields} == {field.name for field, _ in message.ListFields()}


class _Records:
    """Counts how often it is asked."""

    def __init__(self, value: bytes | None) -> None:
        self.value = value
        self.asked = 0

    async def get(self, _key: str) -> Any:
        """Return the value."""
        self.asked += 1
        return None if self.value is None else Stored(self.value, 1)


async def test_card_is_read_anew_after_a_second() -> None:
    """A server asks the store once a second at most, and as often as it likes while there is none."""
    now = [100.0]
    records = _Records(None)
    known = KnownCard(records, clock=lambda: now[0])  # type: ignore[arg-type]  # half a port is all that is used
    assert await known.read() is None
    records.value = to_json(CARD)

    assert CARD == await known.read()
    assert CARD == await known.read()
    assert 2 == records.asked
    now[0] += FRESH_SECONDS
    await known.read()
    assert 3 == records.asked
