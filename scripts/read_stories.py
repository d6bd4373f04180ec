"""Measure the bundled author over a file of premises, and print stories to read.

python scripts/read_stories.py                        # the table over the 100 premises
python scripts/read_stories.py --read 0 7 22          # three of the stories in full
python scripts/read_stories.py --premises tests/unit/story/grammar/premises_dev.json
python scripts/read_stories.py --library 60           # sixty stories with characters of the library, at five lengths
python scripts/read_stories.py --library 60 --words 600 --read 4 12
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import mean

sys.path.insert(0, str(Path(__file__).parents[1]))

from services.story.critic import unjudged
from services.story.domain import Brief, Character
from services.story.grammar.story import Story, compose
from services.story.keywords import missing_words
from tests.unit.story.grammar.measure import faults, text_of
from tests.unit.story.grammar.people import LENGTHS, SURE_FROM, brief_with_people, people_faults

PREMISES = Path(__file__).parents[1] / "tests/unit/story/grammar/premises.json"
ASKED = ("premise", "source", "title", "genre", "tone", "audience", "language", "words")


def brief_of(entry: dict[str, object], seed: int) -> Brief:
    """Make the brief that an entry of the file asks for."""
    people = entry.get("characters", [])
    characters = tuple(Character(**person) for person in people)  # type: ignore[attr-defined]  # read from JSON
    return Brief(**{key: entry[key] for key in ASKED if key in entry}, characters=characters, seed=seed)  # type: ignore[arg-type]  # the same


def show(story: Story) -> None:
    """Print a story in full."""
    world = story.world
    print(f"\n# {story.title}\n[{world.genre.key}, {world.tone.key}, {world.plot.key}] {story.logline}\n")
    for chapter in story.chapters:
        if len(story.chapters) > 1:
            print(f"## {chapter.title}\n({chapter.summary})\n")
        print(chapter.text + "\n")


def main() -> None:
    """Measure, or print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--premises", type=Path, default=PREMISES)
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds to measure each premise with")
    parser.add_argument("--seed", type=int, default=0, help="the seed of the stories printed")
    parser.add_argument("--read", type=int, nargs="*", help="numbers of stories to print in full")
    parser.add_argument("--library", type=int, default=0, help="so many stories with characters of the library")
    parser.add_argument("--words", type=int, default=600, help="length of those that are printed")
    chosen = parser.parse_args()
    if chosen.library:
        read_people(chosen.read, chosen.words) if chosen.read else measure_people(chosen.library)
        return
    entries = json.loads(chosen.premises.read_text(encoding="utf-8"))
    if chosen.read:
        for number in chosen.read:
            print(f"\n===== {number}: {entries[number].get('premise') or entries[number]['source'][:80]}")
            show(compose(brief_of(entries[number], chosen.seed)))
        return
    measure(entries, chosen.seeds)


def _unsaid(story: Story, brief: Brief) -> list[tuple[str, str]]:
    """List the words of the premise, as the Critic reads it, that the story does not mention."""
    missing = () if unjudged(brief) else missing_words(brief.premise, text_of(story))
    return [("word", word) for word in missing]


def measure(entries: list[dict[str, object]], seeds: int) -> None:
    """Print the table of faults and lengths."""
    counts: dict[str, int] = {}
    lengths: list[float] = []
    started = time.perf_counter()
    for number, entry in enumerate(entries):
        for seed in range(seeds):
            story = compose(brief_of(entry, seed))
            lengths.append(len(text_of(story).split()) / int(str(entry["words"])))
            for kind, what in [*faults(story, entry), *_unsaid(story, brief_of(entry, seed))]:
                counts[kind] = counts.get(kind, 0) + 1
                print(f"{number:3} seed {seed} {kind}: {what[:110]}")
    took = time.perf_counter() - started
    print(f"\nstories {len(lengths)}, {took:.1f} s")
    for kind in (
        "person",
        "place",
        "thing",
        "repeat",
        "slot",
        "article",
        "space",
        "quotes",
        "capital",
        "length",
        "chapter",
        "word",
    ):
        print(f"{kind:8} {counts.get(kind, 0)}")
    print(f"length / wanted: {min(lengths):.2f} to {max(lengths):.2f}, mean {sum(lengths) / len(lengths):.2f}")


def read_people(numbers: list[int], words: int) -> None:
    """Print stories with characters of the library, behind what a story gets of them."""
    for number in numbers:
        brief = brief_with_people(number, words)
        print(f"\n===== {number}: {brief.premise}")
        for person in brief.characters:
            print(f"- {person.name}: {person.description}\n  {person.looks}\n  {person.history[:300]} …")
        show(compose(brief))


def measure_people(count: int) -> None:
    """Print the table of faults and lengths of stories with characters of the library, with them and without."""
    for words in LENGTHS:
        counts: dict[str, int] = {}
        told: list[float] = []
        bare: list[float] = []
        for number in range(count):
            brief = brief_with_people(number, words)
            story = compose(brief)
            told.append(len(text_of(story).split()) / words)
            bare.append(len(text_of(compose(replace(brief, characters=()))).split()) / words)
            for kind, what in people_faults(story, brief):
                counts[kind] = counts.get(kind, 0) + 1
                print(f"{number:3} {words} words, {kind}: {what[:110]}")
        found = ", ".join(f"{kind} {number}" for kind, number in sorted(counts.items())) or "no fault"
        sure = "" if words >= SURE_FROM else " (lengths below 300 are not counted as faults)"
        print(f"{words:5} words: {count} stories, {found}{sure}")
        for name, lengths in (("with people", told), ("without", bare)):
            print(f"      length / wanted {name}: {min(lengths):.2f} to {max(lengths):.2f}, mean {mean(lengths):.2f}")


if __name__ == "__main__":
    main()
