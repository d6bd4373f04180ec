from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from fabula.journal.embedded import EmbeddedServer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nats_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A NATS server for the file: its queue of pictures is nobody else's."""
    async with EmbeddedServer(tmp_path_factory.mktemp("nats")) as server:
        yield server.url
