"""Two hundred watchers on one gateway, half of them slow: a small copy of `bench/slow_clients.py`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio

from bench.audience import Broadcaster, gateway
from bench.paced import FAST, HALTING, IDLE, TRICKLE, Orders
from bench.processes import private_bytes
from bench.slow_clients import Pieces, Watchers, check_slow, check_whole
from bench.stage import Stage, set_stage

FAST_ONES = {FAST: 100}
SLOW_ONES = {IDLE: 34, TRICKLE: 33, HALTING: 33}
PIECES = 150
"""Of 4 KiB: several times what a slow client has room for, in its system's buffer and in the gateway's."""
STALLED_SECONDS = 4
DOCUMENTED_KIB = 128
"""What waits for a client in the gateway at most, and what was written last: docs/limits.md."""

pytestmark = pytest.mark.timeout(150)


@pytest_asyncio.fixture
async def stage() -> AsyncIterator[Stage]:
    """Run a story server."""
    async with set_stage() as set_up:
        yield set_up


def orders(telling: Pieces, server: Broadcaster, paces: dict[str, int]) -> Orders:
    """Return what watchers do."""
    return Orders(server.port, telling.address.id, telling.cursor, paces)


async def handed_out(server: Broadcaster) -> int:
    """Return how many events the gateway has written to its watchers' connections so far."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", trust_env=False) as http:
        metrics = (await http.get("/metrics")).text
    name = 'fabula_gateway_events_sent_total{door="websocket"} '
    (line,) = [each for each in metrics.splitlines() if each.startswith(name)]
    return int(float(line.split()[1]))


async def test_slow_watchers_hold_nobody_up_and_cost_little(stage: Stage) -> None:
    """Who reads has every event once, the slow ones cost what was promised, and all of them get the same in the end."""
    telling = await Pieces.begin(stage)
    first = telling.sequence
    async with gateway(stage, telling) as server, Watchers.of(orders(telling, server, FAST_ONES)) as fast:
        await telling.tell_many(10)
        before = private_bytes(server.pid)
        async with Watchers.of(orders(telling, server, SLOW_ONES)) as slow:
            await asyncio.sleep(1)
            idle = private_bytes(server.pid) - before
            handed = await handed_out(server)
            await telling.tell_many(PIECES)
            whole = await fast.finish(telling.cursor)
            handed = await handed_out(server) - handed
            grown = private_bytes(server.pid) - before
            check_slow(await slow.tell(), telling.cursor)
            caught_up = await slow.finish(telling.cursor)
        check_whole(whole, caught_up, range(first, telling.cursor + 1))

    assert {} == caught_up.came_back
    # Memory alone would not tell: what waits for many is the same bytes.
    assert (sum(FAST_ONES.values()) + sum(SLOW_ONES.values())) * PIECES - handed > SLOW_ONES[IDLE] * PIECES / 2
    assert (grown - idle) / 1024 / sum(SLOW_ONES.values()) < DOCUMENTED_KIB


async def test_who_takes_nothing_for_too_long_is_sent_away_and_comes_back(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the cursor: nothing is missing, and nothing twice."""
    monkeypatch.setenv("FABULA_STALLED_SECONDS", str(STALLED_SECONDS))
    telling = await Pieces.begin(stage)
    first = telling.sequence
    async with (
        gateway(stage, telling) as server,
        Watchers.of(orders(telling, server, {FAST: 20})) as fast,
        Watchers.of(orders(telling, server, {IDLE: 20, TRICKLE: 20, HALTING: 20})) as slow,
    ):
        await telling.tell_many(PIECES)
        await asyncio.sleep(1.25 * STALLED_SECONDS)
        caught_up = await slow.finish(telling.cursor)
        check_whole(await fast.finish(telling.cursor), caught_up, range(first, telling.cursor + 1))

    # Who reads on before its connection is cut is told why. Who reads a little every second may be taken for one who
    # reads nothing in so short a time: its system makes no room known for less than a segment.
    assert {*caught_up.came_back} <= {"1013", "0"}
    assert sum(caught_up.came_back.values()) >= 20
