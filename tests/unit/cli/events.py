"""A story's events, scripted: what a story server would send."""

from __future__ import annotations

from typing import Any

from google.protobuf.duration_pb2 import Duration

from fabula.api.generation.v1.generation_pb2 import Event, LogLevel, LogLine, Preview, Progress, State
from fabula.api.image.v1 import image_pb2
from fabula.api.story.v1.story_pb2 import WatchProgressResponse

ID = "story-1"
OUTLINE = {"title": "The Door", "chapters": [{"number": 1, "title": "Low Tide"}, {"number": 2, "title": "High Tide"}]}


def seconds(count: float) -> Duration:
    """Return a length of time."""
    return Duration(nanos=round(count * 1e9) % 10**9, seconds=int(count))


def response(
    sequence: int,
    body: dict[str, Any],
    *,
    state: State.ValueType = State.STATE_RUNNING,
    output: dict[str, Any] | None = None,
    **progress: Any,
) -> WatchProgressResponse:
    """Return one event with what it brings."""
    event = Event(generation_id=ID, sequence=sequence, state=state, progress=Progress(**progress), **body)
    return WatchProgressResponse(event=event, **(output or {}))


def preview(image: bytes, *, step: int = 5, remark: str = "") -> Any:
    """Return a preview of a picture; or a line of the log in its stead."""
    body = Event(preview=Preview(image=image, media_type="image/png", step=step))
    if remark:
        body = Event(sequence=7, log_line=LogLine(message=remark, level=LogLevel.LOG_LEVEL_WARNING))
    body.MergeFrom(Event(generation_id="image-1", state=State.STATE_RUNNING, progress=Progress(step=step, steps=20)))
    return image_pb2.WatchProgressResponse(event=body)


def a_story() -> list[WatchProgressResponse]:
    """Return the events of a story of two chapters, from its start to its end."""
    queued, done = State.STATE_QUEUED, State.STATE_SUCCEEDED
    end = {"title": "The Door", "word_count": 6, "model": "grammar/1", "text": "# The Door\n\nThe tide went out.\n"}
    return [
        response(1, {"accepted": {"kind": "story"}}, state=queued),
        response(0, {"waiting": {}}, state=queued, queue_position=2),
        response(2, {"claimed": {"worker": "w", "attempt": 1}}),
        response(3, {"stage_started": {"stage": "outline", "agents": ["Planner"]}}, message="Planning the chapters"),
        response(
            4,
            {"stage_finished": {"stage": "outline", "elapsed": seconds(0.5)}},
            output={"outline": OUTLINE},
            fraction=0.1,
        ),
        response(5, {"stage_started": {"stage": "write-1", "agents": ["Writer"]}}, fraction=0.1, message="Writing"),
        response(6, {"text_delta": {"stage": "write-1", "offset": 0, "text": "The tide "}}, fraction=0.2),
        response(7, {"text_delta": {"stage": "write-1", "offset": 9, "text": "went out.\n\nMara"}}, fraction=0.3),
        response(8, {"text_delta": {"stage": "write-1", "offset": 24, "text": " followed."}}, fraction=0.4),
        response(9, {"stage_finished": {"stage": "write-1", "elapsed": seconds(2)}}, fraction=0.5),
        response(10, {"text_delta": {"stage": "write-2", "offset": 0, "text": "It came back."}}, fraction=0.6),
        response(11, {"stage_finished": {"stage": "review-1"}}, output={"review": {"accepted": True}}, fraction=0.9),
        response(12, {"succeeded": {}}, state=done, output={"story": end}, fraction=1.0),
    ]
