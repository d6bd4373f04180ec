"""What the command line asks for and tells of characters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from fabula.api.character.v1 import character_pb2 as pb
from fabula.api.generation.v1.generation_pb2 import Event
from fabula.cli.character_calls import CharacterCommands, CharacterWishes
from fabula.cli.character_telling import CharacterTeller, avatar, sheet
from fabula.cli.connection import Servers
from fabula.cli.faces import face_of
from fabula.cli.image_calls import Output
from fabula.cli.telling import Heading, Passage, Remark
from fabula.errors import InvalidRequest

DETAILS: Any = {"first_name": "Mara", "last_name": "Quill", "age": 40, "gender": "woman", "species": "human",
           "profession": "knight", "home": "by the sea", "fear": "geese"}  # fmt: skip


def told(body: dict[str, Any], **output: Any) -> list[Any]:
    """Return what a watcher is told of one event."""
    return list(CharacterTeller().tell(pb.WatchProgressResponse(event=Event(**body), **output)))


def test_what_is_asked_for_becomes_a_request(tmp_path: Path) -> None:
    """What was not said stays absent; the picture's file goes with it."""
    picture = tmp_path / "face.png"
    picture.write_bytes(b"pixels")

    assert pb.CharacterRequest(description="a knight") == CharacterWishes("a knight").request()
    asked = CharacterWishes("", picture, "noir", "de", 7, generate_avatar=False).request()
    assert ("face.png", b"pixels", "noir", "de", 7, False) == (
        asked.picture.name,
        asked.picture.data,
        asked.style,
        asked.language,
        asked.seed,
        asked.generate_avatar,
    )
    assert asked.HasField("generate_avatar")


def test_what_cannot_be_asked_for_is_refused(tmp_path: Path) -> None:
    """Naming the option."""
    with pytest.raises(InvalidRequest, match="--from"):
        CharacterWishes("a knight", tmp_path / "nothing.png").request()
    with pytest.raises(InvalidRequest, match="out of range"):
        CharacterWishes("a knight", seed=2**32).request()


def test_who_it_is_is_told_as_soon_as_it_is_decided() -> None:
    """What a picture shows, too; other stages are details."""
    decided = told({"stage_finished": {"stage": "generate_details"}}, details=DETAILS)
    seen = told({"stage_finished": {"stage": "extract_description"}}, looks={"physical_description": "A helmet."})
    ended = told({"succeeded": {}}, character={"details": DETAILS, "maker": "grammar/1", "seed": 7})

    assert [
        Remark("Mara Quill: knight, 40, woman, human (0.0 s)"),
        Passage("Lives: by the sea\nFear: geese"),
    ] == decided
    assert [Remark("The picture shows: A helmet. (0.0 s)")] == seen
    assert [Remark("Finished: Mara Quill, by grammar/1, seed 7", "good")] == ended
    assert [Heading("History"), Passage("Once")] == told({"text_delta": {"stage": "generate_history", "text": "Once"}})


def test_how_far_an_avatar_is_is_told_with_what_can_be_done() -> None:
    """Saved when it is ready, watched while it forms, painted again where it failed."""
    pending = {"state": "AVATAR_STATE_PENDING", "generation_id": "image-2", "ready_generation_id": "image-1"}
    lines = [
        avatar(ParseDict({"id": "character-1", "avatar": told}, pb.Character()))
        for told in (pending, {**pending, "state": "AVATAR_STATE_READY"}, {"state": "AVATAR_STATE_FAILED"}, {})
    ]

    assert ["watch image-2", "show image-1", "repaint character-1", ""] == [
        " ".join(line.split("fabula ")[-1].removeprefix("characters ").split()[:2]) for line in lines
    ]


@pytest.mark.parametrize(
    ("wishes", "output", "watch"),
    [
        (CharacterWishes("a knight"), Output(Path("face.png")), False),
        (CharacterWishes("a knight", generate_avatar=False), Output(Path("face.png")), True),
        (CharacterWishes("a knight"), Output(Path("-")), True),
        (CharacterWishes("a knight"), Output(Path("no/such/folder/face.png")), True),
    ],
)
def test_an_avatar_that_could_not_be_saved_is_refused_before_anything_begins(
    wishes: CharacterWishes, output: Output, watch: bool
) -> None:
    """No server is asked."""
    with pytest.raises(InvalidRequest):
        CharacterCommands(Servers("127.0.0.1:1", None)).make(wishes, output, "", watch=watch)


def test_a_sheet_has_all_there_is() -> None:
    """Line by line, with the history; nothing of what is not decided yet."""
    whole = sheet(pb.Character(details=DETAILS, history="Once.\n\nThen."))

    assert whole == "Mara Quill: knight, 40, woman, human\n\nLives: by the sea\nFear: geese\n\nOnce.\n\nThen."
    assert sheet(pb.Character(history="Once.")) == ""
    assert "Mara" in face_of("character-1").text(pb.WatchProgressResponse(character=pb.Character(details=DETAILS)))
