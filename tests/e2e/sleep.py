"""Processes that are put to sleep (SIGSTOP) and woken (SIGCONT): to others they look dead, and then they are not."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

from nats.aio.msg import Msg

from fabula.journal import JournalSettings, connect, subjects
from tests.system import System

_STOP_SECONDS = 20.0


@contextmanager
def asleep(pid: int) -> Iterator[None]:
    """Have a process sleep while the block lasts."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


async def sleep_for(pid: int, seconds: float, after: float = 0.0) -> None:
    """Have a process sleep for so many seconds, after so many others."""
    await asyncio.sleep(after)
    with asleep(pid):
        await asyncio.sleep(seconds)


@contextmanager
def another_worker(system: System, log_file: Path) -> Iterator[int]:
    """Run a second story worker on a system's journal while the block lasts; give its process id."""
    assert system.status is not None
    environment = {**system.settings, "FABULA_NATS_URL": system.status.nats_url, "FABULA_LOG_FORMAT": "json"}
    command = (sys.executable, "-m", "services.story", "worker")
    with log_file.open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield process.pid
        assert process.poll() is None, log_file.read_text(errors="replace")
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        finally:
            process.kill()


@asynccontextmanager
async def acknowledgements(system: System) -> AsyncIterator[Counter[int]]:
    """Count how often each job, by the place of its ticket, is said to be done while the block lasts."""
    assert system.status is not None
    counted: Counter[int] = Counter()

    def heard(message: Msg) -> None:
        counted[int(message.data)] += 1

    async with (
        connect(JournalSettings(url=system.status.nats_url)) as journal,
        journal.link.listening(subjects.job_gone("story"), heard=heard),
    ):
        await journal.link.round_trip()
        yield counted
        await journal.link.round_trip()
