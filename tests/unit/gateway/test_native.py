from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format

from fabula.api.gateway.v1 import gateway_pb2
from fabula.api.story.v1 import story_pb2
from fabula.errors import InvalidRequest, NotFound
from fabula.rpc.kinds import STORY
from gateway.answers import problem_of
from gateway.dialects import native
from gateway.dialects.native import DIALECTS, Native, Refused, Unreadable
from gateway.entries import Frame, SharedEntry, read_entry

ID = "story-00000000-0000-4000-8000-000000000001"


def entry(sequence: int = 5, **body: Any) -> SharedEntry:
    """Return an entry as it comes from the service."""
    response = story_pb2.WatchProgressResponse()
    json_format.ParseDict({"event": {"generationId": ID, "sequence": sequence, **body}}, response)
    return read_entry(STORY, ID, response.SerializeToString())


def read(dialect: Native, message: Frame) -> gateway_pb2.ServerFrame:
    """Read a frame as a client of this dialect does."""
    if isinstance(message, bytes):
        return gateway_pb2.ServerFrame.FromString(message)
    return json_format.Parse(message, gateway_pb2.ServerFrame())


def written(dialect: Native, frame: gateway_pb2.ClientFrame) -> Frame:
    """Write a frame as a client of this dialect does."""
    return frame.SerializeToString() if dialect.name.endswith("proto") else json_format.MessageToJson(frame)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@pytest.mark.parametrize("request_name", ["subscribe", "unsubscribe", "cancel", "pause", "resume"])
def test_every_request_of_a_client_is_read_as_it_was_written(dialect: Native, request_name: str) -> None:
    """Both encodings carry the same frames."""
    frame = gateway_pb2.ClientFrame(frame_id="1")
    getattr(frame, request_name).generation_id = ID

    assert frame == dialect.decode(written(dialect, frame))


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@pytest.mark.parametrize(
    "frame",
    [
        native.done_frame("1", ID, 7),
        native.ended_frame(ID, 7),
        native.keep_alive_frame(),
        native.error_frame("1", ID, problem_of(NotFound("there is no such generation", id=ID))),
        native.error_frame("1", "", problem_of(InvalidRequest("bad", (("premise", "is empty"),)))),
        native.entry_frame(entry(textDelta={"stage": "write-1", "text": "Once “upon”\n a time"})),
        native.entry_frame(entry(0, waiting={})),
        native.entry_frame(entry(snapshot={"stages": [{"stage": "write-1", "text": "Once"}]})),
        native.entry_frame(entry(reset={"reason": "the cursor is ahead of the log"})),
    ],
    ids=lambda frame: frame.WhichOneof("frame"),
)
def test_every_frame_is_read_as_it_was_written(dialect: Native, frame: gateway_pb2.ServerFrame) -> None:
    """What a client reads is what the gateway meant, in both encodings."""
    seen = read(dialect, dialect.encode(frame))

    # An Any may be packed again in another order of fields; what it holds counts.
    assert json_format.MessageToDict(frame) == json_format.MessageToDict(seen)


def test_json_frames_are_one_line_of_plain_names() -> None:
    """No line break within a frame, so that it fits a server-sent event too; letters stand as they are."""
    message = native.DEFAULT.encode(native.entry_frame(entry(textDelta={"stage": "write-1", "text": "Märchen\n\n„"})))

    assert isinstance(message, str)
    assert "\n" not in message
    assert "Märchen" in message
    assert {"stage": "write-1", "text": "Märchen\n\n„"} == json.loads(message)["event"]["response"]["event"][
        "textDelta"
    ]


def test_a_reset_says_why_and_where() -> None:
    """Reason and cursor stand in the frame itself, for clients that do not look into the response."""
    frame = native.entry_frame(entry(12, reset={"reason": "the log was cut"}))

    assert (ID, 12, "the log was cut") == (frame.reset.generation_id, frame.reset.sequence, frame.reset.reason)


@pytest.mark.parametrize(
    ("name", "message", "close"),
    [
        ("fabula.v1.json", b"{}", 1003),
        ("fabula.v1.json", "{", 1007),
        ("fabula.v1.proto", "{}", 1003),
        ("fabula.v1.proto", b"\xff", 1007),
    ],
)
def test_what_cannot_be_read_has_a_close_code(name: str, message: Frame, close: int) -> None:
    """1003 for the wrong type of message, 1007 for one that does not hold what its type promises."""
    with pytest.raises(Unreadable) as unreadable:
        DIALECTS[name].decode(message)

    assert close == unreadable.value.close


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_a_refused_frame_keeps_its_id(dialect: Native) -> None:
    """The client learns which of its frames was wrong."""
    frame = gateway_pb2.ClientFrame(frame_id="42", subscribe=gateway_pb2.Subscribe())
    with pytest.raises(Refused) as refused:
        dialect.decode(written(dialect, frame))

    assert "42" == refused.value.frame_id


def test_a_frame_id_that_no_answer_can_carry_is_left_out() -> None:
    """JSON can spell halves of characters; a proto cannot hold them."""
    with pytest.raises(Refused) as refused:
        DIALECTS["fabula.v1.json"].decode('{"frameId":"\\ud800"}')

    assert "" == native.error_frame(refused.value.frame_id, ID, problem_of(refused.value.error)).frame_id


def test_an_entry_is_encoded_once_for_each_dialect() -> None:
    """Whoever asks second gets the very frame that the first got."""
    shared, calls = entry(advanced={"stage": "write-1"}), []

    def encode(each: SharedEntry) -> Frame:
        calls.append(each)
        return f"frame {len(calls)}"

    frames = [shared.frame(dialect, encode) for dialect in ("a", "b", "a", "b", "a")]

    assert ["frame 1", "frame 2", "frame 1", "frame 2", "frame 1"] == frames


@pytest.mark.parametrize(
    ("body", "tag", "ends"),
    [
        ({"textDelta": {"text": "x"}}, "t", False),
        ({"advanced": {}}, "a", False),
        ({"stageStarted": {}}, "s", False),
        ({"succeeded": {}, "state": "STATE_SUCCEEDED"}, "z", True),
        ({"failed": {}, "state": "STATE_FAILED"}, "z", True),
        ({"cancelled": {}, "state": "STATE_CANCELLED"}, "z", True),
        ({"snapshot": {}, "state": "STATE_CANCELLED"}, "s", True),
    ],
)
def test_an_entry_tells_what_it_is(body: dict[str, Any], tag: str, *, ends: bool) -> None:
    """Tail and watches need to know no more than that."""
    assert (tag, ends) == (entry(**body).tag.value, entry(**body).ends_run)
    assert "p" == entry(0, **body).tag.value
