"""How times, outlines, reviews and log lines read."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from fabula.api.generation.v1.generation_pb2 import Generation, PendingRequest, Progress, State
from fabula.api.story.v1.story_pb2 import Character, Outline, Review
from fabula.cli.log_lines import LogPrinter, parse
from fabula.cli.rendering import age, clock, duration, outline_lines, remaining, review_lines, standing
from tests.unit.cli.events import seconds


@pytest.mark.parametrize(
    ("count", "expected"), [(0, "0:00"), (7.4, "0:07"), (750, "12:30"), (3723, "1:02:03"), (-3, "0:00")]
)
def test_a_clock_shows_hours_only_where_there_are_any(count: float, expected: str) -> None:
    """Time left never reads as negative."""
    assert expected == clock(count)


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (42.4, "42 s"), (59.7, "1 min"), (125, "2 min 5 s"), (3720, "1 h 2 min")],
)
def test_a_duration_is_as_exact_as_it_is_short(count: float, expected: str) -> None:
    """Tenths below ten seconds, seconds below an hour."""
    assert expected == duration(count)


def test_the_time_left_runs_down_and_stops_at_zero() -> None:
    """Between two events the clock goes on."""
    progress = Progress(remaining_p50=seconds(10), remaining_p90=seconds(70))

    assert ["0:10–1:10", "0:04–1:04", "0:00–0:40", "0:00"] == [remaining(progress, passed) for passed in (0, 6, 30, 99)]
    assert "unknown" == remaining(Progress())


@pytest.mark.parametrize(
    ("passed", "expected"),
    [(5, "5 s ago"), (61, "1 min ago"), (7300, "2 h ago"), (2e5, "2 d ago")],
)
def test_an_age_is_told_in_one_unit(passed: float, expected: str) -> None:
    """The largest that fits."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert expected == age(now - timedelta(seconds=passed), now)


def test_what_is_asked_for_shows_beside_the_state() -> None:
    """A running generation that is being cancelled reads so."""
    running = Generation(state=State.STATE_RUNNING, pending_request=PendingRequest.PENDING_REQUEST_CANCEL)
    assert ["running, being cancelled", "queued"] == [standing(running), standing(Generation(state=State.STATE_QUEUED))]


def test_an_outline_reads_as_markdown() -> None:
    """Title, what is known of the world, the people, then the chapters."""
    outline = Outline(title="The Door", logline="A door is found.", genre="fantasy", cast=[Character(name="Mara")])
    outline.chapters.add(number=1, title="Low Tide", summary="Mara finds it.", words=100)

    text = "\n".join(outline_lines(outline))
    assert text == (
        "# The Door\n\nA door is found.\n\n- Genre: fantasy\n- Mara\n\n"
        "## 1. Low Tide\n\nMara finds it. (about 100 words)"
    )


def test_reviews_name_the_check_and_the_place() -> None:
    """A clean one says that nothing was found."""
    first = Review(accepted=False)
    first.findings.add(check="length", reason="Too short.", chapter=2)

    text = "\n".join(review_lines([first, Review(accepted=True)]))
    assert text == (
        "# Review 1: to be revised\n- length, chapter 2: Too short.\n\n# Review 2: accepted\n\nNothing was found wrong."
    )


def printed(*lines: str, verbose: bool = False) -> list[str]:
    """Return what the log shows of lines that a process wrote, without the times."""
    written = io.StringIO()
    printer = LogPrinter(Console(file=written, width=300), verbose=verbose)
    for line in lines:
        printer.write(parse("story-worker", line))
    return [line[9:] for line in written.getvalue().splitlines()]


INFO = json.dumps({"event": "health_changed", "serving": True, "level": "info", "logger": "x", "process": "p"})
DONE = json.dumps({"event": "turn_ended", "generation_id": "story-1", "outcome": "done", "level": "info"})
BAD = json.dumps({"event": "claim_waits", "reason": "no journal", "level": "warning", "exception": "Traceback:\n  x"})


def test_a_quiet_log_shows_news_trouble_and_whatever_is_no_entry() -> None:
    """Tracebacks come below their entry, each line with the name before it."""
    expected = [
        "story-worker has ended its turn with story-1 (done)",
        'story-worker claim waits reason="no journal"',
        "story-worker Traceback:",
        "story-worker   x",
        "story-worker plain words",
    ]
    assert expected == printed(INFO, DONE, BAD, "plain words")


def test_a_verbose_log_shows_everything() -> None:
    """Fields in their order, what belongs to every entry left out."""
    assert ["story-worker health changed serving=true"] == printed(INFO, verbose=True)


@pytest.mark.parametrize("line", ["{broken", "[1]", '{"no": "event"}', ""])
def test_a_line_that_is_no_entry_is_shown_as_it_is(line: str) -> None:
    """Nothing that a process writes gets lost."""
    assert [f"story-worker {line}".rstrip()] == [shown.rstrip() for shown in printed(line)]
