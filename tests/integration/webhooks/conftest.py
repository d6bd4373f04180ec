from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from fabula.journal.embedded import EmbeddedServer
from tests.integration.webhooks.house import House, open_house
from tests.integration.webhooks.receiver import Receiver, receiving


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nats_url(tmp_path_factory: object) -> AsyncIterator[str]:
    """A NATS server for the file: its queues are nobody else's."""
    async with EmbeddedServer(tmp_path_factory.mktemp("nats")) as server:  # type: ignore[attr-defined]
        yield server.url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def idle_house(nats_url: str) -> AsyncIterator[House]:
    """A server, and no worker."""
    async with open_house(nats_url) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(idle_house: House) -> AsyncIterator[House]:
    """A server and a worker."""
    async with idle_house.worker():
        yield idle_house


@pytest_asyncio.fixture(loop_scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    """An endpoint."""
    async with receiving() as listening:
        yield listening
