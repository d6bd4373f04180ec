from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fabula.journal.embedded import EmbeddedServer
from tests.integration.story.house import House, User, open_house


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nats_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A NATS server for the file: its queue of stories is nobody else's."""
    async with EmbeddedServer(tmp_path_factory.mktemp("nats")) as server:
        yield server.url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(nats_url: str) -> AsyncIterator[House]:
    """A server with authentication, and a worker."""
    async with open_house(nats_url) as opened:
        yield opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def idle_house(nats_url: str) -> AsyncIterator[House]:
    """A server with authentication and no worker: what is started waits."""
    async with open_house(nats_url, working=False) as opened:
        yield opened


@pytest.fixture
def user(house: House) -> User:
    """A caller nobody knows yet."""
    return house.user()
