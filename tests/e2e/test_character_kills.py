"""`kill -9` of every process at random moments of characters: they come once, with one face, as if nothing had been."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.e2e.character_deaths import PHASES_IN_ORDER, Characters, Introductions
from tests.e2e.characters import FACE_SECONDS, Known, face_of, listed
from tests.e2e.conftest import FACE_STEPS
from tests.e2e.deaths import Toll, Victim, die_once, supervised
from tests.e2e.observer import Observer, all_doors, check_story
from tests.e2e.stories import api_of, watching
from tests.e2e.tolls import OUTCOME, tell
from tests.proof import runs, share_of
from tests.system import System

KILLS = 30
"""Of each victim, in a proof, at any moment of a character."""

FACES_HIT = 20
"""The same in mid-painting: a painter takes long to come back."""

STORIES_HIT = 20
"""The same while a story gets to know its people."""

SECTION = "Characters"

MADE = "one character, one face, once at every door; text and picture of an undisturbed run"

MAKING = [
    supervised("character-worker", "the character worker", "character"),
    supervised("character-server", "the character server"),
    supervised("gateway", "the gateway"),
    supervised("nats-server", "the nats-server"),
]

PAINTING = [
    supervised("character-worker", "the character worker", "character"),
    supervised("image-worker", "the image worker", "image", FACE_SECONDS),
    supervised("image-server", "the image server"),
]

TELLING = [
    supervised("story-worker", "the story worker", "story"),
    supervised("story-server", "the story server"),
    supervised("character-server", "the character server"),
    supervised("gateway", "the gateway"),
    supervised("nats-server", "the nats-server"),
]


def characters(known: Mapping[int, Known], steps: int = 0) -> Characters:
    """Return what is interrupted; with steps, while its face is painted."""
    life_seconds = max(one.seconds for one in known.values())
    return Characters(1, life_seconds, {seed: one.made for seed, one in known.items()}, steps)


async def check_nothing_beside(system: System) -> None:
    """Check that the image service has painted one generation for each character, and nothing else."""
    async with api_of(system) as api:
        faces = [face_of(id_) for id_ in await listed(api, "/v1/characters/library", "characters")]
        assert sorted(faces) == sorted(await listed(api, "/v1/images", "generations"))


@pytest.mark.proof
@pytest.mark.timeout(400 + 60 * share_of(KILLS))
@pytest.mark.parametrize("victim", MAKING, ids=["worker", "server", "gateway", "nats"])
async def test_characters_survive_the_death_of_a_process(
    town: System, known: Mapping[int, Known], victim: Victim
) -> None:
    """Killed at any moment from the request to the last step of the face."""
    toll, kills = Toll(), 0
    for run in runs(f"a character and {victim.name}", KILLS):
        await die_once(town, victim, characters(known), run.chance, toll)
        kills += 1
    await check_nothing_beside(town)
    what = f"`kill -9` of {victim.name}, within a character"
    tell(what, toll, kills, MADE, PHASES_IN_ORDER, things="characters", section=SECTION)


@pytest.mark.proof
@pytest.mark.timeout(400 + 90 * share_of(FACES_HIT))
@pytest.mark.parametrize("victim", PAINTING, ids=["character-worker", "worker", "server"])
async def test_faces_survive_the_death_of_a_process(town: System, known: Mapping[int, Known], victim: Victim) -> None:
    """Killed at any step of the painting."""
    toll, kills = Toll(), 0
    for run in runs(f"a face and {victim.name}", FACES_HIT):
        await die_once(town, victim, characters(known, FACE_STEPS), run.chance, toll)
        kills += 1
    await check_nothing_beside(town)
    what = f"`kill -9` of {victim.name}, in mid-painting"
    tell(what, toll, kills, MADE, PHASES_IN_ORDER[-1:], things="characters", section=SECTION)


@pytest.mark.proof
@pytest.mark.timeout(400 + 60 * share_of(STORIES_HIT))
@pytest.mark.parametrize("victim", TELLING, ids=["worker", "server", "library", "gateway", "nats"])
async def test_stories_survive_a_death_while_they_load_characters(
    town: System, known: Mapping[int, Known], victim: Victim
) -> None:
    """Killed while the library does not answer: who the people are is asked again, and the story is the same."""
    people = [{"id": known[0].id}, {"id": known[1].id, "name": "Otto"}]
    fields: dict[str, object] = {"words": 120, "revisions": 0, "characters": people}
    texts = {}
    async with api_of(town) as api:
        for seed in known:
            observer = Observer(await api.start(**fields, seed=seed), all_doors(town)[:1])
            async with watching([observer]):
                pass
            texts[seed] = check_story(observer).text
    toll, kills = Toll(), 0
    for run in runs(f"load_characters and {victim.name}", STORIES_HIT):
        await die_once(town, victim, Introductions(0, 0.0, fields, texts), run.chance, toll)
        kills += 1
    what = f"`kill -9` of {victim.name}, while a story gets to know its people"
    tell(what, toll, kills, OUTCOME, ["planning"], section=SECTION)
