from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from fabula.journal.embedded import EmbeddedServer
from tests.integration.image.house import House, open_house
from tests.integration.image.tiny import ONE_THREAD, build, open_tiny


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def nats_url(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """A NATS server for the file: its queue of pictures is nobody else's."""
    async with EmbeddedServer(tmp_path_factory.mktemp("nats")) as server:
        yield server.url


@pytest.fixture(scope="session")
def tiny_pipelines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a tiny base and a tiny refiner; model hosts compute with one thread meanwhile."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    yield build(tmp_path_factory.mktemp("pipelines"))
    for name, value in before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def real_house(nats_url: str, tiny_pipelines: Path) -> AsyncIterator[House]:
    """A server and a worker that paints with tiny pipelines, by the real adapter."""
    async with open_tiny(tiny_pipelines) as model, open_house(nats_url, model) as opened:
        yield opened
