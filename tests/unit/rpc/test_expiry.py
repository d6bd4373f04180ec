from __future__ import annotations

import asyncio
import time

import pytest

from fabula.rpc import expiry
from fabula.rpc.expiry import Expiry, on_expiry


async def test_it_calls_back_once_when_the_time_has_come() -> None:
    """Not before."""
    called: list[float] = []
    Expiry(lambda: called.append(time.time())).set(until := time.time() + 0.1)
    await asyncio.sleep(0.4)

    assert 1 == len(called)
    assert called[0] >= until


async def test_a_later_time_takes_the_place_of_an_earlier_one() -> None:
    """Who shows a fresh token stays."""
    called: list[str] = []
    waiting = Expiry(lambda: called.append("expired"))
    waiting.set(time.time() + 0.05)
    waiting.set(time.time() + 60)
    await asyncio.sleep(0.2)
    assert [] == called
    waiting.set(time.time() - 1)
    await asyncio.sleep(0.05)
    assert ["expired"] == called
    waiting.set(None)
    waiting.cancel()


async def test_what_is_over_before_is_not_called_back() -> None:
    """The block was left, or there is no end at all."""
    called: list[str] = []
    for expires in (time.time() + 0.05, None):
        with on_expiry(expires, lambda: called.append("expired")):
            pass
    await asyncio.sleep(0.15)

    assert [] == called


async def test_the_clock_is_looked_at_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that slept wakes with a clock that has jumped; times beyond all clocks do no harm."""
    called: list[str] = []
    monkeypatch.setattr(expiry, "LONGEST_LOOK_SECONDS", 0.05)
    left = [1000.0, 1000.0, -1.0]
    monkeypatch.setattr(expiry, "seconds_left", lambda _: left.pop(0) if left else -1.0)
    with on_expiry(2.0**40, lambda: called.append("expired")):
        await asyncio.sleep(0.4)

    assert ["expired"] == called
