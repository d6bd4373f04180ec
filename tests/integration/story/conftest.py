from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

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
async def idle_house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A server with authentication and no worker, on a NATS server of its own: what is started waits."""
    async with EmbeddedServer(tmp_path_factory.mktemp("nats")) as nats, open_house(nats.url, working=False) as opened:
        yield opened


@pytest.fixture
def user(house: House) -> Iterator[User]:
    """A caller nobody knows yet."""
    yield house.user()
    house.release()
