from __future__ import annotations

import pytest

from fabula.backends.json_answer import check_answer, check_schema
from fabula.errors import InvalidRequest, ModelOutputInvalid

SCHEMA = {"type": "object", "properties": {"names": {"type": "array", "items": {"type": "string"}}}}


def test_an_answer_that_satisfies_its_schema_passes() -> None:
    """Nothing is raised."""
    check_answer('{"names": ["Ada"]}', SCHEMA, cut_short=False)


@pytest.mark.parametrize(
    ("answer", "cut_short", "words"),
    [
        ('{"names": [7]}', False, r"at \$\.names\[0\] \(type\)"),
        ('{"names": [', False, "is not JSON"),
        ('{"names": [', True, "Allow more tokens"),
        ("", False, "is not JSON"),
    ],
)
def test_an_answer_that_does_not_says_where_and_why(answer: str, cut_short: bool, words: str) -> None:
    """The message leads to the place without repeating the answer."""
    with pytest.raises(ModelOutputInvalid, match=words):
        check_answer(answer, SCHEMA, cut_short=cut_short)


def test_what_is_no_schema_is_refused() -> None:
    """Before a model is asked."""
    with pytest.raises(InvalidRequest, match="no JSON Schema"):
        check_schema({"type": 7})
