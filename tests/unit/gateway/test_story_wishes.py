from __future__ import annotations

from typing import Any

import pytest

from fabula.api.story.v1 import story_pb2 as pb
from fabula.errors import InvalidRequest
from gateway.frontends.requests import request_id_of
from gateway.frontends.story_wishes import start_request

LIBRARY_ID = "7b7c9f0e-9f0e-4a6b-8f00-000000000001"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"prompt": " A fog. "}, {"premise": "A fog."}),
        ({"premise": "A fog.", "prompt": "Be brief."}, {"premise": "A fog.", "instructions": "Be brief."}),
        ({"topic": "Fog", "prompt": "Be brief."}, {"premise": "Fog", "instructions": "Be brief."}),
        ({"premise": "", "prompt": "A fog."}, {"premise": "A fog."}),
        ({"Topic": "Fog", "target-audience": "children", "MOOD": "dark"}, {"audience": "children", "tone": "dark"}),
        ({"prompt": "x", "length": "long"}, {"words": 2000}),
        ({"prompt": "x", "length": "short", "chapters": 10}, {"words": 500, "chapters": 10}),
        ({"prompt": "x", "length": "Very_Long"}, {"words": 4000}),
        ({"prompt": "x", "length": "about 700 words"}, {"words": 700}),
        ({"prompt": "x", "wordCount": "700"}, {"words": 700}),
        ({"storyPrompt": "x", "story_length": "short story"}, {"premise": "x", "words": 300}),
        ({"user_prompt": "x", "targetWordCount": 700}, {"premise": "x", "words": 700}),
        ({"prompt": "x", "words": 700.0}, {"words": 700}),
        ({"prompt": "x", "length": None, "seed": "", "tone": None}, {"premise": "x"}),
        ({"prompt": "x", "seed": 0, "max_retries": 0}, {"seed": 0, "revisions": 0}),
    ],
)
def test_wishes_are_read_in_many_spellings(body: dict[str, Any], expected: dict[str, Any]) -> None:
    """Names without regard to case and underscores, lengths by number or by name."""
    story = start_request(body).story

    assert expected == {name: getattr(story, name) for name in expected}
    optional = {"words", "chapters", "seed", "revisions"} - expected.keys()
    assert [] == [name for name in optional if story.HasField(name)]


@pytest.mark.parametrize(
    ("characters", "expected"),
    [
        (["Ida"], [pb.Character(name="Ida")]),
        ("Ida, Bo ,", [pb.Character(name="Ida"), pb.Character(name="Bo")]),
        ([LIBRARY_ID], [pb.Character(id=f"character-{LIBRARY_ID}")]),
        ([f"character-{LIBRARY_ID}"], [pb.Character(id=f"character-{LIBRARY_ID}")]),
        ([{"characterId": LIBRARY_ID}], [pb.Character(id=f"character-{LIBRARY_ID}")]),
        ([{"id": "unknown", "name": "Ida"}], [pb.Character(id="unknown", name="Ida")]),
        (
            {"name": "Ida", "description": "Tall.", "personality": "kind", "appearance": "grey", "backstory": "Sea."},
            [pb.Character(name="Ida", description="Tall.; kind", looks="grey", history="Sea.")],
        ),
        ([], []),
    ],
)
def test_characters_come_by_id_by_name_or_described(characters: Any, expected: list[pb.Character]) -> None:
    """A list of any of these, one alone, or names with commas between."""
    assert expected == list(start_request({"prompt": "x", "characters": characters}).story.characters)


def test_more_characters_than_a_story_has_are_not_looked_at() -> None:
    """Each would be read into a message first."""
    with pytest.raises(InvalidRequest, match="cast must contain no more than 12 items"):
        start_request({"prompt": "x", "cast": "Ida," * 13})


@pytest.mark.parametrize("ids", [[LIBRARY_ID, "nobody"], f"character-{LIBRARY_ID},nobody"])
def test_ids_of_characters_may_have_a_field_of_their_own(ids: Any) -> None:
    """None is taken for a name: who is not in the library is refused there."""
    story = start_request({"prompt": "x", "characters": ["Ida"], "characterIds": ids}).story

    library = pb.Character(id=f"character-{LIBRARY_ID}")
    assert [pb.Character(name="Ida"), library, pb.Character(id="nobody")] == list(story.characters)


@pytest.mark.parametrize("field", ["seed", "chapters", "length", "revisions"])
@pytest.mark.parametrize("value", [True, -1, 1.5, "many", [], {}, 2**32, "9" * 5000])
def test_what_is_no_number_is_refused_by_its_name(field: str, value: Any) -> None:
    """Whatever it is instead."""
    with pytest.raises(InvalidRequest) as refused:
        start_request({"prompt": "x", field: value})

    assert field == refused.value.violations[0][0]


@pytest.mark.parametrize("text", ["a-request", "A.b_c:9", '"quoted"', "x" * 128])
def test_a_request_id_stays_what_it_is(text: str) -> None:
    """Without the quotes of a structured header field."""
    assert text.strip('"') == request_id_of(text)


@pytest.mark.parametrize("text", ["a b", "ü", "x" * 129, "../x", "\ud800x"])
def test_any_text_becomes_a_request_id(text: str) -> None:
    """Always the same for the same text, and one that the contract takes."""
    made = request_id_of(text)

    assert made == request_id_of(text)
    assert made != request_id_of(f"{text}.")
    assert len(made) <= 128
    assert made.startswith("sha256:")
