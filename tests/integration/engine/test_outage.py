"""The journal goes away and comes back: nothing is lost, nothing stored twice."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from fabula.engine.events import (
    CancelRequested,
    Claimed,
    Event,
    State,
    TextDelta,
)
from fabula.engine.ports import Purpose
from fabula.journal import JournalSettings, connect
from fabula.journal.embedded import EmbeddedServer, _free_port
from tests.integration.engine.faults import (
    note,
)
from tests.integration.engine.workplace import Scene, Workplace, lifecycle, open_workplace
from tests.log_rules import texts_of
from tests.nats import LEASE_SECONDS, eventually


def claims(log: list[Event]) -> list[tuple[str, int]]:
    """Return who claimed the generation, and at which attempt."""
    return [(event.body.worker, event.body.attempt) for event in log if isinstance(event.body, Claimed)]


@pytest_asyncio.fixture
async def own_server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    """Run a server that the test may kill, and start again where it was."""
    async with EmbeddedServer(tmp_path, port=_free_port()) as server:
        yield server


@pytest_asyncio.fixture
async def own_place(own_server: EmbeddedServer) -> AsyncIterator[Workplace]:
    """Open a workplace on a server that the test may kill."""
    settings = JournalSettings(
        url=own_server.url, name="test", lease_seconds=LEASE_SECONDS, answer_seconds=0.5, idle_check_seconds=0.2
    )
    async with connect(settings) as journal, open_workplace(journal) as place:
        yield place


async def test_journal_away_in_mid_run(own_place: Workplace, own_server: EmbeddedServer) -> None:
    """The journal is killed in mid-sentence and comes back: nothing lost, nothing twice, in order; nobody noticed."""
    place = own_place
    words = [f"word-{number} " for number in range(30)]
    write = Scene("write", *words)
    async with place.working(write.stage, name="patient") as hand:
        address = await place.start()
        write.let(10)
        await place.until(address, lambda event: event.progress.step == 10)
        await _kill(own_server)
        write.let(10)  # emitted while the journal is away
        await eventually(_emitted(hand.worker, 20), 20)
        await asyncio.sleep(2 * LEASE_SECONDS)  # long enough for appends to fail and leases to lapse
        await own_server.start()
        write.let()
        log = await place.until_end(address)
        assert await place.queue_is_empty()

    assert {"write": "".join(words)} == texts_of(log)
    assert ["Accepted", "Claimed", "StageStarted", "StageFinished", "Succeeded"] == lifecycle(log)


async def test_journal_away_at_shutdown(own_place: Workplace, own_server: EmbeddedServer) -> None:
    """A worker that must stop while the journal is away stops all the same; the job goes to the next by its lease."""
    place = own_place
    write = Scene("write", "Once ", "upon", continues=True)
    async with place.working(write.stage, name="first") as hand:
        address = await place.start()
        write.let(1)
        await place.until_body(address, TextDelta)
        await _kill(own_server)
        await hand.stop()
    await own_server.start()
    write.let()
    async with place.working(write.stage, name="second"):
        log = await place.until_end(address)

    assert [("first", 1), ("second", 2)] == claims(log)
    assert {"write": "Once upon"} == texts_of(log)


async def test_cancel_stored_while_nobody_could_hear_it(own_place: Workplace, own_server: EmbeddedServer) -> None:
    """A request whose announcement was lost with the connection is found when the connection is back."""
    place = own_place
    write = Scene("write")
    async with place.working(write.stage):
        address = await place.start()
        await write.is_entered()
        await _kill(own_server)
        await own_server.start()
        await note(place, address, Purpose.CONTROL, CancelRequested())
        log = await place.until_end(address)

    assert State.CANCELLED is log[-1].state


async def _kill(server: EmbeddedServer) -> None:
    """Kill the server by its process id, and have it forgotten so that it can be started again."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    await server.stop()


def _emitted(worker: Any, step: int) -> Any:
    async def emitted() -> bool:
        (held,) = worker._held.values()
        return bool(held.run._meter.read(time.monotonic()).step == step)

    return emitted
