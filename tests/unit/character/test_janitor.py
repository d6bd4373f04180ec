"""What the janitor leaves alone, and what it mends. What it removes is tested over a real journal."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fabula.rpc.stores import Stores
from services.character import avatars
from services.character.avatars import painting, queue
from services.character.codec import character_to_message
from services.character.contract import CharacterContract
from services.character.janitor import INTERRUPTED, Janitor
from services.character.sheet import Avatar, AvatarState, Character
from services.character.shelf import Shelf, key_of
from tests.records import MemoryRecords
from tests.unit.character.samples import MADE_AT, OWNER, address, character


@pytest.fixture
def records() -> MemoryRecords:
    """Records of this test's own."""
    return MemoryRecords()


def janitor(records: MemoryRecords, *, days: float = 0) -> Janitor:
    """Return a janitor so many days after the characters were made; there are no logs."""
    stores: Any = Stores(None, None, records)  # type: ignore[arg-type]  # what is tested here reads records only
    return Janitor(stores, CharacterContract().codec, clock=lambda: MADE_AT + timedelta(days=days))


async def kept(records: MemoryRecords, **fields: Any) -> Character:
    """Put a character into the library."""
    await Shelf(records).note_owner(OWNER)
    return await Shelf(records).put(address(), character(**fields), after="")


async def test_lost_avatar_is_given_up_at_the_second_look(records: MemoryRecords) -> None:
    """At the first one it may just be about to be noted."""
    before = await kept(records, avatar=Avatar(AvatarState.PENDING, "image-2", "image-1"))
    sweeper = janitor(records)
    await sweeper.sweep()
    assert before == await Shelf(records).get(address())
    await sweeper.sweep()

    after = await Shelf(records).get(address())
    assert after is not None
    assert Avatar(AvatarState.FAILED, "image-2", "image-1", INTERRUPTED) == after.avatar
    assert replace(before, avatar=after.avatar, etag=after.etag) == after


async def test_avatar_whose_task_nobody_can_read_is_given_up(records: MemoryRecords) -> None:
    """Nobody is ever going to carry it out."""
    await kept(records, avatar=Avatar(AvatarState.PENDING, "image-2"))
    await records.put(avatars.key_of(OWNER, address().id), b"\xff")
    sweeper = janitor(records)
    for _ in range(2):
        await sweeper.sweep()

    after = await Shelf(records).get(address())
    assert after is not None
    assert AvatarState.FAILED is after.avatar.state


async def test_avatar_that_is_noted_is_waited_for(records: MemoryRecords) -> None:
    """For ever: the image service may be away for long."""
    task = painting(address())
    before = await kept(records, avatar=Avatar(AvatarState.PENDING, task.generation_id))
    await queue(records, task)
    sweeper = janitor(records)
    for _ in range(3):
        await sweeper.sweep()

    assert before == await Shelf(records).get(address())


@pytest.mark.parametrize(("days", "fields"), [(6, {}), (100, {"saved": True, "expire_time": None})])
async def test_character_in_time_and_saved_one_stay(records: MemoryRecords, days: int, fields: dict[str, Any]) -> None:
    """As they were."""
    before = await kept(records, avatar=Avatar(), **fields)
    await janitor(records, days=days).sweep()

    assert before == await Shelf(records).get(address())


async def test_character_that_is_saved_at_that_very_moment_stays(records: MemoryRecords) -> None:
    """Whoever writes first wins."""
    before = await kept(records, avatar=Avatar())
    saved = replace(before, saved=True, expire_time=None)

    def save(key: str) -> None:
        records.before_put = lambda _key: None
        assert key == key_of(address())
        records.put_now(key, character_to_message(replace(saved, etag="")).SerializeToString())

    records.before_put = save
    await janitor(records, days=100).sweep()

    after = await Shelf(records).get(address())
    assert after is not None
    assert replace(saved, etag=after.etag) == after


async def test_nobodys_and_unreadable_characters_stop_no_sweep(records: MemoryRecords) -> None:
    """The others are looked at."""
    await records.put("characters.0000.character-x", b"\xff\xff")
    await kept(records, avatar=Avatar(AvatarState.PENDING, "image-2"))
    await records.put(key_of(address(2)), b"\xff\xff")
    sweeper = janitor(records)
    await sweeper.sweep()
    await sweeper.sweep()

    after = await Shelf(records).get(address())
    assert after is not None
    assert after.avatar.failure == INTERRUPTED
