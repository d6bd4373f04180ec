"""A whole story from a brief: the same brief, the same story. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from services.story.domain import Brief
from services.story.grammar.casting import cast
from services.story.grammar.english import sentence_key, sentences, word_count
from services.story.grammar.headings import Headings
from services.story.grammar.plan import Part, Planner, chapter_count
from services.story.grammar.portraits import portraits_for, with_portraits
from services.story.grammar.realise import Memory
from services.story.grammar.telling import Teller
from services.story.grammar.world import World

PORTRAITS_SHARE = 0.3
"""Of the first chapter's words, so much is kept free for portraits at most."""

LONGEST_SHARE = 1.1
"""With portraits the first chapter may be so much longer than planned; the chapters behind it make up for that."""


@dataclass(frozen=True, slots=True)
class Told:
    """One chapter as told."""

    title: str
    summary: str
    words: int
    text: str


@dataclass(frozen=True, slots=True)
class Story:
    """A whole story as told."""

    title: str
    logline: str
    world: World
    chapters: tuple[Told, ...]
    moves: frozenset[str]


@lru_cache(maxsize=16)
def compose(brief: Brief) -> Story:
    """Plan and tell a whole story. The last few are kept, for chapters are asked for one by one."""
    world = cast(brief)
    words = max(20, brief.words)
    parts = Planner(world, words, chapter_count(words, brief.chapters)).parts()
    teller = Teller(world, Memory())
    heading = Headings(world)
    told: list[Told] = []
    done = 0
    for part in parts:
        due = words * part.number / len(parts) - done
        aim = round(min(max(due, part.words * 0.75), part.words * 1.25))
        text = _first(teller, part, aim, brief) if part.number == 1 else teller.tell(part, aim)
        done += word_count(text)
        alone = len(parts) == 1
        title = heading.chapter(part, brief, single=alone)
        told.append(Told(title, heading.summary(part, single=alone), aim, text))
    return Story(heading.story(brief), heading.logline(), world, tuple(told), frozenset(teller.memory.moves))


def retell(brief: Brief, number: int, attempt: int, earlier: Sequence[str]) -> str:
    """Tell one chapter anew, in other words than the story so far; it mentions what the first version mentioned."""
    story = compose(brief)
    words = max(20, brief.words)
    part = Planner(story.world, words, len(story.chapters)).parts()[number - 1]
    memory = Memory(
        introduced={"thing", "home", "rival", "elder", "friend"} if number > 1 else set(), moves=set(story.moves)
    )
    for text in [*(chapter.text for chapter in story.chapters), *earlier]:
        memory.sentences.update(sentence_key(sentence) for sentence in sentences(text))
    teller, aim = Teller(story.world, memory, f"attempt{attempt}"), story.chapters[number - 1].words
    told = _first(teller, part, aim, brief) if number == 1 else teller.tell(part, aim)
    return told or story.chapters[number - 1].text


def _first(teller: Teller, part: Part, aim: int, brief: Brief) -> str:
    """Tell the first chapter, with portraits in it; empty where nothing is left to tell."""
    portraits = portraits_for(brief)
    reserved = min(sum(word_count(portrait.text) for portrait in portraits), round(aim * PORTRAITS_SHARE))
    told = teller.tell(part, aim - reserved)
    return with_portraits(told, portraits, round(aim * LONGEST_SHARE) - word_count(told)) if told else ""
