"""Processes as the operating system sees them: whose children they are, and whether they live."""

from __future__ import annotations

import asyncio
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Process:
    """One line of `ps`."""

    pid: int
    parent: int
    command: str


def processes() -> list[Process]:
    """Return all processes that are there now, dead ones that nobody has buried left out."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,stat=,args="], capture_output=True, text=True, check=True)
    found = []
    for line in listed.stdout.splitlines():
        pid, parent, state, *command = line.split(maxsplit=3)
        if not state.startswith("Z"):
            found.append(Process(int(pid), int(parent), " ".join(command)))
    return found


def descendants(pid: int) -> list[Process]:
    """Return the children of a process, their children, and so on."""
    everybody = processes()
    found: list[Process] = []
    parents = {pid}
    while fresh := [one for one in everybody if one.parent in parents and one not in found]:
        found += fresh
        parents = {one.pid for one in fresh}
    return found


async def until_gone(pids: list[int], seconds: float) -> None:
    """Wait until none of these processes lives."""
    try:
        async with asyncio.timeout(seconds):
            while alive := [one for one in processes() if one.pid in pids]:  # noqa: ASYNC110 - others' children: there is no event
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"still there after {seconds} s: {alive}") from None
