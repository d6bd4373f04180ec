"""What is noted for avatars, and read again by whoever carries it out."""

from __future__ import annotations

import pytest

from fabula.engine.ids import address_of
from fabula.errors import LogCorrupted
from services.character.avatars import AVATARS, AvatarTask, key_of, painting, queue, task_of
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


@pytest.mark.parametrize(
    "value", [b"", b"\xff", b"[]", b"{}", b'{"remove": [], "owner": "ida"}', b'{"remove": [], "x": 1}']
)
def test_task_that_cannot_be_read_is_corrupt(value: bytes) -> None:
    """Not a crash of whoever reads it."""
    with pytest.raises(LogCorrupted):
        task_of(value)
