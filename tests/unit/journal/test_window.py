"""The bounded stretch between a subscription and its reader."""

from __future__ import annotations

import asyncio

from fabula.journal.window import Window


async def test_items_come_in_order() -> None:
    """What is pushed is taken, first in first out."""
    window: Window[int] = Window()
    for number in range(3):
        window.push(number)

    assert [0, 1, 2] == [await window.take() for _ in range(3)]


async def test_too_many_items_are_all_forgotten_and_that_is_said_once() -> None:
    """After an overflow the reader is told, then gets what came later."""
    window: Window[int] = Window(max_items=2)
    for number in range(3):
        window.push(number)
    window.push(3)

    assert [None, 3] == [await window.take(), await window.take()]
    assert await window.take(0) is None


async def test_too_many_bytes_overflow_as_well() -> None:
    """Size is bounded, not only number; what was taken no longer counts."""
    window: Window[str] = Window(max_bytes=10)
    window.push("a", 6)
    assert await window.take() == "a"
    window.push("b", 6)
    window.push("c", 6)

    assert await window.take() is None


async def test_reader_waits_for_the_next_item() -> None:
    """A reader that comes first is woken by the push."""
    window: Window[int] = Window()
    reading = asyncio.create_task(window.take(5))
    await asyncio.sleep(0)
    window.push(1)

    assert await reading == 1


async def test_nothing_in_time_is_none() -> None:
    """Silence ends with the timeout."""
    window: Window[int] = Window()

    assert await window.take(0.01) is None
