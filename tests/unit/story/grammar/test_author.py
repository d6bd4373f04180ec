from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from fabula.errors import InvalidRequest, ModelOutputInvalid
from services.story.author import Author
from services.story.domain import Brief, Chapter, Character, Draft, Finding
from services.story.grammar.author import GrammarAuthor
from tests.unit.story.grammar.asking import written
from tests.unit.story.grammar.measure import form_faults

BRIEF = Brief(premise="a lighthouse keeper finds a map", words=900, seed=7)


@pytest.fixture
def author() -> GrammarAuthor:
    """An author that writes as fast as it can."""
    return GrammarAuthor(words_per_second=0)


async def _text(author: GrammarAuthor, brief: Brief, number: int = 1, **wishes: object) -> str:
    outline = await author.outline(brief)
    return "".join([piece async for piece in author.chapter(brief, outline, number, **wishes)])  # type: ignore[arg-type]  # keywords of the port


def test_it_is_an_author_and_says_that_it_is_a_grammar(author: GrammarAuthor) -> None:
    """The grammar stands behind the Author port under its own name, and can go on where it stopped."""
    port: Author = author

    assert ("grammar/1", True) == (port.name, port.continues)


async def test_the_outline_plans_chapters_for_the_length_asked_for(author: GrammarAuthor) -> None:
    """Chapters share out the words; the user's number of chapters is kept."""
    short = await author.outline(replace(BRIEF, words=350))
    long = await author.outline(replace(BRIEF, words=5000))
    wanted = await author.outline(replace(BRIEF, chapters=5))

    assert 1 == len(short.chapters)
    assert 8 <= len(long.chapters) <= 12
    assert [1, 2, 3, 4, 5] == [plan.number for plan in wanted.chapters]
    assert 4500 < sum(plan.words for plan in long.chapters) < 5500


async def test_the_outline_mentions_only_what_the_chapter_says(author: GrammarAuthor) -> None:
    """What a chapter plan mentions stands in the chapter, also when it is revised."""
    outline = await author.outline(BRIEF)

    for plan in outline.chapters:
        for attempt in (0, 1, 2):
            text = await _text(author, BRIEF, plan.number, attempt=attempt)
            assert plan.mentions
            assert [] == [word for word in plan.mentions if word.lower() not in text.lower()]


async def test_title_genre_tone_and_characters_are_taken_up(author: GrammarAuthor) -> None:
    """The user's own title is kept, the genre named, and every character told of."""
    brief = Brief(
        premise="the last train", title="Night Mail", genre="detective story", tone="funny", words=700,
        characters=(Character("Odile Marchetti", "a retired conductor, she is vain"), Character("Bob", "her parrot")),
    )  # fmt: skip
    outline = await author.outline(brief)
    text = "\n\n".join(chapter.text for chapter in await written(author, brief))

    assert ("Night Mail", "mystery") == (outline.title, outline.genre)
    assert {"Odile Marchetti", "Bob"} <= {person.name for person in outline.cast}
    assert "Odile" in text
    assert "Bob" in text
    assert "conductor" in text
    assert "train" in text


async def test_the_same_brief_gives_the_same_story_and_another_seed_another(author: GrammarAuthor) -> None:
    """The story depends on the brief and its seed, and on nothing else."""
    once = await written(author, BRIEF)
    again = await written(GrammarAuthor(words_per_second=0), BRIEF)
    other = await written(author, replace(BRIEF, seed=8))

    assert once == again
    assert once != other


def test_the_story_does_not_depend_on_the_hash_seed() -> None:
    """Two processes with other hash seeds tell the same story."""
    program = (
        "from services.story.domain import Brief;from services.story.grammar.story import compose;"
        "print([c.text for c in compose(Brief(premise='Mira and the dragon', words=400, seed=3)).chapters])"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]

    assert told[0] == told[1]


async def test_a_chapter_does_not_need_the_chapters_before_it(author: GrammarAuthor) -> None:
    """Chapter 2 is the same whether or not it is shown chapter 1: a restart may lose nothing."""
    first = await _text(author, BRIEF, 1)

    alone = await _text(author, BRIEF, 2)
    after = await _text(author, BRIEF, 2, earlier=(Chapter(1, "", first),))

    assert alone == after


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999, 1.0])
async def test_it_goes_on_from_what_was_written(author: GrammarAuthor, share: float) -> None:
    """What was written and what follows join to the same text, wherever it was interrupted."""
    whole = await _text(author, BRIEF)
    begun = whole[: int(len(whole) * share)]

    rest = await _text(author, BRIEF, written=begun)

    assert whole == begun + rest


async def test_it_refuses_to_go_on_from_a_foreign_text(author: GrammarAuthor) -> None:
    """A beginning that is not its own ends in an error, so that the stage starts again."""
    with pytest.raises(ModelOutputInvalid):
        await _text(author, BRIEF, written="It was a dark and stormy night.")


async def test_it_refuses_a_chapter_that_the_story_does_not_have(author: GrammarAuthor) -> None:
    """A number outside the plan is the caller's error."""
    with pytest.raises(InvalidRequest):
        await _text(author, BRIEF, 9)


async def test_a_revision_is_another_version_that_repeats_nothing(author: GrammarAuthor) -> None:
    """Another attempt tells the chapter in other sentences, none of which the story already has."""
    story = await written(author, BRIEF)
    notes = (Finding("repetition", "Say it otherwise.", 2),)

    revised = await _text(author, BRIEF, 2, attempt=1, notes=notes, earlier=story[:1])
    again = await _text(author, BRIEF, 2, attempt=1, notes=notes, earlier=story[:1])

    assert revised == again
    assert revised != story[1].text
    assert [] == list(form_faults(story[0].text + "\n\n" + revised))


async def test_pieces_are_words_with_the_space_behind_them() -> None:
    """A paced author yields word by word and takes its time; the pieces join to the chapter."""
    brief = replace(BRIEF, words=60)
    paced = GrammarAuthor(words_per_second=2000)
    outline = await paced.outline(brief)
    started = time.monotonic()

    pieces = [piece async for piece in paced.chapter(brief, outline, 1)]

    took = time.monotonic() - started
    assert await _text(GrammarAuthor(words_per_second=0), brief) == "".join(pieces)
    assert [1] * len(pieces) == [len(piece.split()) for piece in pieces]
    assert took >= len(pieces) / 2000


async def test_paragraphs_are_parted_by_one_empty_line(author: GrammarAuthor) -> None:
    """A chapter is plain paragraphs: no heading, no space at either end, no line broken."""
    text = await _text(author, BRIEF)

    assert text == text.strip()
    assert "\n\n" in text
    assert "\n" not in text.replace("\n\n", "")
    assert not text.startswith("#")


async def test_editing_changes_nothing_and_review_accepts(author: GrammarAuthor) -> None:
    """The draft is tidy already, and a grammar has no opinion."""
    outline = await author.outline(BRIEF)
    draft = Draft(outline.title, tuple(await written(author, BRIEF)))

    assert draft == await author.edit(BRIEF, outline, draft)
    assert (await author.review(BRIEF, outline, draft)).accepted
