"""Real NATS servers and journals for tests, and a few words to write logs with.

`FABULA_TEST_NATS_URL` points the tests that harm no server at one that runs already, with `FABULA_TEST_REPLICAS`
copies of each stream: so the contracts can be held against a cluster.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import pytest
import pytest_asyncio

from fabula.engine.ports import Address, Entry, EventLog, GenerationId, Purpose, Record, Tag
from fabula.journal import Journal, JournalSettings, connect
from fabula.journal.embedded import EmbeddedServer

T = TypeVar("T")

LEASE_SECONDS = 0.5


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def nats_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Run one embedded server for all tests that do not harm it; give its URL."""
    if url := os.environ.get("FABULA_TEST_NATS_URL"):
        yield url
        return
    async with EmbeddedServer(tmp_path_factory.mktemp("nats")) as server:
        yield server.url


@pytest.fixture
def settings(nats_server: str) -> JournalSettings:
    """Give settings for the shared server, with short waits."""
    return JournalSettings(
        url=nats_server,
        name="test",
        replicas=int(os.environ.get("FABULA_TEST_REPLICAS", "1")),
        lease_seconds=LEASE_SECONDS,
        idle_check_seconds=0.2,
        queue_info_seconds=0.0,
    )


@pytest_asyncio.fixture
async def journal(settings: JournalSettings) -> AsyncIterator[Journal]:
    """Open a journal on the shared server."""
    async with connect(settings) as opened:
        yield opened


@pytest_asyncio.fixture
async def own_server(tmp_path: Path) -> AsyncIterator[EmbeddedServer]:
    """Run an embedded server that the test may kill."""
    async with EmbeddedServer(tmp_path) as server:
        yield server


@pytest.fixture
def kind() -> str:
    """Give a kind that no other test uses, and so a queue of its own."""
    return f"story-{uuid4().hex[:8]}"


@pytest.fixture
def address(kind: str) -> Address:
    """Give the address of a generation that nobody else knows."""
    return new_address(kind)


def new_address(kind: str, owner: str = "") -> Address:
    """Return a fresh address."""
    return Address(kind, owner or f"owner {uuid4()}", GenerationId(f"{kind}-{uuid4()}"))


def entries(first: int, *data: bytes) -> list[Entry]:
    """Return entries with consecutive sequences from `first`."""
    return [Entry(first + index, Tag.TEXT, some) for index, some in enumerate(data or (b"x",))]


async def write(
    log: EventLog, address: Address, count: int, *, after: int = 0, first: int = 1, size_bytes: int = 20
) -> list[int]:
    """Append `count` records of one event each; return their revisions."""
    revisions: list[int] = []
    for sequence in range(first, first + count):
        purpose = Purpose.QUEUE if sequence == 1 else Purpose.NOTE
        some = entries(sequence, sequence.to_bytes(4, "big") * (size_bytes // 4))
        after = await log.append(address, some, after=after, append_id=uuid4().hex, purpose=purpose)
        revisions.append(after)
    return revisions


async def take(source: AsyncGenerator[T, None], count: int, seconds: float = 20.0) -> list[T]:
    """Return the first `count` items and close the source."""
    taken: list[T] = []
    async with asyncio.timeout(seconds), aclosing(source):
        async for item in source:
            taken.append(item)
            if len(taken) == count:
                break
    return taken


def sequences(records: list[Record]) -> list[int]:
    """Return the sequences of all entries in these records, in their order."""
    return list(itertools.chain.from_iterable([entry.sequence for entry in record.entries] for record in records))


async def eventually(condition: Callable[[], Awaitable[bool]], seconds: float = 5.0) -> None:
    """Return as soon as the condition holds; fail if it does not within the time."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110  the store has no event for it
            await asyncio.sleep(0.01)
