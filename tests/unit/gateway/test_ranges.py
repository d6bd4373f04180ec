"""Which part of some bytes a request gets, case by case as RFC 9110 has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from gateway.ranges import Part, part_of

TAG = '"abc"'


def answer(method: str = "GET", size: int = 100, **headers: str) -> Part:
    """Return what is answered."""
    return part_of(method, Headers({name.replace("_", "-"): value for name, value in headers.items()}), size, TAG)


@pytest.mark.parametrize(
    ("asked", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=99-", 99, 100),
        ("bytes=10-19", 10, 20),
        ("bytes=90-9999", 90, 100),
        ("bytes=-1", 99, 100),
        ("bytes=-100", 0, 100),
        ("bytes=-101", 0, 100),
        ("bytes=0-" + "9" * 40, 0, 100),
    ],
)
def test_a_single_range_is_a_part(asked: str, start: int, stop: int) -> None:
    """With a last byte behind the end, or only a length from the end."""
    part = answer(range=asked)

    assert (206, start, stop) == (part.status, part.start, part.stop)
    assert f"bytes {start}-{stop - 1}/100" == part.content_range


@pytest.mark.parametrize("asked", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=" + "9" * 40 + "-"])
def test_a_range_without_bytes_is_not_satisfiable(asked: str) -> None:
    """416, with the size."""
    assert (416, "bytes */100") == (answer(range=asked).status, answer(range=asked).content_range)


@pytest.mark.parametrize(
    "asked", ["bytes=5-4", "bytes=-", "bytes=", "bytes=1-2,5-6", "items=0-5", "bytes 0-5", "bytes=a-b", "bytes=²-³", ""]
)
def test_what_is_no_single_range_is_ignored(asked: str) -> None:
    """All of it is sent: section 14.2."""
    assert (200, 0, 100, "") == (
        answer(range=asked).status, answer(range=asked).start, answer(range=asked).stop, answer().content_range
    )  # fmt: skip


@pytest.mark.parametrize("condition", ["*", TAG, f"W/{TAG}", f'"x", {TAG}', f'"x",W/{TAG} ,"y"'])
def test_what_one_has_is_not_sent(condition: str) -> None:
    """The comparison is weak, and goes before the range."""
    assert 304 == answer(if_none_match=condition, range="bytes=0-5").status
    assert 304 == answer("HEAD", if_none_match=condition).status


@pytest.mark.parametrize("condition", ["", '"ab"', "abc", '"x", "y"'])
def test_what_one_does_not_have_is_sent(condition: str) -> None:
    """A validator without its quotes is none."""
    assert 200 == answer(if_none_match=condition).status


def test_head_has_no_parts() -> None:
    """`Range` is defined for GET only."""
    assert 200 == answer("HEAD", range="bytes=0-5").status


def test_if_range_needs_the_strong_validator() -> None:
    """Else the part would be joined to a part of something else."""
    conditions = (TAG, f"W/{TAG}", '"x"', "Sat, 21 Nov 2026 13:00:00 GMT")

    assert [206, 200, 200, 200] == [answer(range="bytes=0-5", if_range=condition).status for condition in conditions]


@given(st.text("bytes=-0123456789, ", max_size=30), st.integers(1, 1000))
def test_every_answer_lies_in_the_bytes(asked: str, size: int) -> None:
    """Whatever is asked for."""
    part = answer(size=size, range=f"bytes={asked}")

    assert part.status in {200, 206, 416}
    assert 0 <= part.start <= part.stop <= size
    assert bool(part.length) == (part.status != 416)
