from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import example, given
from hypothesis import strategies as st

from fabula.api.gateway.v1 import gateway_pb2
from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.api.story.v1 import story_pb2 as pb
from fabula.errors import InvalidRequest
from fabula.rpc.kinds import STORY
from fabula.rpc.validation import MOST_ITEMS, MOST_VIOLATIONS, validate


def start(**fields: Any) -> pb.StartGenerationRequest:
    """Return a good request, but for what is asked for."""
    return pb.StartGenerationRequest(story=pb.StoryRequest(**{"premise": "A boat.", **fields}))


def subscribed(count: int) -> gateway_pb2.ClientFrame:
    """Return a frame that asks for generations without an id."""
    subscriptions = [gateway_pb2.Subscribe()] * count
    return gateway_pb2.ClientFrame(subscribe_many=gateway_pb2.SubscribeMany(subscriptions=subscriptions))


def paths(message: Any) -> list[str]:
    """Return the paths of what is wrong with a message; none if nothing is."""
    try:
        validate(message)
    except InvalidRequest as error:
        return [path if description else "no description" for path, description in error.violations]
    return []


BOUNDS: list[tuple[str, Any, Any]] = [
    ("premise", "x" * 8000, "x" * 8001),
    ("premise", "猫" * 8000, "猫" * 8001),
    ("title", "x" * 200, "x" * 201),
    ("genre", "x" * 80, "x" * 81),
    ("tone", "x" * 80, "x" * 81),
    ("audience", "x" * 80, "x" * 81),
    ("language", "", "e"),
    ("language", "en", "english!"),
    ("language", "zh-Hant-TW", "zh_TW"),
    ("language", "de-CH-1996", "de-"),
    ("language", "abcdefgh-" + "abcdefgh-" * 2 + "abcdefgh", "abcdefgh" + "-abcdefgh" * 4),
    ("characters", [{"name": str(number)} for number in range(12)], [{"name": str(number)} for number in range(13)]),
    ("words", 50, 49),
    ("words", 20_000, 20_001),
    ("chapters", 1, 0),
    ("chapters", 40, 41),
    ("instructions", "x" * 8000, "x" * 8001),
    ("seed", 2**32 - 1, None),
    ("seed", 0, None),
    ("revisions", 0, None),
    ("revisions", 5, 6),
]


@pytest.mark.parametrize(("field", "good", "bad"), BOUNDS)
def test_the_limits_of_a_story_hold(field: str, good: Any, bad: Any) -> None:
    """The last good value is accepted, the first bad one is refused by name."""
    assert [] == paths(start(**{field: good}))
    if bad is not None:
        assert [f"story.{field}"] == paths(start(**{field: bad}))


def test_every_field_of_a_story_has_its_limits_tested() -> None:
    """A new field comes with its row."""
    nested = {"source", "sampling"}
    assert {field.name for field in pb.StoryRequest.DESCRIPTOR.fields} == {row[0] for row in BOUNDS} | nested


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"characters": [{"name": "Ann"}, {"id": "x" * 65}]}, "story.characters[1].id"),
        ({"characters": [{"name": "x" * 81}]}, "story.characters[0].name"),
        ({"characters": [{"name": "Ann", "description": "x" * 2001}]}, "story.characters[0].description"),
        ({"characters": [{"name": "Ann", "looks": "x" * 2001}]}, "story.characters[0].looks"),
        ({"characters": [{"name": "Ann", "history": "x" * 6001}]}, "story.characters[0].history"),
        ({"sampling": {"temperature": -0.1}}, "story.sampling.temperature"),
        ({"sampling": {"temperature": 2.1}}, "story.sampling.temperature"),
        ({"sampling": {"temperature": float("nan")}}, "story.sampling.temperature"),
        ({"sampling": {"top_p": 0}}, "story.sampling.top_p"),
        ({"sampling": {"top_p": 1.1}}, "story.sampling.top_p"),
        ({"sampling": {"top_p": float("inf")}}, "story.sampling.top_p"),
        ({"source": {"text": ""}}, "story.source.text"),
        ({"source": {"data": b""}}, "story.source.data"),
        ({"source": {"data": b"x" * 1_048_577}}, "story.source.data"),
        ({"source": {"text": "猫" * 349_526}}, "story.source.text"),
        ({"source": {"name": "x" * 256, "text": "A boat."}}, "story.source.name"),
        ({"words": 149, "chapters": 3}, "story"),
        ({"premise": ""}, "story"),
        ({"premise": " \n\t"}, "story"),
    ],
)
def test_a_fault_deep_inside_is_named_by_its_path(fields: dict[str, Any], path: str) -> None:
    """Paths read as people write them, with the index of a list's item."""
    assert path in paths(start(**fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"premise": "", "source": {"text": "Once."}},
        {"source": {"data": b"x" * 1_048_576}},
        {"source": {"text": "猫" * 349_525}},
        {"sampling": {"temperature": 0.0, "top_p": 1.0}},
        {"sampling": {"temperature": 2.0, "top_p": 1e-9}},
        {"words": 150, "chapters": 3},
        {"chapters": 40},
        {"characters": [{"name": "x" * 80, "description": "x" * 2000, "looks": "x" * 2000, "history": "x" * 6000}]},
        {"characters": [{"id": "x" * 64}]},
        {"characters": [{}]},  # without a name and an id: the story service itself refuses that, and says what to do
    ],
)
def test_what_is_just_within_the_limits_is_accepted(fields: dict[str, Any]) -> None:
    """No rule refuses what the comments allow."""
    assert [] == paths(start(**fields))


@pytest.mark.parametrize(
    ("message", "path"),
    [
        (pb.StartGenerationRequest(), "story"),
        (pb.StartGenerationRequest(request_id="a" * 129, story=pb.StoryRequest(premise="x")), "request_id"),
        (pb.StartGenerationRequest(request_id="a/b", story=pb.StoryRequest(premise="x")), "request_id"),
        (pb.WatchProgressRequest(), "target"),
        (pb.WatchProgressRequest(generation_id=""), "generation_id"),
        (pb.WatchProgressRequest(request_id="ä"), "request_id"),
        (pb.ListGenerationsRequest(page_size=-1), "page_size"),
        (pb.ListGenerationsRequest(states=[gen.STATE_QUEUED, gen.STATE_UNSPECIFIED]), "states[1]"),
        (pb.ListGenerationsRequest(page_token="x" * 257), "page_token"),
        (pb.ListTemplatesRequest(page_size=-1), "page_size"),
        (pb.RetryGenerationRequest(generation_id="x", from_stage="x" * 65), "from_stage"),
        (gateway_pb2.ClientFrame(), "request"),
        (gateway_pb2.ClientFrame(subscribe=gateway_pb2.Subscribe()), "subscribe.generation_id"),
    ],
)
def test_the_rules_of_the_other_requests_hold(message: Any, path: str) -> None:
    """Each names the field, or the choice that was not made."""
    assert [path] == paths(message)


@pytest.mark.parametrize("rpc", [method.name for method in pb.DESCRIPTOR.services_by_name["StoryService"].methods])
def test_every_text_that_a_caller_sends_has_a_limit(rpc: str) -> None:
    """No field of any request can be of any size."""
    for path, message in _with_long_texts(STORY.request(rpc).DESCRIPTOR):
        found = STORY.request(rpc)()
        found.MergeFrom(message)
        assert paths(found), f"{path} takes a megabyte and more"


def _with_long_texts(descriptor: Any, depth: int = 0) -> list[tuple[str, Any]]:
    """Return messages in which one text or list of texts is much too long, with its name."""
    found: list[tuple[str, Any]] = []
    cls = GetMessageClass(descriptor)
    for field in descriptor.fields:
        if field.name == "stored" or depth > 3:
            continue
        if field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated:
            found.append((field.name, cls(**{field.name: "x" * 1_100_000})))
        elif field.type == FieldDescriptor.TYPE_BYTES:
            found.append((field.name, cls(**{field.name: b"x" * 1_100_000})))
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            for name, inner in _with_long_texts(field.message_type, depth + 1):
                value = [inner] if field.is_repeated else inner
                found.append((f"{field.name}.{name}", cls(**{field.name: value})))
    return found


def says_something(premise: str) -> bool:
    """Whether anything is left without white space: Unicode's, which lacks four separators that Python strips."""
    return any(not letter.isspace() or letter in "\x1c\x1d\x1e\x1f" for letter in premise)


@example("\x1f", [], 50)
@given(st.text(max_size=30), st.lists(st.text(max_size=90), max_size=14), st.integers(0, 2**32 - 1))
def test_whatever_is_sent_the_check_ends_with_an_answer(premise: str, names: list[str], words: int) -> None:
    """A message is good or it is refused with reasons; nothing else happens."""
    message = start(premise=premise, characters=[{"name": name} for name in names], words=words)

    wrong = paths(message)

    assert bool(wrong) is not (
        says_something(premise) and len(names) <= 12 and all(len(name) <= 80 for name in names) and 50 <= words <= 20000
    ) or {"story"} == set(wrong)


def test_the_message_tells_the_first_fault_and_how_many_more() -> None:
    """A sentence for people; the list is in the details."""
    with pytest.raises(InvalidRequest, match=r"^story\.title: .*\(and 1 more\)$"):
        validate(start(title="x" * 201, genre="x" * 81))


def test_of_a_list_that_is_too_long_no_item_is_looked_at() -> None:
    """Whoever sends tens of thousands would keep a whole process busy with what is wrong with each."""
    frame = subscribed(50_000)
    batch = gateway_pb2.StartBatchRequest(items=[gateway_pb2.BatchItem()] * (MOST_ITEMS + 1))

    assert ["subscribe_many.subscriptions"] == paths(frame)
    assert ["items"] == paths(batch)


def test_only_the_first_of_many_mistakes_are_told() -> None:
    """And how many there are."""
    with pytest.raises(InvalidRequest, match=r"^subscribe_many\.subscriptions\[0\].* \(and 63 more\)$") as refusal:
        validate(subscribed(64))

    assert MOST_VIOLATIONS == len(refusal.value.violations)
