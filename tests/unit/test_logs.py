"""Log entries: one way out for structlog and the standard library, readable by people or by programs."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from fabula.logs import configure
from fabula.settings import Settings, load


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """Put back what `configure` changes for the whole process."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def entries(stream: io.StringIO) -> list[dict[str, Any]]:
    """Return what was logged as JSON, without the times."""
    return [{k: v for k, v in json.loads(line).items() if k != "timestamp"} for line in stream.getvalue().splitlines()]


def test_an_entry_is_one_line_of_json_with_its_fields_where_there_is_no_terminal() -> None:
    """Fields, bound context, level, logger and process are in the entry."""
    stream = io.StringIO()
    configure(load(Settings), "story-server", stream)

    with structlog.contextvars.bound_contextvars(generation_id="story-1"):
        structlog.get_logger("fabula.test").warning("log_trimmed", first=7)

    expected = {
        "event": "log_trimmed",
        "first": 7,
        "generation_id": "story-1",
        "level": "warning",
        "logger": "fabula.test",
        "process": "story-server",
    }
    assert expected == entries(stream)[0]


def test_entries_of_libraries_take_the_same_way() -> None:
    """What is logged by the standard library looks the same, its arguments filled in."""
    stream = io.StringIO()
    configure(load(Settings), "gateway", stream)

    logging.getLogger("some.library").error("lost %s", "it")

    expected = {"event": "lost it", "level": "error", "logger": "some.library", "process": "gateway"}
    assert expected == entries(stream)[0]


def test_chatter_of_libraries_is_left_out() -> None:
    """A line for each request or connection is not worth keeping."""
    stream = io.StringIO()
    configure(load(Settings), "gateway", stream)

    logging.getLogger("uvicorn.access").info("GET /")
    logging.getLogger("httpx").info("HTTP Request")
    structlog.get_logger("fabula.test").debug("below_the_level")

    assert stream.getvalue() == ""


def test_a_traceback_holds_no_local_variables() -> None:
    """An exception is logged with its traceback, and without values that may be secret."""
    stream = io.StringIO()
    configure(load(Settings), "gateway", stream)

    def write(prompt: str) -> int:
        return len(prompt) // 0

    try:
        write("a very " + "private premise")
    except ZeroDivisionError:
        structlog.get_logger("fabula.test").exception("went_wrong")

    assert "ZeroDivisionError" in entries(stream)[0]["exception"]
    assert "a very private premise" not in stream.getvalue()


def test_the_console_format_is_for_people() -> None:
    """Asked for, an entry is a line of text."""
    stream = io.StringIO()
    configure(load(Settings, log_format="console"), "gateway", stream)

    structlog.get_logger("fabula.test").info("started", port=8080)

    assert "started" in stream.getvalue()
    assert "port=8080" in stream.getvalue()
