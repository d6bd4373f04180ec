"""One gateway for all cases of a module, whose log has to stay clean."""

from __future__ import annotations

import itertools
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from tests.integration.gateway.clients import Gateway
from tests.integration.gateway.conftest import running_gateway
from tests.scripted_service import ScriptedImages, ScriptedServer, ScriptedStories

LOOSE: dict[str, Any] = {"messages_at_once": 10_000, "messages_per_second": 10_000.0, "max_connections_per_address": 0}
"""The limits on what one client may say are not the matter here."""


NUMBERS = itertools.count(1)
"""Numbers for generations: the gateway outlives a test, and knows those of the tests before."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def services() -> AsyncIterator[ScriptedServer]:
    """A story service and an image service."""
    running = ScriptedServer(ScriptedStories(), ScriptedImages())
    await running.start()
    yield running
    await running.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(services: ScriptedServer) -> AsyncIterator[Gateway]:
    """A gateway with all doors; what stands behind those for characters is not needed."""
    settings: dict[str, Any] = {
        "generators": ("story", "image", "character"),
        "character_address": services.address,
        **LOOSE,
    }
    async with running_gateway(services.address, **settings) as running:
        yield running


class _Complaints(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        service = record.name.startswith("grpc")  # the scripted services are no matter here
        if not service and (record.levelno > logging.WARNING or record.exc_info):
            self.texts.append(record.getMessage())


@pytest.fixture(autouse=True)
def clean_log() -> Iterator[None]:
    """Fail a test during which an exception or an error was logged: no client may cause one."""
    complaints = _Complaints()
    logging.getLogger().addHandler(complaints)
    yield
    logging.getLogger().removeHandler(complaints)
    assert [] == complaints.texts
