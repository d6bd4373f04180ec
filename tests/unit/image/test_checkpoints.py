"""Checkpoints: put beside the work, newest first, and bounded in the end."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fabula.backends.image import Batch, Step
from fabula.engine.ports import BlobInfo
from fabula.errors import LogCorrupted, NotFound, Unavailable
from services.image import checkpoints
from services.image.checkpoints import Keeper, from_bytes, keeping, to_bytes


class SlowBlobs:
    """Blobs that are stored one at a time, when the test lets them.

    Attributes:
        stored: Steps that were done in what is stored.
        begun: The same of what was begun to be stored.
    """

    def __init__(self, *errors: Exception, ready: int = 0) -> None:
        self.stored: list[int] = []
        self.begun: list[int] = []
        self.let = asyncio.Semaphore(ready)
        self.errors = list(errors)
        self.data: bytes | None = None

    async def put(self, name: str, data: bytes, media_type: str) -> BlobInfo:
        """Store, after a while."""
        done = from_bytes(data).done
        self.begun.append(done)
        await self.let.acquire()
        if self.errors:
            raise self.errors.pop(0)
        self.stored.append(done)
        self.data = data
        return BlobInfo(name, len(data), media_type, "")

    async def get(self, name: str) -> bytes:
        """Return what was stored."""
        if self.data is None:
            raise NotFound("nothing", name=name)
        return self.data


def step(done: int, state: bytes = b"state") -> Step:
    """Return a step of fifty."""
    return Step(done, 50, Batch(1, 0), state)


def keeper(blobs: Any, every: int = 5, kept: int = 0) -> Keeper:
    """Return a keeper."""
    return Keeper(blobs, "work/checkpoint", every, kept)


async def some_turns() -> None:
    """Let other tasks go on."""
    for _ in range(10):
        await asyncio.sleep(0)


@given(st.integers(0, 999), st.integers(0, 8), st.binary(max_size=200))
def test_checkpoint_comes_back(done: int, slot: int, state: bytes) -> None:
    """Whatever the state holds."""
    kept = Step(done, 1000, Batch(8, slot), state)

    assert kept == from_bytes(to_bytes(kept))


@pytest.mark.parametrize("data", [b"", b"\n", b"{}\nstate", b"[1]\n", b'{"done": "x"}\n', b"\xff\xfe\n"])
def test_what_is_no_checkpoint_is_corrupt(data: bytes) -> None:
    """It is begun anew then."""
    with pytest.raises(LogCorrupted):
        from_bytes(data)


async def test_what_cannot_be_read_is_nothing() -> None:
    """Neither what is missing nor what is broken ends the work."""
    blobs: Any = SlowBlobs()
    assert await checkpoints.read(blobs, "x") is None
    blobs.data = b"nonsense"
    assert await checkpoints.read(blobs, "x") is None


async def test_every_fifth_step_is_put() -> None:
    """And none between."""
    blobs = SlowBlobs(ready=100)
    keeping_ = keeper(blobs)
    for done in range(1, 13):
        keeping_.take(step(done))
        await some_turns()
    await keeping_.stop()

    assert [5, 10] == blobs.stored


async def test_slow_store_gets_the_newest_state_next() -> None:
    """Taking never waits; what came while another state was put is put after it, and only the newest."""
    blobs = SlowBlobs()
    keeping_ = keeper(blobs)
    for done in range(1, 24):
        keeping_.take(step(done))
        await some_turns()
    assert [5] == blobs.begun
    blobs.let.release()
    await some_turns()
    blobs.let.release()
    await some_turns()
    await keeping_.stop()

    assert [5, 23] == blobs.stored


async def test_state_that_is_not_taken_costs_nothing_else() -> None:
    """The next one is tried when it is due."""
    blobs = SlowBlobs(Unavailable("full"), ready=100)
    keeping_ = keeper(blobs)
    for done in range(1, 8):
        keeping_.take(step(done))
        await some_turns()
    await keeping_.stop()

    assert ([5, 6], [6]) == (blobs.begun, blobs.stored)


async def test_step_without_a_state_is_not_kept() -> None:
    """Under a scheduler that cannot go on in the middle."""
    blobs = SlowBlobs(ready=100)
    async with keeping(keeper(blobs, every=1), lambda _: True) as keeping_:
        keeping_.take(step(1, b""))
        await some_turns()

    assert [] == blobs.begun


@pytest.mark.parametrize(("worth", "expected"), [(True, [7]), (False, [])])
async def test_newest_state_is_kept_before_an_error_goes_on(*, worth: bool, expected: list[int]) -> None:
    """Where somebody may go on from it."""
    blobs = SlowBlobs(ready=100)

    async def work() -> None:
        async with keeping(keeper(blobs, every=100), lambda _: worth) as keeping_:
            keeping_.take(step(7))
            raise ValueError("oops")

    with pytest.raises(ValueError, match="oops"):
        await work()

    assert expected == blobs.stored


async def test_what_is_being_put_gives_way_to_the_newest_state() -> None:
    """At an interruption the older one is left half done."""
    blobs = SlowBlobs()

    async def work() -> None:
        async with keeping(keeper(blobs), lambda _: True) as keeping_:
            keeping_.take(step(5))
            await some_turns()
            keeping_.take(step(8))
            blobs.let.release()
            raise ValueError("oops")

    with pytest.raises(ValueError, match="oops"):
        await work()

    assert ([5, 8], [8]) == (blobs.begun, blobs.stored)


async def test_interruption_waits_for_the_store_no_longer_than_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that does not answer does not hold the pause up."""
    monkeypatch.setattr(checkpoints, "LAST_CHANCE_SECONDS", 0.01)
    blobs = SlowBlobs()

    async def work() -> None:
        async with keeping(keeper(blobs), lambda _: True) as keeping_:
            keeping_.take(step(3))
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await some_turns()
    task.cancel()
    async with asyncio.timeout(10):
        await asyncio.wait({task})

    assert task.cancelled()
    assert ([3], []) == (blobs.begun, blobs.stored)


async def test_interrupted_work_keeps_its_newest_state_though_it_is_interrupted_twice() -> None:
    """Who is in a hurry does not wait, but what was begun is finished."""
    blobs = SlowBlobs()

    async def work() -> None:
        async with keeping(keeper(blobs), lambda _: True) as keeping_:
            keeping_.take(step(3))
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await some_turns()
    task.cancel()
    await some_turns()
    task.cancel()
    await asyncio.wait({task})
    blobs.let.release()
    await some_turns()

    assert task.cancelled()
    assert [3] == blobs.stored
