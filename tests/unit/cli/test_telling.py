"""What a watcher is told of each event."""

from __future__ import annotations

from typing import Any

import pytest

from fabula.api.generation.v1.generation_pb2 import Event, LogLevel, State
from fabula.cli.story_telling import StoryTeller
from fabula.cli.telling import Heading, Item, Passage, Remark
from tests.unit.cli.events import OUTLINE, a_story, response


def told(*responses: Any) -> list[Item]:
    """Return everything one teller says."""
    teller = StoryTeller()
    return [item for one in responses for item in teller.tell(one)]


def test_a_story_is_told_with_headings_from_its_outline() -> None:
    """Text comes in the order it was written, each chapter under its own heading."""
    items = told(*a_story())

    text = "".join(f"[{i.text}]" if isinstance(i, Heading) else i.text for i in items if not isinstance(i, Remark))
    assert "[1. Low Tide]The tide went out.\n\nMara followed.[2. High Tide]It came back." == text


def test_what_matters_is_said_and_the_rest_is_detail() -> None:
    """Who sees a progress bar is only told what it does not show."""
    remarks = [item.text for item in told(*a_story()) if isinstance(item, Remark) and not item.detail]

    expected = [
        "Outline: “The Door”, 2 chapters (0.5 s)",
        "The Critic accepts it (0.0 s)",
        "Finished: “The Door”, 6 words, by grammar/1",
    ]
    assert expected == remarks


def test_a_stage_that_begins_again_gets_its_heading_again() -> None:
    """The text before the restart is void; the reader sees where the new one begins."""
    delta = response(1, {"text_delta": {"stage": "write-1", "offset": 0, "text": "Once"}})
    again = response(2, {"stage_restarted": {"stage": "write-1", "reason": "the model repeats itself"}})

    expected = [
        Heading("Chapter 1"),
        Passage("Once"),
        Remark("write-1 begins again: the model repeats itself", "warning"),
        Heading("Chapter 1"),
        Passage("Once"),
    ]
    assert expected == told(delta, again, delta)


def test_a_story_of_one_chapter_is_headed_by_its_title_alone() -> None:
    """A number would promise a second chapter."""
    outline = {**OUTLINE, "chapters": [{"number": 1, "title": "Low Tide"}]}
    finished = response(1, {"stage_finished": {"stage": "outline"}}, output={"outline": outline})
    delta = response(2, {"text_delta": {"stage": "write-1", "offset": 0, "text": "Once"}})

    assert Heading("Low Tide") in told(finished, delta)


def test_a_watcher_that_comes_late_is_given_the_text_so_far() -> None:
    """A reset says why, and brings what there is; what follows continues it."""
    snapshot = {"stages": [{"stage": "outline"}, {"stage": "write-1", "text": "Once upon"}]}
    reset = response(9, {"reset": {"reason": "the cursor is ahead of the log", "snapshot": snapshot}})
    delta = response(10, {"text_delta": {"stage": "write-1", "offset": 9, "text": " a time"}})

    expected = [
        Remark("Starting over: the cursor is ahead of the log", "warning"),
        Heading("Chapter 1"),
        Passage("Once upon"),
        Passage(" a time"),
    ]
    assert expected == told(reset, delta)


def test_progress_without_text_is_told_by_tenths() -> None:
    """A log without a terminal must not be flooded."""
    steps = [
        response(n, {"advanced": {"stage": "write-1"}}, fraction=n / 100, stage="write-1", step=n, steps=100)
        for n in range(1, 31)
    ]

    expected = ["write-1, 10 of 100", "write-1, 20 of 100", "write-1, 30 of 100"]
    assert expected == [item.text for item in told(*steps)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"claimed": {"attempt": 2}}, "Another worker has taken it, attempt 2"),
        ({"released": {"worker": "w"}}, "The worker has handed it back; it waits for the next one"),
        ({"log_line": {"message": "hm", "level": LogLevel.LOG_LEVEL_WARNING}}, "hm"),
        ({"paused": {}}, "Paused. Go on with: fabula resume story-1"),
        ({"resumed": {}}, "Goes on"),
        ({"cancel_requested": {}}, "Cancel asked for"),
        ({"pause_requested": {}}, "Pause asked for"),
        ({"retried": {"from_stage": "write-2"}}, "A new run begins with write-2"),
        ({"cancelled": {}}, "Cancelled"),
        (
            {"failed": {"stage": "write-1", "failure": {"code": "MODEL_CRASHED", "message": "the model died"}}},
            "Failed in write-1: the model died [MODEL_CRASHED]",
        ),
    ],
)
def test_every_turn_is_told(body: dict[str, Any], expected: str) -> None:
    """States, requests and failures read as sentences."""
    assert expected == told(response(1, body))[0].text


def test_no_event_is_passed_over_in_silence_or_breaks_the_teller() -> None:
    """Each kind of event but previews is told, with empty fields as well."""
    silent = [
        kind.name
        for kind in Event.DESCRIPTOR.oneofs_by_name["body"].fields
        if not told(response(1, {kind.name: {}}, state=State.STATE_RUNNING, fraction=0.5))
    ]

    assert ["preview", "snapshot"] == sorted(silent)
