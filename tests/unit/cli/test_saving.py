"""Where results are saved, and that nothing is lost by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fabula.cli.saving import name_for, numbered, refuse_existing, save
from fabula.errors import Conflict, InvalidRequest, Unavailable


def test_one_result_has_the_name_given_several_are_numbered() -> None:
    """The suffix stays; the folder, too."""
    assert [Path("out/castle.png")] == numbered(Path("out/castle.png"), 1)
    assert [Path("out/castle-1.png"), Path("out/castle-2.png")] == numbered(Path("out/castle.png"), 2)


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("A castle by the sea, at dusk!", "a-castle-by-the-sea-at-dusk.png"),
        ("Ein Schloß am Meer", "ein-schloß-am-meer.png"),
        ("../../etc/passwd", "etc-passwd.png"),
        ("…", "picture.png"),
        ("x" * 300, f"{'x' * 48}.png"),
    ],
)
def test_a_name_is_made_of_what_was_asked_for(tmp_path: Path, prompt: str, name: str) -> None:
    """Words only: it lies in the folder, whatever the words are."""
    assert tmp_path / name == name_for(prompt, "png", 1, tmp_path)


def test_a_name_that_is_taken_is_not_taken_again(tmp_path: Path) -> None:
    """Nor any that the numbered ones would have."""
    (tmp_path / "owl.png").touch()
    (tmp_path / "fox-2.png").touch()

    assert tmp_path / "owl-2.png" == name_for("owl", "png", 1, tmp_path)
    assert tmp_path / "fox-3.png" == name_for("fox", "png", 2, tmp_path).with_stem("fox-3")
    assert not any(path.exists() for path in numbered(name_for("fox", "png", 2, tmp_path), 2))


def test_what_is_there_is_not_replaced_unless_that_is_meant(tmp_path: Path) -> None:
    """Neither before the work, nor when it turned up meanwhile."""
    file = tmp_path / "castle.png"
    refuse_existing([file], force=False)
    save(file, b"first", force=False)

    with pytest.raises(Conflict, match="is there already"):
        refuse_existing([file], force=False)
    with pytest.raises(Conflict, match="is there already"):
        save(file, b"second", force=False)
    assert b"first" == file.read_bytes()
    refuse_existing([file], force=True)
    save(file, b"second", force=True)
    assert (b"second", ["castle.png"]) == (file.read_bytes(), [path.name for path in tmp_path.iterdir()])


def test_places_where_nothing_can_be_saved_are_said(tmp_path: Path) -> None:
    """Before the work is begun where that can be known."""
    with pytest.raises(InvalidRequest, match="no folder"):
        refuse_existing([tmp_path / "nowhere" / "castle.png"], force=False)
    with pytest.raises(InvalidRequest, match="is a folder"):
        refuse_existing([tmp_path], force=True)
    with pytest.raises(Unavailable, match="cannot be written"):
        save(tmp_path / "nowhere" / "castle.png", b"x", force=False)
