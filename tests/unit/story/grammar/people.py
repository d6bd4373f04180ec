"""Stories with characters of the library: people whom the bundled character maker makes up, as a story gets them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from random import Random

from fabula.api.character.v1 import character_pb2 as pb
from services.character.codec import details_to_message
from services.character.domain import Wish
from services.character.grammar.history import tell
from services.character.grammar.sheet import make
from services.story.domain import Brief, Character
from services.story.grammar.persons import short_name
from services.story.grammar.portraits import portraits_for
from services.story.grammar.story import Story
from services.story.library import person_of
from tests.unit.story.grammar.measure import form_faults, text_of

LENGTHS = (150, 300, 600, 1200, 3000)
SURE_FROM = 300
"""Words from which a story with people of the library is as long as was asked for."""

SLACK = 0.15

_DATA = Path(__file__).parent
_DESCRIPTIONS = _DATA.parents[1] / "character/grammar/descriptions_unseen.json"
_WITHOUT_PEOPLE = (
    "Two friends count boats in the harbour.",
    "A map is found in an old library.",
    "Somebody has stolen the town's bell.",
    "A stranger comes to the village with a suitcase.",
    "",
)


@cache
def _lists() -> tuple[tuple[str, ...], tuple[str, ...]]:
    descriptions = json.loads(_DESCRIPTIONS.read_text(encoding="utf-8"))
    premises = json.loads((_DATA / "premises.json").read_text(encoding="utf-8"))
    told = tuple(one["premise"] for one in premises[:30] if one.get("premise"))
    return tuple(one["description"] for one in descriptions), (*_WITHOUT_PEOPLE, *told)


@cache
def person(number: int, seed: int) -> Character:
    """Return a character of the library as a story gets it."""
    descriptions, _ = _lists()
    wish = Wish(description=descriptions[number % len(descriptions)], seed=seed)
    details = make(wish)
    made = pb.Character(id=f"character-{number}", details=details_to_message(details), history=tell(wish, details))
    return person_of(made)


def brief_with_people(number: int, words: int) -> Brief:
    """Return a brief about one to three characters of the library; the same number, the same brief."""
    random = Random(number)
    people: dict[str, Character] = {}
    for _ in range(1 + number % 3):
        found = person(random.randrange(100), number)
        people.setdefault(found.name, found)
    return Brief(premise=random.choice(_lists()[1]), characters=tuple(people.values()), words=words, seed=number)


def people_faults(story: Story, brief: Brief) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with a story about people of the library, as (kind, what) pairs."""
    text = text_of(story)
    yield from form_faults(text)
    told = len(text.split())
    if brief.words >= SURE_FROM and abs(told - brief.words) > SLACK * brief.words:
        yield "length", f"{told} of {brief.words}"
    persons = {one.name: one for one in story.world.persons.values()}
    for character in brief.characters:
        if short_name(character.name) not in text:
            yield "name", character.name
        pronoun = (re.search(r"(?:^|[.!?] )(She|He|They|It) (?:is|are)\b", character.description) or " ")[1].lower()
        if persons[character.name].pronoun != pronoun:
            yield "pronoun", f"{character.name}: {persons[character.name].pronoun}, not {pronoun}"
    for portrait in portraits_for(brief):
        if brief.words >= 2 * SURE_FROM and portrait.looks not in text:
            yield "looks", portrait.looks
        if brief.words >= 4 * SURE_FROM and portrait.beginning not in text:
            yield "beginning", portrait.beginning
