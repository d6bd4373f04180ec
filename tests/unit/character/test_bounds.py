"""The bounds of a character are the contract's."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.api.character.v1 import character_pb2 as pb
from fabula.errors import InvalidRequest
from fabula.rpc.validation import validate
from services.character.bounds import LONGEST, LONGEST_HISTORY, LONGEST_TRAIT, MOST_TRAITS, fitted, problems
from services.character.codec import details_to_message
from services.character.domain import MOST_YEARS, Details
from tests.unit.character.samples import DETAILS


def _refused(message: Any) -> set[str]:
    """Return the fields that the proto's rules refuse."""
    try:
        validate(message)
    except InvalidRequest as error:
        return {field.partition("[")[0] for field, _ in error.violations}
    return set()


@pytest.mark.parametrize("name", LONGEST)
@pytest.mark.parametrize("beyond", [0, 1])
def test_longest_text_is_the_contracts(name: str, beyond: int) -> None:
    """One character more is refused by both, at the same field."""
    details = replace(DETAILS, **{name: "ü" * (LONGEST[name] + beyond)})  # type: ignore[arg-type]

    assert ({name} if beyond else set()) == {field for field, _ in problems(details)}
    assert ({name} if beyond else set()) == _refused(details_to_message(details))


@given(
    st.dictionaries(st.sampled_from(sorted(LONGEST)), st.sampled_from(["", "x"])),
    st.sampled_from([0, MOST_YEARS, MOST_YEARS + 1]),
    st.lists(st.sampled_from(["", "x", "x" * LONGEST_TRAIT, "x" * (LONGEST_TRAIT + 1)]), max_size=MOST_TRAITS + 1),
)
def test_what_is_wrong_is_what_the_contract_refuses(texts: dict[str, str], age: int, traits: list[str]) -> None:
    """Neither more nor less."""
    details = replace(DETAILS, age=age, traits=tuple(traits), **texts)

    assert _refused(details_to_message(details)) == {field for field, _ in problems(details)}


def test_every_text_has_a_bound() -> None:
    """None is forgotten; so has the history."""
    assert {field.name for field in fields(Details)} == {*LONGEST, "age", "traits"}
    request = pb.UpdateCharacterRequest(character_id="c", etag="1", history="x" * LONGEST_HISTORY)
    assert set() == _refused(request)
    request.history += "x"
    assert {"history"} == _refused(request)


@pytest.mark.parametrize("name", LONGEST)
def test_text_that_is_too_long_is_cut_at_a_word(name: str) -> None:
    """Or in the middle of one where there is none; what fits stays as it is."""
    longest = LONGEST[name]
    words, one = "wort " * longest, "ü" * (longest + 1)

    kept = [getattr(fitted(replace(DETAILS, **{name: text})), name) for text in (words, one, one[1:])]  # type: ignore[arg-type]

    assert {"wort"} == set(kept[0].removesuffix("…").split())
    assert longest - 10 < len(kept[0]) <= longest
    assert [f"{one[: longest - 1]}…", one[1:]] == kept[1:]


@given(st.integers(0, 2**40), st.lists(st.sampled_from(["", "calm", "x" * 61, "two words " * 9]), max_size=20))
def test_what_is_made_to_fit_is_within_bounds(age: int, traits: list[str]) -> None:
    """And stays as it is from then on."""
    kept = fitted(replace(DETAILS, age=age, traits=tuple(traits)))

    assert [] == problems(kept)
    assert kept == fitted(kept)
    assert DETAILS == fitted(DETAILS)
