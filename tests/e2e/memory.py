"""What a process holds of memory for itself alone."""

from __future__ import annotations

from pathlib import Path


def own_mib(pid: int) -> float:
    """Return the memory that only this process uses (USS), in MiB; Linux says it in `smaps_rollup`."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024
