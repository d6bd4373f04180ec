from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.api.story.v1 import story_pb2 as pb
from fabula.engine.history import Snapshot, StageView
from fabula.errors import LogCorrupted
from services.story.codec import TITLE_CHARACTERS, StoryCodec, brief_from_message
from services.story.domain import (
    Brief,
    Chapter,
    ChapterPlan,
    Character,
    Draft,
    Order,
    Outline,
    Review,
    SourceRef,
    Story,
    Timing,
)
from tests.unit.story import samples

CODEC = StoryCodec()
OUTLINE = Outline("Boats", "", "", "", (), (ChapterPlan(1, "Out", "", 50), ChapterPlan(2, "Back", "", 50)))


@given(samples.orders | samples.outlines | samples.chapters | samples.drafts | samples.reviews | samples.stories)
def test_everything_comes_back_as_it_was(value: object) -> None:
    """Through its message, and through the message's bytes."""
    message: Any = CODEC.to_message(value)

    assert value == CODEC.from_message(type(message).FromString(message.SerializeToString()))


def test_nothing_is_no_message() -> None:
    """A stage without an output has none."""
    assert CODEC.to_message(None) is None


def test_what_is_no_part_of_a_story_is_refused() -> None:
    """Either way."""
    with pytest.raises(TypeError):
        CODEC.to_message("a boat")
    with pytest.raises(LogCorrupted):
        CODEC.from_message(gen.Blob())


def test_what_was_left_out_is_filled_in_as_the_contract_promises() -> None:
    """English, 600 words, two revisions, and the seed that was drawn."""
    brief = brief_from_message(pb.StoryRequest(premise=" Ann "), seed=7)

    assert Brief("Ann", language="en", words=600, chapters=0, revisions=2, seed=7) == brief


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, 600),
        ({"chapters": 3}, 1500),
        ({"chapters": 40}, 20_000),
        ({"words": 80}, 80),
        ({"words": 80, "chapters": 1}, 80),
    ],
)
def test_the_length_follows_from_what_is_given(fields: dict[str, int], words: int) -> None:
    """Words where they are given, else 500 a chapter, else 600."""
    assert words == brief_from_message(pb.StoryRequest(premise="Ann", **fields), seed=0).words  # type: ignore[arg-type]  # by name


def test_zero_is_an_answer() -> None:
    """A seed, revisions or a temperature of zero are not taken for absent."""
    message = pb.StoryRequest(premise="Ann", seed=0, revisions=0, sampling=pb.Sampling(temperature=0))

    brief = brief_from_message(message, seed=7)

    assert (0, 0, 0.0, None) == (brief.seed, brief.revisions, brief.sampling.temperature, brief.sampling.top_p)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_title_is_one_short_line(premise: str) -> None:
    """Of what was asked for: the title, else the beginning of the premise, else the file's name."""
    line = CODEC.title(Order(Brief(premise)))

    assert len(line) <= TITLE_CHARACTERS
    assert line == " ".join(line.split())


def test_the_title_of_a_list_is_the_first_there_is() -> None:
    """Title, premise, file."""
    source = SourceRef("boats.txt", "", 0, "")

    assert "Boats" == CODEC.title(Order(Brief("Ann", title="Boats"), source))
    assert "Ann" == CODEC.title(Order(Brief("Ann"), source))
    assert "boats.txt" == CODEC.title(Order(Brief(), source))
    assert "" == CODEC.title(Order(Brief()))
    assert "" == CODEC.title("something else")
    assert f"{'x' * 79}…" == CODEC.title(Order(Brief("x" * 81)))


def snapshot(*views: StageView, result: object = None) -> Snapshot:
    """Return a snapshot with these stages."""
    return Snapshot(
        request=Order(Brief("Ann", seed=7)), stages=MappingProxyType({view.name: view for view in views}), result=result
    )


def so_far(*views: StageView) -> Any:
    """Return the story in a snapshot with these stages."""
    return CODEC.so_far(snapshot(*views))


PLANNED = StageView("outline", finished=True, output=OUTLINE, elapsed=2.0)
FIRST = StageView(
    "write-1", text="Out she rowed.", finished=True, output=Chapter(1, "Out", "Out she rowed."), elapsed=3
)


def test_before_the_outline_there_is_only_the_seed() -> None:
    """Nothing is made up."""
    assert pb.Story(seed=7) == so_far()
    assert pb.Story(seed=7) == so_far(StageView("outline"))


def test_a_story_so_far_ends_in_the_middle_of_a_sentence() -> None:
    """The finished chapters, and of the current one what is written."""
    story = so_far(PLANNED, FIRST, StageView("write-2", text="And then"))

    assert "# Boats\n\n## 1. Out\n\nOut she rowed.\n\n## 2. Back\n\nAnd then\n" == story.text
    assert (5, ["outline", "write-1"]) == (story.word_count, [timing.stage for timing in story.timings])
    assert CODEC.to_message(OUTLINE) == story.outline


def test_an_edited_draft_takes_the_place_of_what_was_written() -> None:
    """The newest draft counts, whoever made it; reviews stand in their order."""
    drafts = [
        StageView("edit-1", finished=True, output=Draft("Boats", (Chapter(1, "Out", "Edited."),))),
        StageView("review-1", finished=True, output=Review(accepted=False)),
        StageView("revise-1", finished=True, output=Draft("Boats", (Chapter(1, "Out", "Revised."),))),
    ]

    assert "# Boats\n\nEdited.\n" == so_far(PLANNED, FIRST, drafts[0]).text
    story = so_far(PLANNED, FIRST, *drafts)
    assert "# Boats\n\nRevised.\n" == story.text
    assert [pb.Review(accepted=False)] == list(story.reviews)


def test_once_there_is_a_result_it_is_the_story() -> None:
    """Nothing is put together anew."""
    result = Story("Boats", "# Boats\n", 0, OUTLINE, (), (), "grammar/1", 7, (Timing("outline", 2.0),))

    assert CODEC.to_message(result) == CODEC.so_far(snapshot(PLANNED, FIRST, result=result))


def test_control_characters_do_not_come_in() -> None:
    """What a request smuggles in would come back in the text, and on a terminal; emoji and tabs are no controls."""
    message = pb.StoryRequest(premise="a\x1b[31mfox\x00\n\tdigs 👩\u200d🚀", title="Red\x1b]0;x\x07 Fox")
    message.characters.add(name="Ann\x9b", description="tall\r")

    brief = brief_from_message(message, seed=1)

    assert ("a[31mfox\n\tdigs 👩\u200d🚀", "Red]0;x Fox") == (brief.premise, brief.title)
    assert (Character("Ann", "tall"),) == brief.characters
