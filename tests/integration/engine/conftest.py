"""Fixtures of the engine's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from fabula.journal import Journal
from tests.integration.engine.workplace import Workplace, open_workplace


@pytest_asyncio.fixture
async def place(journal: Journal) -> AsyncIterator[Workplace]:
    """Open a workplace on the shared server."""
    async with open_workplace(journal) as opened:
        yield opened
