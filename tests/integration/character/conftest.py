from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from fabula.journal.embedded import EmbeddedServer
from tests.integration.character.house import Customer, House, open_house


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nats_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A NATS server for the file: its queue of characters is nobody else's."""
    async with EmbeddedServer(tmp_path_factory.mktemp("nats")) as server:
        yield server.url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(nats_url: str) -> AsyncIterator[House]:
    """A server and a worker."""
    async with open_house(nats_url) as opened:
        yield opened


@pytest.fixture
def ida(house: House) -> Iterator[Customer]:
    """A caller nobody knows yet; the doubles are as new, before and after."""
    house.renew()
    yield house.customer()
    house.renew()
