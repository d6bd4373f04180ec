"""Becomes another program that ends with its parent, however the parent ends.

    python -I -S orphanless.py PARENT_PID COMMAND [ARGUMENT…]

On Linux the kernel sees to it. Elsewhere a forked sidekick waits for the end of standard input, a pipe whose other
end only the parent holds. Either way the process keeps its id, and standard input becomes empty.

It is run as a file, before anything else: it must not import more than the standard library.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
"""From <sys/prctl.h>: the signal a process gets when the thread that forked it ends. Kept over exec."""

NOT_STARTED = 127
"""Exit code when there is no such command, as shells have it."""


def end_with_parent_by_kernel(parent: int) -> None:
    """Ask the kernel to kill this process when its parent ends. Exits if the parent has ended already."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        raise SystemExit(NOT_STARTED)


def end_with_parent_by_pipe() -> None:
    """Leave a sidekick behind that kills this process when standard input ends."""
    command = os.getpid()
    if os.fork() > 0:
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in (1, 2):  # who reads the command's output must see its end
        os.dup2(nowhere, output)
    while os.getppid() == command:
        ended, _, _ = select.select([0], [], [], 1.0)
        if ended and os.getppid() == command:
            os.kill(command, signal.SIGKILL)
    os._exit(0)


def become(command: Sequence[str]) -> None:
    """Replace this process by `command`, with an empty standard input."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        os.execvp(command[0], list(command))  # noqa: S606 - there is no shell, and none is wanted
    except OSError as error:
        sys.stderr.write(f"{command[0]} cannot be started: {error.strerror}\n")
        raise SystemExit(NOT_STARTED) from None


def main(arguments: Sequence[str]) -> None:
    """Do what the command line says."""
    if sys.platform == "linux":
        end_with_parent_by_kernel(int(arguments[0]))
    else:
        end_with_parent_by_pipe()
    become(arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
