"""What a process costs, as Linux says it, and how it is ended."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

_NANOSECONDS = 1e9


def cpu_seconds(pid: int) -> float:
    """Return what a process has computed so far, in seconds of one processor; threads that have ended are left out."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):
            total += int((task / "schedstat").read_text("ascii").split()[0])
    return total / _NANOSECONDS


def private_bytes(pid: int) -> int:
    """Return the memory that is this process's alone (USS)."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    return sum(int(line.split()[1]) * 1024 for line in rollup if line.startswith("Private_"))


async def end(process: asyncio.subprocess.Process) -> None:
    """End a process that was started here, and wait until it is gone."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    await process.wait()
