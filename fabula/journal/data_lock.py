"""Makes sure that one data directory serves one journal at a time."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from fabula.errors import Conflict, Unavailable

logger = structlog.get_logger(__name__)

_ORPHAN_SECONDS = 10.0
_POLL_SECONDS = 0.02


@contextmanager
def locked(lock: Path) -> Iterator[None]:
    """Hold the lock file while the block lasts. The lock of a process that died is void by itself.

    Raises:
        Conflict: another process holds it.
        Unavailable: the file cannot be written.
    """
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unavailable(f"The data directory {lock.parent} cannot be used: {error.strerror}.") from error
    try:
        _take(descriptor, lock)
        yield
    finally:
        os.close(descriptor)


def end_orphan(pid_file: Path, mark: str) -> None:
    """End the process that an earlier owner of the directory left behind, if it still runs.

    Args:
        pid_file: Where that process wrote its id.
        mark: What its command line must contain, so that a stranger with a reused id is left alone.

    Raises:
        Conflict: it does not end.
    """
    pid = _number(pid_file)
    if pid is None or mark not in _command_line(pid):
        return
    logger.warning("orphaned_server_found", pid=pid)
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.kill(pid, signal_number)
        if _gone(pid, mark):
            return
    raise Conflict(f"The process {pid} still uses {pid_file.parent} and does not end; end it by hand.")


def _take(descriptor: int, lock: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner = _number(lock)
        raise Conflict(
            f"The data directory {lock.parent.parent} is in use by process {owner or 'unknown'}: "
            "stop that one, or choose another directory.",
            pid=str(owner or ""),
        ) from error
    with suppress(OSError):  # a full disk: the lock holds without a word of who has it
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


def _gone(pid: int, mark: str) -> bool:
    deadline = time.monotonic() + _ORPHAN_SECONDS
    while time.monotonic() < deadline:
        if mark not in _command_line(pid):
            return True
        time.sleep(_POLL_SECONDS)
    return False


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        return None


def _command_line(pid: int) -> str:
    """Return the command line of a process; empty if there is none."""
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    command = ["ps", "-p", str(pid), "-o", "command="]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603  fixed words
