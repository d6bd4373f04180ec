"""Names in NATS."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.engine.ids import owner_token
from fabula.engine.ports import Address, GenerationId, Purpose
from fabula.errors import InvalidRequest
from fabula.journal import subjects

ADDRESS = Address("story", "me", GenerationId("story-1"))


def test_subjects_stay_as_they_are() -> None:
    """Stored logs are found under these names: they never change."""
    token = "2744ccd10c7533bd736ad890f9dd5cab"

    assert f"fabula.ev.story.{token}.story-1.q" == subjects.log(ADDRESS, Purpose.QUEUE)
    assert f"fabula.ev.story.{token}.story-1.x" == subjects.tombstone(ADDRESS)
    assert f"fabula.ev.story.{token}.story-1.*" == subjects.whole_log(ADDRESS)
    assert f"fabula.live.story.{token}.story-1.*" == subjects.live_log(ADDRESS)
    assert "fabula.ev.story.*.*.q" == subjects.queued("story")
    assert "fabula.blob.n61.n" == subjects.blob("a/")


def test_id_and_purpose_are_read_from_both_kinds_of_subject() -> None:
    """A stored and a republished subject tell the same."""
    stored = subjects.log(ADDRESS, Purpose.CONTROL)
    live = stored.replace("fabula.ev.", "fabula.live.")

    for subject in (stored, live):
        assert (ADDRESS.id, "c") == (subjects.generation_of(subject), subjects.purpose_of(subject))


@given(st.text())
def test_any_owner_becomes_one_token(owner: str) -> None:
    """No owner's name can change the shape of a subject."""
    subject = subjects.whole_log(Address("story", owner, GenerationId("id")))

    assert subject.isascii()
    assert [6, "*"] == [len(subject.split(".")), subject.split(".")[5]]


@given(st.text(), st.text())
def test_two_owners_never_share_a_token(one: str, two: str) -> None:
    """Different owners have different logs."""
    assert (one == two) == (owner_token(one) == owner_token(two))


@given(st.text(max_size=50), st.text(max_size=50))
def test_blob_subjects_keep_prefixes(name: str, more: str) -> None:
    """A name that begins with another has a subject that begins with the other's: so prefixes can be removed."""
    subject = subjects.blob(name + more)

    assert subject.startswith(subjects.blob(name))
    assert all(token.isalnum() for token in subject.split("."))


@pytest.mark.parametrize("bad", ["", "a.b", "*", ">", "a b", "a\n", "ä", "x" * 129])
def test_ids_that_could_not_stand_in_a_subject_are_refused(bad: str) -> None:
    """Neither a kind nor an id can smuggle in a wildcard."""
    with pytest.raises(InvalidRequest):
        subjects.whole_log(Address(bad, "me", ADDRESS.id))
    with pytest.raises(InvalidRequest):
        subjects.whole_log(Address("story", "me", GenerationId(bad)))
