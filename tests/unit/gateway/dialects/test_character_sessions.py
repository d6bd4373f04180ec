from __future__ import annotations

import base64
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings

from fabula.engine.states import Command
from gateway.dialects.character_content import character_content
from gateway.dialects.character_sessions import CHARACTER_AVATAR, CHARACTER_SESSIONS, CharacterAvatar
from services.character.codec import character_to_message
from services.character.sheet import Avatar, AvatarState, Character
from tests.unit.character import samples
from tests.unit.gateway.dialects import plays
from tests.unit.gateway.dialects.scenes import Scene
from tests.unit.gateway.dialects.telling import by_run, data_of, told
from tests.unit.gateway.dialects.wander import CHARACTERS, IMAGES, scenes

ID = "character-00000000-0000-4000-8000-000000000001"
IMAGE_ID = "image-00000000-0000-4000-8000-000000000001"
DETAILS = {
    "firstName": "Mara",
    "lastName": "Okonkwo",
    "age": 41,
    "gender": "woman",
    "species": "human",
    "personality": "She counts what others lose.",
}
CHARACTER = {
    "id": ID,
    "firstName": "Mara",
    "lastName": "Okonkwo",
    "age": 41,
    "gender": "woman",
    "species": "human",
    "profession": "lighthouse keeper",
    "home": "in a lighthouse at the edge of the map",
    "physicalDescription": "Tall, with a grey plait and a scar on her chin.",
    "visualStyle": "ink and wash",
    "personality": "She counts what others lose.",
    "traits": ["patient", "stubborn"],
    "strength": "hearing weather before it comes",
    "flaw": "never asking for help",
    "goal": "a night without a wreck",
    "fear": "fog that answers",
    "habit": "winding clocks that stand still",
    "treasure": "a brass whistle",
    "history": "Once.\n\nThen.",
    "avatarJobId": plays.AVATAR_ID,
    "avatarStatus": "pending",
    "avatarUrl": None,
    "saved": False,
    "maker": "grammar/1",
    "seed": 7,
    "createdAt": "2026-03-01T12:31:15.250Z",
    "updatedAt": "2026-03-01T12:31:15.250Z",
    "expiresAt": "2026-03-08T12:31:15.250Z",
}


def steps(entries: Any) -> list[tuple[str, int]]:
    """Return step and progress of each message."""
    return [(data["step"], data["progress"]) for data in data_of(CHARACTER_SESSIONS, entries)]


def test_a_character_from_a_picture_to_the_letter() -> None:
    """The contract's table, row by row, with the data of each."""
    scene = Scene(plays.character()).claim().work("generate_history", "Once.").work().succeed()

    assert [
        ("uploading_image", 5, None),
        ("analyzing_image", 15, None),
        (
            "extracting_description",
            30,
            {"physicalDescription": "A grey plait.", "visualStyle": "ink and wash"},
        ),
        ("generating_details", 40, None),
        ("generating_details", 55, DETAILS),
        ("generating_history", 70, {"history": "Once.\n\nThen."}),
        ("creating_character", 80, None),
        ("queuing_avatar", 90, None),
        ("completed", 100, {"characterId": ID, "character": CHARACTER, "avatarJobId": plays.AVATAR_ID}),
    ] == [(data["step"], data["progress"], data.get("data")) for data in data_of(CHARACTER_SESSIONS, scene.entries)]
    assert {"character_generation_progress"} == {each.event for each in told(CHARACTER_SESSIONS, scene.entries)}
    assert all(data["message"] for data in data_of(CHARACTER_SESSIONS, scene.entries))


def test_without_a_picture_and_an_avatar_their_steps_do_not_occur() -> None:
    """Nothing is faked, and there is no avatar job."""
    scene = Scene(plays.character(image=False, avatar=False)).claim().work().succeed()

    assert [
        ("generating_details", 40),
        ("generating_details", 55),
        ("generating_history", 70),
        ("creating_character", 80),
        ("completed", 100),
    ] == steps(scene.entries)
    completed = data_of(CHARACTER_SESSIONS, scene.entries)[-1]["data"]
    assert (None, None, "none") == (
        completed["avatarJobId"],
        completed["character"]["avatarJobId"],
        completed["character"]["avatarStatus"],
    )


def test_a_failure_to_the_letter() -> None:
    """What went wrong for people, and where for who looks for the cause: both are strings."""
    scene = Scene(plays.character()).claim().begin().fail("NOT_FOUND", "The picture is gone.")

    assert {
        "step": "error",
        "progress": 0,
        "message": "The picture is gone.",
        "data": {"error": "The picture is gone.", "details": "NOT_FOUND in upload_image; needs: 9 GB"},
    } == data_of(CHARACTER_SESSIONS, scene.entries)[-1]


def test_a_cancel_is_an_error_for_front_ends_that_know_no_cancel() -> None:
    """Else they would wait for ever."""
    scene = Scene(plays.character()).ask(Command.CANCEL)

    assert [
        {
            "step": "error",
            "progress": 0,
            "message": "The generation was cancelled.",
            "data": {"error": "The generation was cancelled.", "details": "CANCELLED"},
        }
    ] == data_of(CHARACTER_SESSIONS, scene.entries)


def test_a_retry_goes_on_with_the_step_that_failed() -> None:
    """What is kept is not told again."""
    scene = Scene(plays.character()).claim().work("generate_details").begin().fail()
    before = len(steps(scene.entries))
    scene.ask(Command.RETRY, "generate_history").claim().work().succeed()

    assert [("generating_history", 70), ("creating_character", 80), ("queuing_avatar", 90), ("completed", 100)] == (
        steps(scene.entries)[before:]
    )


@settings(max_examples=20, deadline=None)
@given(scenes(CHARACTERS))
def test_progress_goes_forward_within_a_run(scene: Scene) -> None:
    """Each row at most once in a run; only an error goes back to 0."""
    for run in by_run(CHARACTER_SESSIONS, scene.entries):
        numbers = [each.data["progress"] for each in run if each.data["step"] != "error"]
        assert all(before < after for before, after in pairwise(numbers))


def test_a_folded_log_tells_the_steps_that_were() -> None:
    """Only what the picture told is lost: the character that a fold carries has its own looks."""
    scene = Scene(plays.character()).claim().work("generate_history").begin()

    assert [
        ("uploading_image", 5),
        ("analyzing_image", 15),
        ("generating_details", 40),
        ("generating_details", 55),
        ("generating_history", 70),
        ("creating_character", 80),
    ] == steps([scene.folded()])
    assert DETAILS == data_of(CHARACTER_SESSIONS, [scene.folded("ahead")])[3]["data"]

    scene.work().succeed()
    assert [("completed", 100)] == steps([scene.folded("ahead")])


def painted() -> Scene:
    """Return the log of an avatar that both models paint."""
    scene = Scene(plays.image(2, 1)).wait(1).claim().work("encode_prompt").begin()
    scene.advance(1, 3).show(1).show(1, index=1).advance(2, 3).finish().begin().advance(3, 3).finish()
    return scene.work()


def test_an_avatar_to_the_letter() -> None:
    """Its own log, from nothing to the address of the picture; previews are data URLs of the first picture only."""
    preview = "data:image/webp;base64," + base64.b64encode(b"pixels").decode()

    assert [
        (0, "Waiting for a worker", None),
        (0, "Waiting for a worker: 1 before this one", None),
        (0, "Reading the prompt", None),
        (16, "Painting", None),
        (33, "Painting", None),
        (33, "Painting", {"preview": preview}),
        (50, "Painting", None),
        (50, "Refining", None),
        (66, "Refining", None),
        (66, "Doing decode", None),
        (83, "Doing keep", None),
        (100, "The avatar is painted", {"avatarUrl": f"/v1/images/{IMAGE_ID}"}),
    ] == [
        (data["progress"], data["message"], data.get("data"))
        for data in data_of(CHARACTER_AVATAR, painted().succeed().entries)
    ]
    assert {"generating_avatar"} == {data["step"] for data in data_of(CHARACTER_AVATAR, painted().entries)}


def test_an_avatar_that_fails_is_no_error_of_the_character() -> None:
    """Clients take the step "error" for the end of everything: the character is complete without its avatar."""
    scene = painted().fail()

    assert {
        "step": "generating_avatar",
        "progress": 0,
        "message": "The model needs more memory.",
        "data": {"error": "The model needs more memory.", "details": "MODEL_OUT_OF_MEMORY in keep; needs: 9 GB"},
    } == data_of(CHARACTER_AVATAR, scene.entries)[-1]


@settings(max_examples=20, deadline=None)
@given(scenes(IMAGES))
def test_an_avatars_bar_goes_forward_within_a_run(scene: Scene) -> None:
    """From 0, and 100 only with its address."""
    for run in by_run(CHARACTER_AVATAR, scene.entries):
        numbers = [each.data["progress"] for each in run if "error" not in each.data.get("data", {})]
        assert all(before <= after for before, after in pairwise(numbers))
        assert all((each.data["progress"] == 100) == ("avatarUrl" in each.data.get("data", {})) for each in run)


def test_pictures_are_where_the_front_end_is_told_they_are() -> None:
    """A front end on another host needs whole addresses."""
    elsewhere = CharacterAvatar(address_of=lambda id_: f"https://pictures.example/{id_}")

    assert (
        f"https://pictures.example/{IMAGE_ID}"
        == data_of(elsewhere, painted().succeed().entries)[-1]["data"]["avatarUrl"]
    )


@pytest.mark.parametrize(
    ("avatar", "status", "url"),
    [
        (Avatar(), "none", None),
        (Avatar(AvatarState.PENDING, "image-2"), "pending", None),
        (Avatar(AvatarState.PENDING, "image-2", "image-1"), "pending", "/v1/images/image-1"),
        (Avatar(AvatarState.READY, "image-2", "image-2"), "ready", "/v1/images/image-2"),
        (Avatar(AvatarState.FAILED, "image-2", "", "no memory"), "failed", None),
    ],
)
def test_a_character_that_is_read_tells_of_its_avatar(avatar: Avatar, status: str, url: str | None) -> None:
    """What polls read is made by the same function as what `completed` carries."""
    content = character_content(character_to_message(samples.character(1, avatar=avatar)))

    assert (status, url) == (content["avatarStatus"], content["avatarUrl"])
    assert set(CHARACTER) == set(content)


def test_a_character_of_which_nothing_is_known_yet_has_all_fields() -> None:
    """A page may read any of them at any time."""
    content = character_content(character_to_message(Character(ID)))

    assert set(CHARACTER) == set(content)
    assert ("", 0, [], None, None) == tuple(
        content[name] for name in ("firstName", "age", "traits", "createdAt", "expiresAt")
    )
