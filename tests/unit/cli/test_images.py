"""What `fabula image` asks for, and what its watcher is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fabula.api.image.v1 import image_pb2
from fabula.cli.image import ImageWishes, format_of, read_picture
from fabula.cli.image_telling import ImageTeller, describe
from fabula.cli.telling import Remark
from fabula.errors import InvalidRequest


def test_what_is_not_said_is_not_asked_for() -> None:
    """The model's defaults are the service's business."""
    assert image_pb2.ImageRequest(prompt="An owl", format=image_pb2.FORMAT_PNG) == ImageWishes("An owl").request("png")


def test_what_is_said_is_asked_for(tmp_path: Path) -> None:
    """0 and no are something that is said."""
    (tmp_path / "sea.png").write_bytes(b"bytes")
    wishes = ImageWishes(
        "An owl", "fog", width=64, guidance=0.0, seed=0, use_refinement=False, source=tmp_path / "sea.png",
        strength=0.5, preview_interval=0,
    )  # fmt: skip
    request = wishes.request("webp")

    assert ("fog", 64, 0.0, 0, False, 0.5, 0) == (
        request.negative_prompt, request.width, request.guidance, request.seed, request.use_refinement,
        request.strength, request.preview_interval,
    )  # fmt: skip
    said = ("guidance", "seed", "use_refinement", "preview_interval")
    assert all(request.HasField(name) for name in said)  # type: ignore[arg-type]  # a literal, one of four
    assert not request.HasField("steps")
    assert image_pb2.Source(name="sea.png", data=b"bytes") == request.source


@pytest.mark.parametrize(
    ("named", "output", "expected"),
    [
        (None, None, "png"),
        (None, "a.WEBP", "webp"),
        (None, "a.jpg", "jpeg"),
        (None, "a.jpeg", "jpeg"),
        ("webp", None, "webp"),
        ("jpeg", "-", "jpeg"),
        ("png", "a.png", "png"),
    ],
)
def test_the_format_follows_the_suffix(named: str | None, output: str | None, expected: str) -> None:
    """Or is named, where there is none."""
    assert expected == format_of(named, Path(output) if output else None)


@pytest.mark.parametrize(
    ("named", "output", "said"),
    [
        ("tiff", None, "is not known"),
        (None, "a.tiff", "the suffix"),
        (None, "a", "the suffix"),
        ("png", "a.jpg", "contra"),
    ],
)
def test_a_format_that_cannot_be_is_refused(named: str | None, output: str | None, said: str) -> None:
    """With what there is."""
    with pytest.raises(InvalidRequest, match=said):
        format_of(named, Path(output) if output else None)


def test_a_source_that_cannot_be_is_refused(tmp_path: Path) -> None:
    """Not there, empty, too large: before anything is sent."""
    (tmp_path / "empty.png").touch()
    with (tmp_path / "large.png").open("wb") as large:
        large.truncate((10 << 20) + 1)
    for name, said in (("none.png", "cannot be read"), ("empty.png", "is empty"), ("large.png", "larger than 10 MiB")):
        with pytest.raises(InvalidRequest, match=said):
            read_picture(tmp_path / name)


def told(**response: Any) -> list[Remark]:
    """Return what is told of a response."""
    items = list(ImageTeller().tell(image_pb2.WatchProgressResponse(**response)))
    return [item for item in items if isinstance(item, Remark)]


def test_words_that_the_model_does_not_read_are_told() -> None:
    """A warning: the picture will not show them."""
    event = {"stage_finished": {"stage": "encode_prompt"}}
    (warned,) = told(event=event, encoded={"tokens": 75, "limit": 75, "dropped": " and a red boat"})
    (fine,) = told(event=event, encoded={"tokens": 5, "limit": 75})

    assert ("warning", False) == (warned.level, warned.detail)
    assert "75 tokens" in warned.text
    assert "“and a red boat”" in warned.text
    assert fine.detail


def test_finished_pictures_are_told_in_a_line() -> None:
    """How many, how large, by whom, in how many steps, from which seed."""
    picture = image_pb2.Picture(width=256, height=128)
    alone = image_pb2.Image(pictures=[picture], model="painter/1", base_steps=20, seed=7)
    both = image_pb2.Image(
        pictures=[picture] * 2, model="painter/1", refiner="touch/1", base_steps=16, refiner_steps=4, seed=7
    )

    assert "1 picture of 256 × 128, by painter/1, 20 steps, seed 7" == describe(alone)
    assert "2 pictures of 256 × 128, by painter/1 and touch/1, 16 + 4 steps, seed 7" == describe(both)
    (remark,) = told(event={"succeeded": {}}, image=alone)
    assert (f"Finished: {describe(alone)}", "good") == (remark.text, remark.level)
