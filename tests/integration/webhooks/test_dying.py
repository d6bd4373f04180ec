"""Whatever dies between an ending and its endpoint: it is told, under one id."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from fabula.api.generation.v1 import generation_pb2 as gen
from fabula.journal.embedded import EmbeddedServer
from tests.integration.story.house import story
from tests.integration.story.processes import service
from tests.integration.webhooks.house import House, open_house
from tests.integration.webhooks.receiver import BUSY, Receiver

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]
LOOPBACK = {"FABULA_WEBHOOK_ALLOW": "127.0.0.0/8", "FABULA_LEASE_SECONDS": "1", "FABULA_GRAMMAR_WORDS_PER_SECOND": "0"}


@pytest_asyncio.fixture(loop_scope="module")
async def alone(tmp_path: Path) -> AsyncIterator[House]:
    """A server whose journal nobody else uses, and no worker."""
    async with EmbeddedServer(tmp_path / "nats") as nats, open_house(nats.url) as opened:
        yield opened


async def test_an_ending_without_any_worker_is_told_by_the_next(alone: House, receiver: Receiver) -> None:
    """The server ends what nobody has begun; whoever comes later tells of it."""
    owner = alone.owner()
    _, secret = await owner.register(receiver.url())
    generation = await owner.user.start(story())
    await owner.user.call("CancelGeneration", generation_id=generation)
    await asyncio.sleep(0.3)
    assert [] == receiver.heard
    async with alone.worker():
        [heard] = await receiver.until(1)

    assert "generation.cancelled" == heard.verified(secret)["type"]


async def test_a_worker_that_is_killed_while_it_tells_is_replaced(
    alone: House, receiver: Receiver, tmp_path: Path
) -> None:
    """The next one sends the same again, and the log shows no secret of either."""
    owner = alone.owner()
    id_, secret = await owner.register(receiver.url("/of-a-worker"))
    receiver.go.clear()
    url = alone.settings.url
    async with service("worker", url, tmp_path, **LOOPBACK) as first:
        generation = await owner.user.start(story())
        [before] = await receiver.until(1, seconds=40)
        await first.end(signal.SIGKILL)
        logged = first.log.read_text()
    receiver.go.set()
    async with service("worker", url, tmp_path, **LOOPBACK) as second:
        heard = await receiver.until(2, seconds=40)
        told = await owner.settled(id_)
        logged += second.log.read_text()

    assert {before.id} == {each.id for each in heard} == {told.id}
    assert generation == heard[-1].verified(secret)["data"]["id"]
    assert [secret not in logged, secret.removeprefix("whsec_") not in logged, "webhook_sent" in logged] == [True] * 3


async def test_kills_at_any_moment_lose_no_ending(alone: House, receiver: Receiver, tmp_path: Path) -> None:
    """Workers die, a third of a second later each time, while endings come and the endpoint is busy now and then."""
    owner = alone.owner()
    await owner.register(receiver.url())
    receiver.answers += [BUSY, BUSY]
    url, told = alone.settings.url, set()
    for number in range(5):
        some = [await owner.user.start(story()) for _ in range(3)]
        queued = await owner.user.start(story())
        await owner.user.call("CancelGeneration", generation_id=queued)
        told |= {*some, queued}
        async with service("worker", url, tmp_path, **LOOPBACK) as worker:
            await asyncio.sleep(0.05 + 0.3 * number)
            await worker.end(signal.SIGKILL)
    async with service("worker", url, tmp_path, **LOOPBACK), asyncio.timeout(60):
        for generation in told:
            await owner.user.reaches_any(generation, gen.STATE_SUCCEEDED, gen.STATE_CANCELLED, seconds=40)
        count = 0
        while told - {each.content["data"]["id"] for each in receiver.heard}:
            count += 1
            await receiver.until(count)

    by_id = {each.id: each.content["data"]["id"] for each in receiver.heard}
    assert sorted(told) == sorted(by_id.values())  # one delivery each, however often it was sent


async def test_a_worker_that_slept_does_no_harm(alone: House, receiver: Receiver, tmp_path: Path) -> None:
    """Another one takes over; when it wakes, what it held is told already."""
    owner = alone.owner()
    id_, _ = await owner.register(receiver.url())
    receiver.go.clear()
    url = alone.settings.url
    async with service("worker", url, tmp_path, **LOOPBACK) as sleeper:
        await owner.user.start(story())
        await receiver.until(1, seconds=40)
        sleeper.process.send_signal(signal.SIGSTOP)
        receiver.go.set()
        async with alone.worker():
            told = await owner.settled(id_, seconds=30)
        sleeper.process.send_signal(signal.SIGCONT)
        await asyncio.sleep(1.5)
        assert told == await owner.settled(id_)

    assert {told.id} == {each.id for each in receiver.heard}
