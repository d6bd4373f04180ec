"""A nats-server with a slow disk: the real one, each of whose syncs strace holds up."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from fabula.journal.embedded import find_server

_HOLD_UP = "inject=fsync,fdatasync:delay_enter={microseconds}"
"""With `sync_interval: always` nats-server (2.15) writes a record with pwrite and then syncs its file with fsync."""


def slow_nats_server(folder: Path, sync_seconds: float) -> Path:
    """Put a nats-server into the folder whose every sync takes so long; return the folder, to stand first in PATH.

    It stays one process, with the id of the server: strace traces from aside. Skips the test where nobody may trace.
    """
    strace = _strace()
    folder.mkdir()
    hold_up = _HOLD_UP.format(microseconds=round(sync_seconds * 1e6))
    tracing = f"{strace} -D -f -qqq -o /dev/null -e trace=fsync,fdatasync -e {hold_up} --seccomp-bpf"
    program = folder / "nats-server"
    program.write_text(f'#!/bin/sh\nexec {tracing} {shlex.quote(str(find_server()))} "$@"\n')
    program.chmod(0o755)
    return folder


def _strace() -> str:
    """Return the path of an strace that may trace and hold up; skip the test if there is none."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("no disk can be made slow here: there is no strace (`scripts/find-strace` installs it)")
    trial = [strace, "-f", "-o", "/dev/null", "-e", "trace=fsync", "-e", _HOLD_UP.format(microseconds=1), "true"]
    tried = subprocess.run([*trial[:-1], "--seccomp-bpf", trial[-1]], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no disk can be made slow here: strace may not trace: {tried.stderr.strip()}")
    return strace
