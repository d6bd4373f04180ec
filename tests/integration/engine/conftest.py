"""Fixtures of the engine's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest_asyncio

from fabula.journal import Journal, JournalSettings, connect
from tests.integration.engine.workplace import Workplace, open_workplace


@pytest_asyncio.fixture
async def place(journal: Journal) -> AsyncIterator[Workplace]:
    """Open a workplace on the shared server."""
    async with open_workplace(journal) as opened:
        yield opened


@pytest_asyncio.fixture
async def long_lease_place(settings: JournalSettings) -> AsyncIterator[Workplace]:
    """Open a workplace where a job that is not handed back stays where it is for longer than a test lasts."""
    async with connect(replace(settings, lease_seconds=600)) as journal, open_workplace(journal) as opened:
        yield opened
