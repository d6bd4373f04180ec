"""The whole system, as a user runs it: `fabula up` on free ports, with a data directory of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fabula.cli.up_status import UpStatus, read_status

FABULA = (sys.executable, "-m", "fabula.cli")
START_SECONDS = 120.0
"""Generous, on a busy machine: a system that dies is noticed at once. With pictures it waits 15 s for the painter."""

REPLACE_SECONDS = 60.0
STOP_SECONDS = 30.0
POLL_SECONDS = 0.05


def free_port() -> int:
    """Return a port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def plain_environment(**more: str) -> dict[str, str]:
    """Return this process's environment without settings of Fabula's, and with some of its own."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(("FABULA_", "NO_COLOR"))}
    return {**own, "COLUMNS": "200", **more}


@dataclass(slots=True)
class System:
    """A running system. Use it as a context manager, or call `start` and `stop`.

    Attributes:
        data_dir: Its data directory.
        words_per_second: Pace of the bundled author; 0 is as fast as it can.
        environment: Further settings.
        http_port, story_port, character_port, image_port: Where it listens.
        generators: Which generators it runs. Pictures need torch in two processes more: only who asks for them waits.
    """

    data_dir: Path
    words_per_second: float = 0.0
    environment: Mapping[str, str] = field(default_factory=dict)
    http_port: int = field(default_factory=free_port)
    story_port: int = field(default_factory=free_port)
    character_port: int = field(default_factory=free_port)
    image_port: int = field(default_factory=free_port)
    generators: str = "story"
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where the gateway is."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def story_address(self) -> str:
        """Where the story server is."""
        return f"127.0.0.1:{self.story_port}"

    @property
    def character_address(self) -> str:
        """Where the character server is."""
        return f"127.0.0.1:{self.character_port}"

    @property
    def image_address(self) -> str:
        """Where the image server is."""
        return f"127.0.0.1:{self.image_port}"

    @property
    def log_file(self) -> Path:
        """What `fabula up` has written, all of it."""
        return self.data_dir.with_name(f"{self.data_dir.name}.log")

    @property
    def settings(self) -> dict[str, str]:
        """The environment of commands that talk to this system, and of the system itself."""
        return plain_environment(
            FABULA_DATA_DIR=str(self.data_dir),
            FABULA_HTTP_PORT=str(self.http_port),
            FABULA_STORY_PORT=str(self.story_port),
            FABULA_CHARACTER_PORT=str(self.character_port),
            FABULA_IMAGE_PORT=str(self.image_port),
            FABULA_GENERATORS=self.generators,
            FABULA_GRAMMAR_WORDS_PER_SECOND=str(self.words_per_second),
            **self.environment,
        )

    @property
    def status(self) -> UpStatus | None:
        """What `fabula up` says of itself now; None if it does not run."""
        return read_status(self.data_dir)

    def start(self) -> None:
        """Start everything, and return when it is ready."""
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*FABULA, "up", "--verbose"],
                env=self.settings,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while (status := self.status) is None or status.pid != self.process.pid or not status.ready:
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"fabula up is not ready:\n{self.log_file.read_text(errors='replace')}")
            time.sleep(POLL_SECONDS)

    def stop(self) -> int:
        """Stop everything as Ctrl-C does; return the exit code of `fabula up`."""
        process, self.process = self.process, None
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def pid_of(self, name: str) -> int:
        """Return the process id of "nats-server", "story-server", "story-worker" or "gateway"."""
        status = self.status
        pid = status.pid_of(name) if status is not None else None
        assert pid is not None, f"{name} does not run"
        return pid

    def kill(self, name: str) -> int:
        """Kill -9 a process; return its id."""
        pid = self.pid_of(name)
        os.kill(pid, signal.SIGKILL)
        return pid

    def until_replaced(self, name: str, old_pid: int, seconds: float = REPLACE_SECONDS) -> int:
        """Wait until a killed process is back and ready; return its new id."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for process in self.status.processes if self.status is not None else ():
                if process.name == name and process.phase == "ready" and process.pid not in (None, old_pid):
                    assert process.pid is not None
                    return process.pid
            time.sleep(POLL_SECONDS)
        raise AssertionError(f"{name} was not started again:\n{self.log_file.read_text(errors='replace')}")

    def fabula(self, *arguments: str, seconds: float = 40.0, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command of `fabula` against this system, without a terminal."""
        return subprocess.run(
            [*FABULA, *arguments],
            env=self.settings,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command of `fabula` against this system, and leave it running."""
        return subprocess.Popen(
            [*FABULA, *arguments],
            env=self.settings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    async def fabula_in_thread(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command as `fabula` does, without blocking the loop."""
        return await asyncio.to_thread(self.fabula, *arguments)


def json_lines(text: str) -> Sequence[Any]:
    """Return the JSON objects of a text, one a line."""
    return [json.loads(line) for line in text.splitlines()]
