"""A whole story from a brief: the same brief, the same story. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from services.story.domain import Brief
from services.story.grammar.casting import cast
from services.story.grammar.english import sentence_key, sentences, word_count
from services.story.grammar.headings import Headings
from services.story.grammar.plan import Planner, chapter_count
from services.story.grammar.portraits import with_portraits
from services.story.grammar.realise import Memory
from services.story.grammar.telling import Teller
from services.story.grammar.world import World


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
        text = teller.tell(part, aim)
        if part.number == 1:
            text = with_portraits(text, brief)
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
    told = Teller(story.world, memory, f"attempt{attempt}").tell(part, story.chapters[number - 1].words)
    if not told:
        return story.chapters[number - 1].text
    return with_portraits(told, brief) if number == 1 else told
