from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fabula.backends.image import Batch, Part
from fabula.backends.painting.requests import DenoiseRequest, Member, StepItem, Terms, slots
from fabula.backends.painting.state import StateHeader, digest, header_of, misfit
from fabula.backends.painting.tensor_file import RawTensor, pack
from tests.unit.backends.images import CARD, SPEC

HEADER = StateHeader(Part.BASE, 3, 24, 0, Batch(4, 1), 1, digest(SPEC), CARD.fingerprint, {}, resumes=True)


def state(header: StateHeader = HEADER, **changes: Any) -> bytes:
    """Return a state with a header."""
    return pack({"0": RawTensor("U8", (1,), b"x")}, replace(header, **changes).to_json())


def test_a_header_is_read_as_it_was_written() -> None:
    """Part and batch included."""
    assert HEADER == header_of(state())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"part": Part.REFINER}, "a state of the refiner and not of the base"),
        ({"spec": "other"}, "another request"),
        ({"fingerprint": "other"}, "has changed"),
        ({"resumes": False}, "cannot go on in the middle"),
        ({"resumes": False, "done": 24}, ""),
    ],
)
def test_a_state_says_what_it_is_good_for(changes: dict[str, Any], words: str) -> None:
    """Empty where one can go on; a part that is over needs no scheduler that can."""
    said = misfit(SPEC, Part.BASE, state(**changes), CARD)

    assert words in said
    assert bool(words) == bool(said)


def test_without_a_state_the_scheduler_may_be_why() -> None:
    """Or nothing was kept in time."""
    stuck = replace(CARD, schedulers=tuple(replace(scheduler, resumes=False) for scheduler in CARD.schedulers))

    assert "nothing was kept of it" == misfit(SPEC, Part.BASE, b"", CARD)
    assert "cannot go on in the middle" in misfit(SPEC, Part.BASE, b"", stuck)


def test_a_state_of_another_version_cannot_be_read() -> None:
    """An update may find states of before."""
    old = pack({}, {**HEADER.to_json(), "version": 0})

    assert "another version" in misfit(SPEC, Part.BASE, old, CARD)
    assert "cannot be read" in misfit(SPEC, Part.BASE, pack({}, {"version": 1}), CARD)


@pytest.mark.parametrize(
    "changes",
    [
        {"prompt": "another"},
        {"negative_prompt": "fog"},
        {"steps": 31},
        {"guidance": 5.5},
        {"seeds": (2,)},
        {"handover": 0.8},
        {"source": b"picture"},
        {"width": 520},
    ],
)
def test_whatever_decides_the_picture_is_in_the_digest(changes: dict[str, Any]) -> None:
    """Previews are not."""
    assert digest(SPEC) != digest(replace(SPEC, **changes))
    assert digest(SPEC) == digest(replace(SPEC, preview_interval=5))


def test_a_request_reaches_the_child_as_it_was_made() -> None:
    """Binary parts of all members included."""
    spec = replace(SPEC, handover=0.8, source=b"picture", strength=0.5)
    request = DenoiseRequest(
        Terms.of(spec, Part.BASE),
        (
            Member("a fox", "", (1, 2), "digest", 5, source=b"picture"),
            Member("a hen", "fog", (3,), "digest", 0, latents=b"latents", state=b"state"),
        ),
    )

    assert request == DenoiseRequest.from_wire(*request.to_wire())
    assert 0.5 == request.terms.strength
    assert Terms.of(replace(SPEC, strength=0.1), Part.BASE) == Terms.of(SPEC, Part.BASE)


def test_a_step_reaches_the_parent_as_it_was_made() -> None:
    """State and preview are told apart."""
    item = StepItem(1, 3, 24, 1, 4, b"state", b"preview")

    assert item == StepItem.from_wire(*item.to_wire())


def test_members_lie_one_behind_the_other() -> None:
    """Each begins where the one before it ends."""
    assert [0, 2, 3] == slots([2, 1, 3])
