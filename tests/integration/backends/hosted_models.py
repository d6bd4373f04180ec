"""Models for the host's tests. Each is real work in a real child process, chosen to behave badly in one way."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from fabula.backends.host import JsonObject
from fabula.backends.host.hosted import Work
from fabula.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Counter:
    """Counts to `upto`, and on the way does what the request asks for."""

    details: JsonObject

    def run(self, work: Work) -> None:
        """Emit 0, 1, 2 …; misbehave at the number `at`."""
        for number in range(work.request.get("upto", 3)):
            if number == work.request.get("at"):
                misbehave(work.request["misbehaviour"], work)
            work.emit({"number": number}, work.payload)


def counter(config: JsonObject) -> Counter:
    """Load a counter; `misbehaviour` in the config happens while it loads."""
    if "misbehaviour" in config:
        misbehave(config["misbehaviour"], None)
    if "loads" in config:  # a file with one line for every load
        with Path(config["loads"]).open("a") as loads:
            loads.write(f"{os.getpid()}\n")
    return Counter({"pid": os.getpid()})


def misbehave(how: str, work: Work | None) -> None:  # noqa: C901, PLR0912 - a flat list
    """Do one of the things that real models do."""
    match how:
        case "print":
            print("a library prints to stdout")  # noqa: T201
            os.write(1, b"and one writes to the descriptor\n")
        case "sleep in C":
            ctypes.PyDLL(None).sleep(3600)  # PyDLL keeps the interpreter's lock, as a stuck kernel does
        case "wait for cancel":
            while work is not None:
                work.check()
        case "run out of memory":
            raise MemoryError
        case "run out of the accelerator's memory":
            raise type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory. Tried to allocate 2.00 GiB.")
        case "fail to allocate":
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes")
        case "raise":
            raise RuntimeError("device-side assert triggered")
        case "refuse":
            raise InvalidRequest("The request asks for too much.")
        case "exit":
            sys.stderr.write("the last line before the end\n")
            os._exit(3)
        case "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "speak out of turn":
            os.write(_pipe_to_parent(), b"\xff" * 64)
        case _:
            raise ValueError(how)


def _pipe_to_parent() -> int:
    """Return the descriptor of the pipe that the child took over from stdout: the highest pipe it holds."""
    pipes = [int(name) for name in os.listdir("/proc/self/fd") if _is_pipe(name)]  # noqa: PTH208
    return max(pipes)


def _is_pipe(name: str) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{name}").startswith("pipe:")  # noqa: PTH115
    except FileNotFoundError:  # the descriptor that listed the folder
        return False
