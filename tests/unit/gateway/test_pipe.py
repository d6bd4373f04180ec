from __future__ import annotations

import asyncio

import pytest

from gateway.pipe import ClientGone, Pipe


async def test_a_free_pipe_has_room_at_once() -> None:
    """Waiting for room gives nobody else a turn where there is room."""
    waiting = Pipe(lambda _: None).room()

    with pytest.raises(StopIteration):
        waiting.send(None)


async def test_a_full_pipe_is_waited_for() -> None:
    """All who wait go on when the client has read; who finds it full again waits again."""
    pipe = Pipe(lambda _: None)
    pipe.stop()
    waiting = [asyncio.create_task(pipe.room()) for _ in range(2)]
    await asyncio.sleep(0)
    pipe.go_on()
    pipe.stop()
    await asyncio.sleep(0)
    assert [False, False] == [task.done() for task in waiting]
    pipe.go_on()

    await asyncio.wait_for(asyncio.gather(*waiting), 1)


async def test_who_waits_for_a_client_that_leaves_is_told() -> None:
    """A closed pipe has no room, now and later."""
    pipe = Pipe(lambda _: None)
    pipe.stop()
    waiting = asyncio.create_task(pipe.room())
    await asyncio.sleep(0)
    pipe.close()

    with pytest.raises(ClientGone):
        await waiting
    with pytest.raises(ClientGone):
        await pipe.room()


def test_who_writes_without_asking_is_stopped_once() -> None:
    """When the pipe is full, when it is full again, and when it closes; not twice for the same."""
    stops: list[bool] = []
    pipe = Pipe(lambda _: None)
    pipe.on_stop = lambda: stops.append(pipe.closed)
    pipe.go_on()
    pipe.stop()
    pipe.stop()
    pipe.go_on()
    pipe.stop()
    pipe.close()
    pipe.close()

    assert [False, False, True] == stops
