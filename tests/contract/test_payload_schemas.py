"""The schemas of both documents and what the dialects tell are the same, property by property."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from fabula.rpc.kinds import CHARACTER, STORY, Kind
from gateway.dialects.character_sessions import CHARACTER_AVATAR, CHARACTER_SESSIONS
from gateway.dialects.content_pipeline import CONTENT_PIPELINE
from gateway.dialects.dialect import Dialect, Payload
from gateway.dialects.image_tasks import KEEP_ALIVE, ImageTasks
from gateway.dialects.story_rooms import STORY_ROOMS
from gateway.dialects.workshop import WORKSHOP
from gateway.entries import SharedEntry, read_entry
from gateway.payloads import SCHEMAS, character_sessions, content_pipeline, story_rooms
from tests.golden import FOLDER, kind_of, load
from tests.unit.gateway.dialects import plays
from tests.unit.gateway.dialects.scenes import Play, Scene
from tests.unit.gateway.dialects.test_workshop import polled
from tests.unit.gateway.dialects.wander import wander

SEEDS = range(6)
TOLD: dict[str, list[Payload]] = {}
"""What was told of each dialect's generations: it takes a while."""

POLLED_ONLY = {f"CharacterCompleted.data.character.avatarStatus: {status}" for status in ("ready", "failed")}
"""The same sheet is polled later, when its avatar is."""

COMPONENTS = {"components": {"schemas": SCHEMAS}}


@dataclass(frozen=True, slots=True)
class Family:
    """What one dialect tells, and the schemas that it should keep.

    Attributes:
        dialect: It.
        plays: Generations that it speaks of, of every sort.
        histories: The kind of the recorded generations that it speaks of; None: there are none.
        schemas: Names of the schemas of its payloads by event; where events have no names, all of them.
    """

    dialect: Dialect
    plays: tuple[Play, ...]
    histories: Kind | None
    schemas: Mapping[str, tuple[str, ...]]


STORIES = (plays.story(2, 1, source=True, cast=True), plays.story(1, 0, source=False, cast=False))
CHARACTERS = tuple(plays.character(image=image, avatar=avatar) for image in (True, False) for avatar in (True, False))
IMAGES = (plays.image(3, 2), plays.image(2, 0))
FAMILIES = (
    Family(WORKSHOP, STORIES, STORY, {"": ("WorkshopUpdate",)}),
    Family(STORY_ROOMS, STORIES, STORY, {event: (name,) for event, name in story_rooms.EVENTS.items()}),
    Family(
        CHARACTER_SESSIONS, CHARACTERS, CHARACTER,
        {"character_generation_progress": tuple(character_sessions.STEPS)},
    ),
    Family(
        CHARACTER_AVATAR, IMAGES, None, {"character_generation_progress": tuple(character_sessions.AVATAR_STEPS)}
    ),
    Family(
        CONTENT_PIPELINE, STORIES, STORY, {event: (name,) for event, name in content_pipeline.EVENTS.items()}
    ),
    Family(ImageTasks("task_1"), IMAGES, None, {"": ("ImageTaskProgress", "ImageTaskFailure")}),
)  # fmt: skip
each_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.dialect.name)


@each_family
def test_what_is_told_keeps_its_schema(family: Family) -> None:
    """Whatever happens, also told from the middle and folded, each payload is of exactly one of its event's shapes."""
    for payload in told(family):
        kept = [name for name in family.schemas[payload.event] if validator(name).is_valid(payload.data)]
        assert 1 == len(kept), f"{payload} is {kept or 'nothing known'}"


@each_family
def test_nothing_stands_in_a_schema_that_is_never_told(family: Family) -> None:
    """Every schema is the shape of some payload, and each of its properties stands in one; so does each listed word."""
    seen: dict[str, list[Any]] = {}
    for payload in told(family):
        for name in family.schemas[payload.event]:
            if validator(name).is_valid(payload.data):
                seen.setdefault(name, []).append(payload.data)

    expected = {name for names in family.schemas.values() for name in names}
    assert expected == set(seen)
    assert {missing for name in expected for missing in unseen(SCHEMAS[name], seen[name], name)} <= POLLED_ONLY


def test_the_rest_fallback_of_the_workshop_keeps_its_schema() -> None:
    """Polled at each moment of each history, and of random ones; every property is there once."""
    moments = ((scene, length) for scene in scenes(STORIES) for length in (None, *range(1, len(scene.log))))
    seen = [polled(scene, length) for scene, length in moments]

    for content in seen:
        validator("WorkshopStatus").validate(content)
    assert [] == unseen(SCHEMAS["WorkshopStatus"], seen, "WorkshopStatus")


def test_a_sign_of_life_keeps_its_schema() -> None:
    """It is no part of a log."""
    validator("ImageTaskKeepAlive").validate(dict(KEEP_ALIVE))


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_schema_is_one(name: str) -> None:
    """It keeps the rules of JSON schema, and refers to nothing that is not there."""
    Draft202012Validator.check_schema(SCHEMAS[name])


@cache
def validator(name: str) -> Draft202012Validator:
    """Return what checks payloads by a schema."""
    return Draft202012Validator({**SCHEMAS[name], **COMPONENTS}, format_checker=Draft202012Validator.FORMAT_CHECKER)


def told(family: Family) -> list[Payload]:
    """Return all that is told of all there is."""
    if family.dialect.name not in TOLD:
        TOLD[family.dialect.name] = [
            payload
            for entries in logs(family)
            for translator in [family.dialect.translator(entries[0].generation_id)]
            for entry in entries
            for payload in translator.payloads(entry)
        ]
    return TOLD[family.dialect.name]


def logs(family: Family) -> Iterable[list[SharedEntry]]:
    """Yield generations as watchers get them."""
    for scene in scenes(family.plays):
        yield scene.entries
        for length in range(1, len(scene.log) + 1, 7):
            yield [scene.folded("", length)]
    if family.histories is not None:
        kind = family.histories
        for path in FOLDER.glob("*.json"):
            if not path.name.endswith(".snapshot.json") and kind_of(path) == kind.name:
                yield [read_entry(kind, f"{kind.name}-recorded", entry.data) for entry in load(path)]


def scenes(some: tuple[Play, ...]) -> list[Scene]:
    """Return random scenes of each of some plays."""
    return [wander(play, random.Random(seed)) for play in some for seed in SEEDS]


def unseen(schema: Mapping[str, Any], contents: list[Any], where: str) -> list[str]:
    """Return the properties and words of a schema that occur in none of some contents."""
    if "$ref" in schema:
        return unseen(SCHEMAS[schema["$ref"].rpartition("/")[2]], contents, where)
    missing = [f"{where}: {word}" for word in schema.get("enum", ()) if word not in contents]
    if "items" in schema:
        items = [item for content in contents for item in content or ()]
        missing += unseen(schema["items"], items, f"{where}[]") if items else [f"{where}[]"]
    for name, inner in schema.get("properties", {}).items():
        values = [content[name] for content in contents if content and name in content]
        missing += unseen(inner, values, f"{where}.{name}") if values else [f"{where}.{name}"]
    return missing
