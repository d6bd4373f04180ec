"""Keeps one service running as a child process: starts it, sees when it is ready, starts it again when it dies.

It knows commands, readiness and signals; not what the service does, nor how its output is shown.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from fabula import orphanless
from fabula.cli.output_lines import read_lines
from fabula.errors import Unavailable

PROBE_SECONDS = 0.05
"""How often a service that starts is asked whether it is ready."""

OUTPUT_GRACE_SECONDS = 0.5
"""How long the output of a process that has ended is still read; a grandchild may hold it open for ever."""

USAGE_EXIT = 2
"""Exit code of a process that cannot work with its settings: trying again would not help."""

HOPELESS_DEATHS = 5
"""So often a service may die before it is ready for the first time; then it is given up."""


class Phase(StrEnum):
    """Where a service stands."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    DEAD = "dead"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Service:
    """A program to keep running.

    Attributes:
        name: What people know it by; unique.
        command: The program and its arguments.
        ready: Says whether it does its work. Asked again and again while it starts; it must not raise.
        environment: Variables set for it, over those of this process.
        start_seconds: How long it may take to become ready for the first time, restarts included.
        stop_seconds: How long it may take to end after SIGTERM before it is killed.
        beside: Whether it needs nothing of the one before: it is started without waiting for that.
        awaited: Whether what follows, and who starts it all, wait until it is ready.
    """

    name: str
    command: tuple[str, ...]
    ready: Callable[[], Awaitable[bool]]
    environment: Mapping[str, str] = field(default_factory=dict)
    start_seconds: float = 60.0
    stop_seconds: float = 10.0
    beside: bool = False
    awaited: bool = True


@dataclass(frozen=True, slots=True)
class Status:
    """A service at one moment.

    Attributes:
        name: Which one.
        phase: Where it stands.
        pid: Its process; None while there is none.
        restarts: How often it was started again.
        exit_code: How its last process ended, negative for a signal; None if none has.
        wait_seconds: While DEAD: when it is started again.
    """

    name: str
    phase: Phase
    pid: int | None = None
    restarts: int = 0
    exit_code: int | None = None
    wait_seconds: float = 0.0


class Observer(Protocol):
    """Is told what happens. Its methods must not block or raise."""

    def line(self, service: str, text: str) -> None:
        """A service has written a line to its output."""
        ...

    def changed(self, status: Status) -> None:
        """A service has changed its phase."""
        ...


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a dead process is left alone before it is started again: twice as long each time.

    It spares the machine a process that cannot do its work. One that was at work and is killed, however often, is
    missed by everybody who waits for it, and comes back at once.

    Attributes:
        first_seconds: After the first death.
        longest_seconds: At most.
        settled_seconds: A process that was ready for so long starts from `first_seconds` again.
    """

    first_seconds: float = 0.2
    longest_seconds: float = 5.0
    settled_seconds: float = 1.0

    def after(self, previous_seconds: float, ready_seconds: float) -> float:
        """Return the wait after a process that was ready for so long; `previous_seconds` 0 means it was the first."""
        if previous_seconds == 0 or ready_seconds >= self.settled_seconds:
            return self.first_seconds
        return min(previous_seconds * 2, self.longest_seconds)


class Keeper:
    """Keeps one service running.

    Args:
        service: Which one.
        observer: Is told what happens.
        lifeline: The reading end of a pipe that ends with this process.
        backoff: How patient it is.
    """

    def __init__(self, service: Service, observer: Observer, lifeline: int, backoff: Backoff) -> None:
        self.service = service
        self.status = Status(service.name, Phase.WAITING)
        self._observer = observer
        self._lifeline = lifeline
        self._backoff = backoff
        self._process: asyncio.subprocess.Process | None = None
        self._killed = False
        self._ready_at: float | None = None  # of the present process, by the loop's clock
        self._stopping = asyncio.Event()
        self._ready = asyncio.Event()
        self._hopeless = asyncio.Event()

    async def keep(self) -> None:
        """Run the service, again and again, until `stop`."""
        wait, deaths, loop = 0.0, 0, asyncio.get_running_loop()
        while not self._stopping.is_set():
            self._ready_at = None
            code = await self._live()
            if self._stopping.is_set():
                break
            wait = self._backoff.after(wait, 0.0 if self._ready_at is None else loop.time() - self._ready_at)
            self._change(Phase.DEAD, pid=None, exit_code=code, wait_seconds=wait)
            deaths += 1
            if not self._ready.is_set() and (code == USAGE_EXIT or deaths >= HOPELESS_DEATHS):
                self._hopeless.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), wait)
        self._change(Phase.STOPPED, pid=None)

    async def until_ready(self, seconds: float | None = None) -> None:
        """Wait until the service is ready for the first time, at most as long as it may take, or so many seconds.

        Raises:
            Unavailable: it was not in time, keeps dying, or refuses its settings.
        """
        ready, hopeless = asyncio.ensure_future(self._ready.wait()), asyncio.ensure_future(self._hopeless.wait())
        try:
            await asyncio.wait(
                {ready, hopeless}, timeout=seconds or self.service.start_seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            ready.cancel()
            hopeless.cancel()
        if not self._ready.is_set():
            raise Unavailable(self._excuse(), service=self.service.name)

    def stop(self) -> None:
        """End the service: ask, wait as long as it may take, then kill. `keep` returns when its process is gone."""
        self._stopping.set()

    def kill(self) -> None:
        """End the service at once, and do not start it again."""
        self._stopping.set()
        self._killed = True
        if self._process is not None:
            _send(self._process, signal.SIGKILL)

    async def _live(self) -> int:
        """Run one process of the service to its end, and return its exit code."""
        output, written = os.pipe()
        try:
            self._process = process = await self._spawn(written)
        finally:
            os.close(written)
        again = self.status.exit_code is not None
        self._change(Phase.STARTING, pid=process.pid, restarts=self.status.restarts + again)
        async with asyncio.TaskGroup() as tasks:
            probing = tasks.create_task(self._probe())
            reading = tasks.create_task(self._read(output))
            try:
                code = await self._until_ended(process)
            finally:
                self._process = None
                if process.returncode is None:
                    _send(process, signal.SIGKILL)
            probing.cancel()
            await asyncio.wait({reading}, timeout=OUTPUT_GRACE_SECONDS)
            reading.cancel()
        return code

    async def _until_ended(self, process: asyncio.subprocess.Process) -> int:
        """Wait until the process ends, by itself or because it has to."""
        ending, stopping = asyncio.ensure_future(process.wait()), asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({ending, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not ending.done():
                self._change(Phase.STOPPING)
                _send(process, signal.SIGKILL if self._killed else signal.SIGTERM)
                await asyncio.wait({ending}, timeout=self.service.stop_seconds)
            if not ending.done():
                _send(process, signal.SIGKILL)
            return await ending
        finally:
            ending.cancel()
            stopping.cancel()

    async def _spawn(self, output: int) -> asyncio.subprocess.Process:
        # Isolated and without site packages: the shim must cost milliseconds.
        shim = (sys.executable, "-I", "-S", str(Path(orphanless.__file__)), str(os.getpid()))
        return await asyncio.create_subprocess_exec(
            *shim,
            *self.service.command,
            stdin=self._lifeline,
            stdout=output,
            stderr=output,
            env={**os.environ, **self.service.environment},
            # Ctrl-C in the terminal reaches this process only, which stops the services in their order.
            start_new_session=True,
        )

    async def _probe(self) -> None:
        while not await self.service.ready():  # noqa: ASYNC110 - another process; there is no event
            await asyncio.sleep(PROBE_SECONDS)
        if not self._stopping.is_set():
            self._ready_at = asyncio.get_running_loop().time()
            self._change(Phase.READY)
            self._ready.set()

    async def _read(self, output: int) -> None:
        async for line in read_lines(output):
            self._observer.line(self.service.name, line)

    def _excuse(self) -> str:
        name, status = self.service.name, self.status
        if status.exit_code is not None:
            return f"{name} does not start: it ends with exit code {status.exit_code}; its output above says why."
        return f"{name} was not ready within {self.service.start_seconds:g} s; its output (`--verbose`) may say why."

    def _change(self, phase: Phase, **changes: float | None) -> None:
        values = {"pid": self.status.pid, "restarts": self.status.restarts, "exit_code": self.status.exit_code}
        self.status = Status(self.service.name, phase, **{**values, **changes})  # type: ignore[arg-type]  # as named
        self._observer.changed(self.status)


def _send(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        process.send_signal(number)
