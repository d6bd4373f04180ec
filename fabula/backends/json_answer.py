"""Judging an answer that should be JSON of a given shape. Pure; it must not know which model wrote it."""

from __future__ import annotations

import json

import jsonschema
from jsonschema.validators import validator_for

from fabula.backends.text import JsonSchema
from fabula.errors import InvalidRequest, ModelOutputInvalid


def check_schema(schema: JsonSchema) -> None:
    """Raise if this is no JSON Schema.

    Raises:
        InvalidRequest: it is not.
    """
    try:
        validator_for(schema).check_schema(dict(schema))
    except jsonschema.SchemaError as error:
        raise InvalidRequest(f"This is no JSON Schema: {error.message}.") from error


def check_answer(answer: str, schema: JsonSchema, *, cut_short: bool) -> None:
    """Raise if the answer is not JSON that satisfies the schema.

    Args:
        answer: The whole answer.
        schema: What it must satisfy; checked before by `check_schema`.
        cut_short: Whether the answer ended because it had reached its largest length.

    Raises:
        ModelOutputInvalid: it is not. The message says where, and does not repeat the answer.
    """
    try:
        value = json.loads(answer)
    except ValueError as error:
        if cut_short:
            raise ModelOutputInvalid(
                "The answer reached its largest length before its JSON was complete. Allow more tokens."
            ) from error
        raise ModelOutputInvalid("The answer is not JSON.") from error
    worst = jsonschema.exceptions.best_match(validator_for(schema)(schema).iter_errors(value))
    if worst is not None:
        raise ModelOutputInvalid(f"The answer does not satisfy its schema at {worst.json_path} ({worst.validator}).")
