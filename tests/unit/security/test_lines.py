from __future__ import annotations

import io

import pytest
import structlog

from fabula import logs
from fabula.settings import GatewaySettings, load
from tests.unit.security.odd import ODD


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_line_of_the_log_is_one_line(form: str) -> None:
    """Whatever is told in it: no entry can be made up, and no terminal told what to do."""
    stream = io.StringIO()
    before = structlog.get_config()
    try:
        logs.configure(load(GatewaySettings, log_format=form), "test", stream)
        for text in ODD:
            structlog.get_logger("x").warning("event", reason=text, some_id=text)
    finally:
        structlog.configure(**before)
    lines = stream.getvalue()
    assert len(ODD) == lines.count("\n")
    assert not {"\r", "\0", "\x1b", "\x07", "\u2028", "\u202e"} & set(lines)
