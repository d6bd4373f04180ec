from __future__ import annotations

import json
from typing import Any

import pytest

from fabula.api.gateway.v1 import gateway_pb2
from fabula.api.story.v1 import story_pb2
from fabula.errors import InvalidRequest
from gateway.json_requests import MOST_VALUES, fill, in_json_names, parse_object


@pytest.mark.parametrize(
    ("content", "field", "text"),
    [
        ({"foo": 1}, "foo", "there is no such field"),
        ({"words": "many"}, "words", "must be a whole number from 0 to 4294967295"),
        ({"words": -1}, "words", "must be a whole number from 0 to 4294967295"),
        ({"words": True}, "words", "must be a whole number from 0 to 4294967295"),
        ({"premise": 1}, "premise", "must be a string of valid Unicode"),
        ({"premise": "\ud800"}, "premise", "must be a string of valid Unicode"),
        ({"characters": {"name": "Ida"}}, "characters", "must be a list"),
        ({"characters": [{"name": "Ida"}, {"nam": "Bo"}]}, "characters[1].nam", "there is no such field"),
        ({"characters": [{"name": "Ida"}, 7]}, "characters[1]", "must be an object"),
        ({"characters": [{"name": 7}]}, "characters[0].name", "must be a string of valid Unicode"),
        ({"sampling": {"temperature": "hot"}}, "sampling.temperature", "must be a number"),
        ({"sampling": 7}, "sampling", "must be an object"),
        ({"source": {"data": 7}}, "source.data", "must be a string in base64"),
        ({"\ud800": 7}, "\\ud800", "there is no such field"),
        ({"source": {"\ud800": 7}}, "source.\\ud800", "there is no such field"),
        ({"sampling": "\ud800"}, "sampling", "must be an object"),
    ],
)
def test_a_field_that_cannot_be_read_is_named(content: dict[str, Any], field: str, text: str) -> None:
    """The violation has the field's path in JSON, and says what is expected there."""
    with pytest.raises(InvalidRequest) as refusal:
        fill(story_pb2.StoryRequest(), content)

    assert ((field, text),) == refusal.value.violations
    assert f"{field}: {text}" == refusal.value.message


def test_fields_that_exclude_each_other_are_refused() -> None:
    """Each of two values of a oneof can be read, and still they cannot both be."""
    with pytest.raises(InvalidRequest, match="exclude each other") as refusal:
        fill(story_pb2.StoryRequest(), {"source": {"text": "a", "data": "YQ=="}})

    assert "source" == refusal.value.violations[0][0]


def test_what_can_be_read_is_set_under_either_name() -> None:
    """proto3 JSON knows a field by its JSON name and by its name in the proto."""
    message = story_pb2.StoryRequest()
    fill(message, {"premise": "An owl.", "words": "300", "sampling": {"topP": 0.5}, "title": None})

    sampling = story_pb2.Sampling(top_p=0.5)
    assert story_pb2.StoryRequest(premise="An owl.", words=300, sampling=sampling) == message


@pytest.mark.parametrize(
    "text", [b"\xff", b"", b"{", b"[1]", b"null", b'"x"', b"[" * 100_000, b'{"a":' + b"9" * 10_000 + b"}"]
)
def test_what_is_no_json_object_is_refused(text: bytes) -> None:
    """Whatever it is, it is the caller's mistake and said so."""
    with pytest.raises(InvalidRequest):
        parse_object(text)


def test_a_services_refusal_reads_as_the_json_was_written() -> None:
    """Paths lose the field that the body stands for, and take their JSON names."""
    path = "story.characters[0].first_name"
    error = InvalidRequest(f"{path}: must not be empty", ((path, "must not be empty"), ("request_id", "too long")))

    seen = in_json_names(error, "story")

    assert (("characters[0].firstName", "must not be empty"), ("requestId", "too long")) == seen.violations
    assert "characters[0].firstName: must not be empty" == seen.message


def test_a_longer_name_that_holds_the_path_is_left_alone() -> None:
    """Only the path itself is renamed in the message."""
    error = InvalidRequest("next_page_token is no page_token", (("page_token", "wrong"),))

    assert "next_page_token is no pageToken" == in_json_names(error).message


@pytest.mark.parametrize(
    ("content", "field"),
    [
        ({"items": [{"request": {"x": 10**400}}]}, "items[0].request"),
        ({"items": [{"request": {"x": "\ud800"}}]}, "items[0].request"),
        ({"items": [{"request": {"fields": ["\ud800"]}}]}, "items[0].request"),
        ({"results": [{"error": {"details": []}}]}, "results[0].error.details"),
    ],
)
def test_content_of_any_shape_is_read_or_refused(content: dict[str, Any], field: str) -> None:
    """Numbers larger than any, halves of characters, lists where names have values."""
    cls = gateway_pb2.StartBatchResponse if "results" in content else gateway_pb2.StartBatchRequest
    with pytest.raises(InvalidRequest) as refusal:
        fill(cls(), content)
    assert [field] == [name for name, _ in refusal.value.violations]
    str(refusal.value).encode()


@pytest.mark.parametrize("name", ["\\", "\\1", "\\A", "\\g<0>", "a_\\d"])
def test_a_clients_name_of_a_field_is_no_pattern(name: str) -> None:
    """It is told as it is."""
    with pytest.raises(InvalidRequest) as refusal:
        fill(story_pb2.StoryRequest(), {name: 1})
    assert in_json_names(refusal.value).message.startswith(f"{in_json_names(refusal.value).violations[0][0]}: ")


@pytest.mark.parametrize(
    "content",
    [
        {"characters": [{}] * (MOST_VALUES + 1)},
        {"characters": [{"name": ""}] * (MOST_VALUES // 2 + 1)},
        {"source": {"data": {str(number): [] for number in range(MOST_VALUES)}}},
    ],
)
def test_more_values_than_anybody_needs_are_not_looked_at(content: dict[str, Any]) -> None:
    """Wherever they stand."""
    with pytest.raises(InvalidRequest, match="more than 10000 values"):
        fill(story_pb2.StoryRequest(), content)


def test_brackets_of_a_text_are_no_matter() -> None:
    """Sources of wikis and programs are full of them."""
    source = '[[a]] {{b}} \\" ' * 10_000

    assert {"text": source} == parse_object(json.dumps({"text": source}))


@pytest.mark.parametrize("text", ["[" * 30_000, '"' + '\\"[' * 30_000 + '" [' * 50_000, b'{"a":[' + b"{}," * 30_000])
def test_more_brackets_than_anybody_needs_are_not_even_read(text: str | bytes) -> None:
    """Millions of empty objects cost more memory than the body that they come in."""
    with pytest.raises(InvalidRequest, match="brackets"):
        parse_object(text)
