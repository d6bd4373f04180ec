"""A full disk under the private nats-server: refused in plain words, nothing lost, and mended by itself."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from fabula.engine.ports import Address
from fabula.errors import Unavailable
from fabula.journal import Journal, JournalSettings, connect
from fabula.journal.embedded import EmbeddedServer
from tests.nats import entries, eventually, sequences, write
from tests.small_disk import SmallDisk, small_disk

RECORD_BYTES = 100_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """Give a disk that may be filled."""
    with small_disk(tmp_path / "disk") as disk:
        yield disk


def settings_for(server: EmbeddedServer) -> JournalSettings:
    """Return settings with short waits."""
    return JournalSettings(url=server.url, answer_seconds=1.0, idle_check_seconds=0.2)


async def stored(journal: Journal, address: Address) -> list[int]:
    """Return the sequences that are stored."""
    return sequences([record async for record in journal.events.read(address)])


async def append(journal: Journal, address: Address, sequence: int, after: int) -> int:
    """Append one small event, always by the same id."""
    return await journal.events.append(address, entries(sequence), after=after, append_id=f"append {sequence}")


async def until_refused(journal: Journal, address: Address, revision: int) -> int:
    """Append until the disk refuses; return the last revision that was stored. An open page may still take some."""

    async def append_many() -> None:
        nonlocal revision
        for sequence in range(2, 200):
            revision = await append(journal, address, sequence, revision)

    with pytest.raises(Unavailable, match="disk"):
        await append_many()
    return revision


async def test_full_disk_is_refused_and_the_journal_goes_on_by_itself(disk: SmallDisk, address: Address) -> None:
    """Appends are refused for the disk, reads go on; with room again all goes on, and nothing is lost or twice."""
    with capture_logs() as logs:
        async with EmbeddedServer(disk.folder) as server, connect(settings_for(server)) as journal:
            supervising = asyncio.create_task(server.supervise())
            (revision,) = await write(journal.events, address, 1)
            following = journal.events.follow(address)
            async with aclosing(following):
                seen = [await anext(following)]
                disk.fill()
                revision = await until_refused(journal, address, revision)
                kept = await stored(journal, address)
                disk.clear()
                await eventually(_appended(journal, address, kept[-1] + 1, revision), 20)
                async for record in following:
                    seen.append(record)
                    if record.last_sequence == kept[-1] + 1:
                        break

            assert [*kept, kept[-1] + 1] == await stored(journal, address) == sequences(seen)
            supervising.cancel()
            await asyncio.wait([supervising])

    told = [entry["event"] for entry in logs if entry["event"].startswith("nats_server_")]
    assert ["nats_server_stores_nothing", "nats_server_is_restarted", "nats_server_restarted"] == [
        event for event in told if event != "nats_server_started"
    ]
    assert "no space left" in next(entry["reason"] for entry in logs if entry["event"] == "nats_server_stores_nothing")


async def test_server_killed_on_a_full_disk_comes_back_and_can_be_read(disk: SmallDisk, address: Address) -> None:
    """To start again needs no room, and what was acknowledged before the disk was full is there."""
    async with EmbeddedServer(disk.folder) as server, connect(settings_for(server)) as journal:
        supervising = asyncio.create_task(server.supervise())
        revisions = await write(journal.events, address, 1)
        disk.fill()
        await until_refused(journal, address, revisions[0])
        kept = await stored(journal, address)
        pid = server.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

        async def replaced() -> bool:
            return server.pid not in (None, pid)

        await eventually(replaced)
        await eventually(_readable(journal, address), 10)
        assert kept == await stored(journal, address)
        supervising.cancel()
        await asyncio.wait([supervising])


async def test_start_on_a_full_disk_says_so(disk: SmallDisk) -> None:
    """There is no traceback, and no journal that could not keep anything."""
    disk.fill()

    with pytest.raises(Unavailable, match="No space left on device"):
        await EmbeddedServer(disk.folder).start()


async def test_restart_with_more_stored_than_is_free_goes_on_storing(disk: SmallDisk, address: Address) -> None:
    """The disk is the limit: what lies there already does not count against what is free when the server starts."""
    most = disk.free_bytes * 3 // 4 // RECORD_BYTES
    async with EmbeddedServer(disk.folder) as server, connect(settings_for(server)) as journal:
        revisions = await write(journal.events, address, most, size_bytes=RECORD_BYTES)
    more = disk.free_bytes // 2 // RECORD_BYTES
    async with EmbeddedServer(disk.folder) as server, connect(settings_for(server)) as journal:
        await write(journal.events, address, more, after=revisions[-1], first=most + 1, size_bytes=RECORD_BYTES)

        assert list(range(1, most + more + 1)) == await stored(journal, address)


async def test_stopped_server_is_not_said_to_have_a_full_disk(own_server: EmbeddedServer, address: Address) -> None:
    """Who does not answer at all is away; the disk is named only where everything else is answered."""
    async with connect(settings_for(own_server)) as journal:
        (revision,) = await write(journal.events, address, 1)
        assert own_server.pid is not None
        os.kill(own_server.pid, signal.SIGSTOP)
        await eventually(_stopped(own_server.pid))
        began = time.monotonic()
        try:
            with pytest.raises(Unavailable) as refusal:
                await append(journal, address, 2, revision)
        finally:
            os.kill(own_server.pid, signal.SIGCONT)

    assert "disk" not in refusal.value.message
    assert time.monotonic() - began < 5 * journal.link.settings.answer_seconds


def _has_stopped(pid: int) -> bool:
    threads = Path(f"/proc/{pid}/task").glob("*/stat")
    return all(stat.read_text().rpartition(")")[2].split()[0] == "T" for stat in threads)


def _stopped(pid: int) -> Callable[[], Awaitable[bool]]:
    async def stopped() -> bool:
        return _has_stopped(pid)

    return stopped


def _appended(journal: Journal, address: Address, sequence: int, after: int) -> Callable[[], Awaitable[bool]]:
    async def appended() -> bool:
        try:
            await append(journal, address, sequence, after)
        except Unavailable:
            return False
        return True

    return appended


def _readable(journal: Journal, address: Address) -> Callable[[], Awaitable[bool]]:
    async def readable() -> bool:
        try:
            return bool(await stored(journal, address))
        except Unavailable:
            return False

    return readable
