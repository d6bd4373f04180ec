"""What is noted for avatars, and read again by whoever carries it out."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import pytest

from fabula.engine.ids import address_of
from fabula.errors import LogCorrupted
from services.character.avatars import (
    AVATARS,
    SETTLED_SECONDS,
    AvatarTask,
    attempt_of,
    key_of,
    note_asked,
    painting,
    queue,
    settle,
    task_of,
    was_asked,
)
from tests.records import MemoryRecords
from tests.unit.character.samples import address


def test_painting_is_the_same_generation_whoever_asks() -> None:
    """Known before it is begun; another attempt, character or owner is another one."""
    task = painting(address())

    assert task == painting(address())
    assert address_of("image", "ida", task.request_id).id == task.generation_id
    assert len(task.request_id) <= 128
    others = (painting(address(), "2"), painting(address(2)), painting(address(owner="otto")))
    assert 4 == len({one.generation_id for one in (task, *others)})


async def test_newest_task_of_a_character_is_all_that_is_kept() -> None:
    """It takes over what the one before has begun."""
    records = MemoryRecords()
    gone = AvatarTask("ida", address().id, remove=("image-1", painting(address()).generation_id))
    for task in (painting(address()), painting(address(2)), gone):
        await queue(records, task)

    kept = await records.all(AVATARS)
    assert [painting(address(2)), gone] == [task_of(stored.value) for stored in kept.values()]
    assert [key_of("ida", address(2).id), key_of("ida", address().id)] == list(kept)


async def test_who_was_overtaken_replaces_nothing() -> None:
    """Two ask for an avatar at once: the task of the one that the character waits for stays, the other is removed."""
    records, wanted = MemoryRecords(), painting(address(), "2")
    overtaken = replace(painting(address()), remove=("image-1",))

    async def no() -> bool:
        return False

    async def only_at_first() -> bool:
        if await records.get(key_of("ida", address().id)) is None:
            await queue(records, wanted)  # at this very moment
            return True
        return False

    await queue(records, overtaken, only_at_first)
    await queue(records, overtaken, no)

    kept = await records.get(key_of("ida", address().id))
    assert kept is not None
    assert replace(wanted, remove=("image-1", overtaken.generation_id)) == task_of(kept.value)


async def test_task_that_is_done_goes_unless_another_has_come() -> None:
    """It is marked first, and nothing is left of it after a moment."""
    now = 0.0
    records = MemoryRecords(clock=lambda: now)
    key = key_of("ida", address().id)
    await queue(records, painting(address()))
    first = await records.get(key)
    await queue(records, painting(address(), "2"))
    second = await records.get(key)
    assert first is not None
    assert second is not None

    await settle(records, painting(address()), first.revision)
    assert second == await records.get(key)
    await settle(records, painting(address(), "2"), second.revision)
    marked = await records.get(key)
    assert marked is not None
    assert task_of(marked.value).settled
    now = SETTLED_SECONDS + 1.0
    assert await records.get(key) is None


async def test_what_cannot_be_read_is_replaced() -> None:
    """Nobody could ever carry it out."""
    records = MemoryRecords()
    await records.put(key_of("ida", address().id), b"\xff")
    await queue(records, painting(address()))

    stored = await records.get(key_of("ida", address().id))
    assert stored is not None
    assert painting(address()) == task_of(stored.value)


async def test_request_is_known_for_a_day() -> None:
    """Each by itself."""
    now = 0.0
    records = MemoryRecords(clock=lambda: now)
    one, other = (painting(address(), attempt_of(name)) for name in ("one", "other"))
    await note_asked(records, one)

    assert (True, False) == (await was_asked(records, one), await was_asked(records, other))
    now = 86_401.0
    assert not await was_asked(records, one)
    assert not one.first
    assert painting(address()).first


@pytest.mark.parametrize(
    "value", [b"", b"\xff", b"[]", b"{}", b'{"remove": [], "owner": "ida"}', b'{"remove": [], "x": 1}']
)
def test_task_that_cannot_be_read_is_corrupt(value: bytes) -> None:
    """Not a crash of whoever reads it."""
    with pytest.raises(LogCorrupted):
        task_of(value)


def test_what_a_later_version_adds_is_passed_over() -> None:
    """While versions change, both read the same records."""
    assert painting(address()) == task_of(json.dumps({**asdict(painting(address())), "new": 1}).encode())
