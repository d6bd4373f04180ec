from __future__ import annotations

import asyncio
import time

from gateway.caretaker import Caretaker


class Line:
    """A connection that notes what is done for it."""

    def __init__(self) -> None:
        self.wrote_at = time.monotonic()
        self.signs = 0
        self.dismissals = 0
        self.answers = asyncio.Event()
        self.answers.set()

    async def keep_alive(self) -> None:
        """Give a sign of life, once the client takes it."""
        self.signs += 1
        await self.answers.wait()
        self.wrote_at = time.monotonic()

    async def dismiss(self) -> None:
        """Note that it was asked to go."""
        self.dismissals += 1


async def _until_signs(line: Line, count: int) -> None:
    async with asyncio.timeout(5):
        while line.signs < count:  # noqa: ASYNC110 - a bounded poll
            await asyncio.sleep(0.005)


async def test_only_who_is_silent_is_given_signs_of_life() -> None:
    """Again and again, as long as it is silent; who has just been written to needs none."""
    silent, busy = Line(), Line()
    busy.wrote_at += 1000
    async with Caretaker(0.02) as caretaker:
        caretaker.begin(silent)
        caretaker.begin(busy)
        await _until_signs(silent, 3)

    assert 0 == busy.signs


async def test_who_does_not_take_a_sign_is_given_no_second_one() -> None:
    """One that waits for room is enough, and holds up no other connection."""
    stuck, silent = Line(), Line()
    stuck.answers.clear()
    async with Caretaker(0.02) as caretaker:
        caretaker.begin(stuck)
        caretaker.begin(silent)
        await _until_signs(silent, 4)

    assert 1 == stuck.signs


async def test_the_trouble_of_one_is_not_the_others() -> None:
    """Whatever a connection raises."""

    class Broken(Line):
        async def keep_alive(self) -> None:
            self.signs += 1
            self.wrote_at = time.monotonic() + 1000  # to log an error takes its time: once is enough
            raise RuntimeError("it has ended in this very moment")

        async def dismiss(self) -> None:
            raise RuntimeError("it has ended in this very moment")

    broken, silent = Broken(), Line()
    async with Caretaker(0.02) as caretaker:
        caretaker.begin(broken)
        caretaker.begin(silent)
        await _until_signs(broken, 1)
        await _until_signs(silent, 2)
        caretaker.dismiss_all()
        async with asyncio.timeout(5):
            while not silent.dismissals:  # noqa: ASYNC110 - a bounded poll
                await asyncio.sleep(0.005)


async def test_all_are_asked_to_go_at_once() -> None:
    """Those who are looked after, and not those who have left."""
    here, gone = Line(), Line()
    async with Caretaker(60) as caretaker:
        caretaker.begin(here)
        caretaker.begin(gone)
        caretaker.end(gone)
        caretaker.dismiss_all()
        await asyncio.sleep(0)

    assert (1, 0) == (here.dismissals, gone.dismissals)
