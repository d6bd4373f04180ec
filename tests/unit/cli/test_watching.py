"""The three ways to show a story, and what a watch comes to."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from rich.console import Console

from fabula.api.generation.v1.generation_pb2 import Progress, State
from fabula.cli.exits import Exit
from fabula.cli.faces import FACES
from fabula.cli.screen import ScreenView, Typesetter
from fabula.cli.watching import JsonView, PlainView, Watch
from tests.unit.cli.events import ID, a_story, response, seconds


async def stream(responses: Iterable[Any]) -> AsyncIterator[Any]:
    """Yield responses as a server would."""
    for one in responses:
        yield one


async def test_plain_lines_go_to_standard_error_and_the_story_to_standard_output(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What is said about the story never mixes with it."""
    assert Exit.SUCCESS == await Watch(ID, PlainView(FACES["story"])).follow(stream(a_story()))

    out, err = capsys.readouterr()
    assert "# The Door\n\nThe tide went out.\n" == out
    expected = [
        "[  0%] Accepted as story-1",
        "[  0%] Waiting; 2 before it",
        "[  0%] A worker has taken it",
        "[  0%] Planner: Planning the chapters",
        "[ 10%] Outline: “The Door”, 2 chapters (0.5 s)",
        "[ 10%] Writer: Writing",
        "[ 50%] write-1 finished (2.0 s)",
        "[ 90%] The Critic accepts it (0.0 s)",
        "[100%] Finished: “The Door”, 6 words, by grammar/1",
    ]
    assert expected == err.splitlines()


async def test_json_is_one_object_a_line_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    """Each response as proto3 JSON, in order."""
    await Watch(ID, JsonView()).follow(stream(a_story()))

    out, err = capsys.readouterr()
    sequences = [json.loads(line)["event"].get("sequence", 0) for line in out.splitlines()]
    assert ([1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], "") == (sequences, err)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (State.STATE_SUCCEEDED, Exit.SUCCESS),
        (State.STATE_FAILED, Exit.FAILED),
        (State.STATE_CANCELLED, Exit.CANCELLED),
        (State.STATE_RUNNING, Exit.UNAVAILABLE),
    ],
)
async def test_the_exit_code_tells_how_it_ended(state: State.ValueType, expected: Exit) -> None:
    """A stream that ends without an end is a server that went away."""
    assert expected == await Watch(ID, JsonView()).follow(stream([response(1, {"cancelled": {}}, state=state)]))


async def test_who_leaves_is_told_how_to_come_back() -> None:
    """With the last event that was shown; queue positions and previews do not count."""
    watch = Watch(ID, JsonView())
    await watch.follow(stream([*a_story()[:4], a_story()[1]]))

    assert "fabula watch story-1 --after 3\n" in watch.how_to_come_back()
    assert "fabula cancel story-1\n" in watch.how_to_come_back()


def screen(width: int = 60) -> tuple[ScreenView, io.StringIO]:
    """Return a view on a terminal that writes down what it is sent."""
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=width, height=20, color_system=None)
    return ScreenView(FACES["story"], console=console), written


def test_a_terminal_shows_the_text_as_it_is_written() -> None:
    """The line that is being written is part of what is drawn, with the bar beneath."""
    view, written = screen()
    try:
        for one in a_story()[:8]:
            view.show(one)
        view._live.refresh()
    finally:
        view.close()

    assert "1. Low Tide" in written.getvalue()
    assert "The tide went out." in written.getvalue()
    assert "Mara\n" in written.getvalue().replace("\r", "").replace("\x1b[2K", "").replace(" \n", "\n")
    assert "30%" in written.getvalue()


def test_a_terminal_shows_the_time_left_as_an_interval_or_says_that_it_is_unknown() -> None:
    """Never a number out of thin air."""
    view, written = screen()
    try:
        view.show(response(1, {"advanced": {}}, fraction=0.4, elapsed=seconds(75)))
        view._live.refresh()
        unknown = written.getvalue()
        known = Progress(remaining_p50=seconds(20), remaining_p90=seconds(90), fraction=0.5)
        event = response(2, {"advanced": {}}, state=State.STATE_PAUSED)
        event.event.progress.CopyFrom(known)
        view.show(event)
        view._live.refresh()
    finally:
        view.close()

    assert "left: unknown" in unknown
    assert "1:15" in unknown
    assert "left: 0:20–1:30" in written.getvalue()


def test_lines_are_given_out_when_nothing_can_change_them() -> None:
    """Words that come in pieces are never broken, and nothing is lost."""
    lines = Typesetter(12)

    assert [] == lines.add("The tide w")
    assert ["The tide"] == lines.add("ent out. ")
    assert "went out. " == lines.rest
    assert ["went out.", "Mara", ""] == lines.add("Mara\n\nfoll")
    assert ["foll"] == lines.finish()
    assert [] == lines.finish()


def test_a_text_in_pieces_is_set_as_the_whole_text_is() -> None:
    """How it is cut makes no difference."""
    text = "In those days there lived a keeper, and her name was Mara.\n\nShe had one coat, and many questions. " * 3

    def set_in(pieces: list[str]) -> list[str]:
        lines = Typesetter(24)
        return [line.rstrip() for piece in pieces for line in lines.add(piece)] + lines.finish()

    assert set_in([text]) == set_in(list(text)) == set_in([text[i : i + 7] for i in range(0, len(text), 7)])
