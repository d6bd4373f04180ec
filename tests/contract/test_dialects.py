"""What every dialect promises, whatever happens to a generation: held over recorded and random logs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fabula.rpc.kinds import KINDS, STORY
from gateway.dialects.character_sessions import CHARACTER_AVATAR, CHARACTER_SESSIONS
from gateway.dialects.content_pipeline import CONTENT_PIPELINE
from gateway.dialects.dialect import Dialect, Payload
from gateway.dialects.image_tasks import ImageTasks
from gateway.dialects.story_rooms import STORY_ROOMS
from gateway.dialects.workshop import WORKSHOP
from gateway.entries import SharedEntry, read_entry
from tests.golden import FOLDER, kind_of, load
from tests.unit.gateway.dialects import wander
from tests.unit.gateway.dialects.scenes import Play

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"

Fields = dict[str, type | tuple[type, ...]]


@dataclass(frozen=True, slots=True)
class Contract:
    """One dialect, and what its payloads look like.

    Attributes:
        dialect: It.
        play: The generations that it speaks of.
        shape: Names the shape of a payload.
        shapes: Fields and types of each shape; nothing else may stand in a payload.
        ends: Whether a payload is the one that ends a run.
    """

    dialect: Dialect
    play: st.SearchStrategy[Play]
    shape: Callable[[Payload], str]
    shapes: dict[str, Fields]
    ends: Callable[[Payload], bool]
    optional: frozenset[str] = field(default=frozenset())


UPDATE: Fields = {
    "generation_id": str,
    "progress": float,
    "stage": str,
    "stage_detail": str,
    "estimated_time_remaining": int,
    "active_agents": list,
    "timestamp": str,
}
IMAGE_PROGRESS: Fields = {
    "type": str,
    "task_id": str,
    "status": str,
    "current_step": int,
    "total_steps": int,
    "percentage": float,
    "current_stage": str,
    "elapsed_time": float,
    "estimated_remaining": float,
    "message": str,
    "timestamp": str,
}
IMAGE_FAILURE: Fields = {"type": str, "task_id": str, "status": str, "error": str, "message": str}
STEP: Fields = {"step": str, "progress": int, "message": str}
DATA: Fields = {**STEP, "data": dict}
STORY_ROOM: Fields = {"storyId": str, "timestamp": str}
STAGE: Fields = {"stage": str, "message": str, "progress": int}
WITH_DATA = ("extracting_description", "generating_history", "completed", "error")


def _step(payload: Payload) -> str:
    data = payload.data
    with_data = data["step"] in WITH_DATA or (data["step"], data["progress"]) == ("generating_details", 55)
    return "with data" if with_data else "plain"


CONTRACTS = [
    Contract(
        WORKSHOP,
        wander.STORIES,
        lambda payload: payload.event,
        {"": UPDATE},
        lambda payload: payload.data["stage"] in ("completed", "failed", "cancelled"),
    ),
    Contract(
        STORY_ROOMS,
        wander.STORIES,
        lambda payload: payload.event,
        {
            "story:processing:start": {**STORY_ROOM, "step": str},
            "story:processing:progress": {**STORY_ROOM, "progress": int, "step": str, "message": str},
            "story:processing:complete": {
                **STORY_ROOM,
                "generatedContent": str,
                "generatedWordCount": int,
                "processingTime": int,
            },
            "story:processing:error": {**STORY_ROOM, "error": str, "step": str},
        },
        lambda payload: payload.event in ("story:processing:complete", "story:processing:error"),
    ),
    Contract(
        CHARACTER_SESSIONS,
        wander.CHARACTERS,
        _step,
        {"plain": STEP, "with data": DATA},
        lambda payload: payload.data["step"] in ("completed", "error"),
    ),
    Contract(
        CHARACTER_AVATAR,
        wander.IMAGES,
        lambda payload: payload.data["step"],
        {"generating_avatar": DATA},
        lambda payload: not {"avatarUrl", "error"}.isdisjoint(payload.data.get("data", ())),
        optional=frozenset(("data",)),
    ),
    Contract(
        CONTENT_PIPELINE,
        wander.STORIES,
        lambda payload: payload.event,
        {
            "progress": STAGE,
            "draft": {**STAGE, "draft": str},
            "complete": {"success": bool, "output": str, "metadata": dict},
            "error": {"message": str, "stage": str, "code": str},
        },
        lambda payload: payload.event in ("complete", "error"),
    ),
    Contract(
        ImageTasks("task_1"),
        wander.IMAGES,
        lambda payload: "failed" if payload.data["status"] == "failed" else "",
        {"": IMAGE_PROGRESS, "failed": IMAGE_FAILURE},
        lambda payload: payload.data["status"] in ("completed", "failed", "cancelled"),
    ),
]
KINDS_OF_PLAYS = {id(wander.STORIES): "story", id(wander.CHARACTERS): "character"}
HISTORIES = sorted(path for path in FOLDER.glob("*.json") if not path.name.endswith(".snapshot.json"))
every_contract = pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.dialect.name)
rough = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))


def told(dialect: Dialect, entries: Sequence[SharedEntry]) -> list[tuple[Payload, ...]]:
    """Return what a new watcher is told of each entry."""
    translator = dialect.translator(entries[0].generation_id)
    return [tuple(translator.payloads(entry)) for entry in entries]


def recorded(name: str) -> list[SharedEntry]:
    """Return a recorded log as a watcher gets it."""
    path = FOLDER / f"{name}.json"
    kind = KINDS[kind_of(path)]
    return [read_entry(kind, f"{kind.name}-recorded", entry.data) for entry in load(path)]


def assert_kept(contract: Contract, entries: Sequence[SharedEntry]) -> None:
    """Check all that holds of every log."""
    before = [entry.response.SerializeToString(deterministic=True) for entry in entries]
    payloads = told(contract.dialect, entries)

    assert payloads == told(contract.dialect, entries), "the same entries are told alike"
    assert before == [entry.response.SerializeToString(deterministic=True) for entry in entries], "nothing is changed"
    for entry, some in zip(entries, payloads, strict=True):
        for payload in some:
            assert_shape(contract, payload)
        ends = [contract.ends(payload) for payload in some]
        expected = [False] * (len(some) - 1) + [True] if entry.ends_run else [False] * len(some)
        assert expected == ends, f"{entry.body} ends a run, and nothing else does"


def assert_shape(contract: Contract, payload: Payload) -> None:
    """Check the fields of one payload, and that it is JSON."""
    data = payload.data
    assert data == json.loads(json.dumps(data, allow_nan=False))
    fields = contract.shapes[contract.shape(payload)]
    assert set(fields) - contract.optional <= set(data) <= set(fields)
    for name, value in data.items():
        assert isinstance(value, fields[name]), name
        assert not isinstance(value, bool) or fields[name] is bool, name
    if "timestamp" in data:
        assert re.fullmatch(TIME, data["timestamp"])


@every_contract
@rough
@given(st.data())
def test_every_way_a_generation_goes_is_told_in_the_contracts_own_shapes(contract: Contract, data: Any) -> None:
    """Exact fields, exact types, plain JSON; each run ends with exactly one payload that says so, its last."""
    assert_kept(contract, data.draw(wander.scenes(contract.play)).entries)


@pytest.mark.parametrize(
    ("contract", "path"),
    [
        pytest.param(contract, path, id=f"{path.stem}-{contract.dialect.name}")
        for contract in CONTRACTS
        for path in HISTORIES
        if KINDS_OF_PLAYS.get(id(contract.play)) == kind_of(path)
    ],
)
def test_recorded_histories_are_told_in_the_contracts_own_shapes(contract: Contract, path: Any) -> None:
    """The same of what has really happened."""
    assert_kept(contract, recorded(path.stem))


@every_contract
@rough
@given(st.data())
def test_who_comes_back_is_told_what_follows(contract: Contract, data: Any) -> None:
    """Of an entry, a dialect that does not fold tells the same to who has been away as to who was always there."""
    entries = data.draw(wander.scenes(contract.play)).entries
    cut = data.draw(st.integers(0, len(entries) - 1))
    whole = told(contract.dialect, entries)

    if not contract.dialect.folds:
        assert whole[cut:] == told(contract.dialect, entries[cut:])


@every_contract
@rough
@given(st.data(), st.sampled_from(["", "the cursor 99 is ahead of the log"]))
def test_a_folded_log_is_told_as_it_stands(contract: Contract, data: Any, reset: str) -> None:
    """A snapshot or a reset gives payloads of the same shapes; the last one ends the run if it has ended."""
    scene = data.draw(wander.scenes(contract.play))
    length = data.draw(st.integers(1, len(scene.log)))
    entry = scene.folded(reset, length)
    (payloads,) = told(contract.dialect, [entry])

    assert_kept(contract, [entry])
    assert entry.ends_run == any(map(contract.ends, payloads))
    if entry.ends_run:
        last = told(contract.dialect, [each for each in scene.entries if each.sequence == length])
        assert last[-1][-1] == payloads[-1]


@every_contract
def test_what_this_version_does_not_know_is_passed_over(contract: Contract) -> None:
    """An event of a newer service may be anything: front ends of today have no words for it."""
    entry = read_entry(STORY, "story-1", b"\x0a\x04\x10\x05\x20\x02")

    assert "" == entry.body
    assert [()] == told(contract.dialect, [entry])
