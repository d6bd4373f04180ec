"""Files that name several generations."""

from __future__ import annotations

import json

import pytest

from fabula.cli.batch_calls import Item, items_of
from fabula.errors import InvalidRequest

OWL = {"kind": "story", "request": {"premise": "An owl."}}
CAT = {"kind": "image", "request": {"prompt": "A cat."}, "requestId": "cat"}
ITEMS = [Item("story", {"premise": "An owl."}, "b.0"), Item("image", {"prompt": "A cat."}, "cat")]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"items": [OWL, CAT], "requestId": "b"}),
        json.dumps([OWL, CAT]),
        json.dumps([OWL, CAT], indent=2),
        f"{json.dumps(OWL)}\n\n{json.dumps(CAT)}\n",
    ],
    ids=["a request", "a list", "a list on many lines", "lines"],
)
def test_a_file_may_be_a_request_a_list_or_lines(text: str) -> None:
    """Keys follow as they do at the gateway."""
    assert ITEMS == items_of(text, "b")


def test_the_key_of_the_command_line_goes_first() -> None:
    """Before the one in the file; an item's own goes before both."""
    text = json.dumps({"items": [OWL, CAT], "requestId": "b"})

    assert ["x.0", "cat"] == [item.request_id for item in items_of(text, "x")]
    assert ["", "cat"] == [item.request_id for item in items_of(json.dumps([OWL, CAT]), "")]


@pytest.mark.parametrize(
    "text", ["7", "[1]", '{"kind":"song"}', '{"kind":"story","wish":{}}', '{"kind":"story","request":[]}', "{\n{", "{}"]
)
def test_what_is_no_batch_is_refused(text: str) -> None:
    """With a sentence, before anything is started."""
    with pytest.raises(InvalidRequest):
        items_of(text, "")
