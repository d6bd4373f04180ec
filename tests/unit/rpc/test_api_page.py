from __future__ import annotations

import re
from pathlib import Path

from fabula.api.story.v1 import story_pb2
from fabula.rpc.errors import GRPC_STATUS, WEB_ANSWER

PAGE = (Path(__file__).parents[3] / "docs" / "api.md").read_text("utf-8")


def test_the_page_of_errors_is_the_tables() -> None:
    """Every code with its statuses, as the code has them, and no other."""
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (\d+) \| (\d+) \| (yes|no) \|", PAGE, re.MULTILINE)

    expected = [
        (cls.code, status.name, str(WEB_ANSWER[cls].http), str(WEB_ANSWER[cls].close), "yes" if cls.retryable else "no")
        for cls, status in GRPC_STATUS.items()
    ]
    assert sorted(expected) == sorted(rows)


def test_the_page_of_calls_names_every_rpc() -> None:
    """In the order of the contract, but for the templates, which come last in both."""
    rows = re.findall(r"^\| `([A-Z]\w+)` \| [a-z]", PAGE, re.MULTILINE)

    service = story_pb2.DESCRIPTOR.services_by_name["StoryService"]
    assert [method.name for method in service.methods] == rows
