"""`fabula up`: the whole system on this machine, supervised, from one command."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path

from rich.console import Console
from rich.text import Text

from fabula.cli.beside import beside
from fabula.cli.exits import Exit
from fabula.cli.log_lines import JsonPrinter, LogPrinter, Printer
from fabula.cli.ports import reached_at, refuse_busy
from fabula.cli.supervisor import Supervisor
from fabula.cli.up_log import JOURNAL, Log
from fabula.cli.up_services import services_of
from fabula.cli.up_status import ProcessStatus, UpStatus, remove_status, write_status
from fabula.errors import Conflict, Unavailable
from fabula.journal.data_lock import locked
from fabula.journal.embedded import EmbeddedServer
from fabula.rpc.kinds import STORY
from fabula.settings import UpSettings

STATUS_SECONDS = 0.1
"""How old the status file may be."""

_OTHER_FOLDER = "Name another with --data-dir or FABULA_DATA_DIR."


async def up(settings: UpSettings, *, verbose: bool) -> Exit:
    """Run the system until Ctrl-C or SIGTERM; return the exit code.

    Raises:
        FabulaError: it cannot be started; the message says what to do.
    """
    console = Console(stderr=True, highlight=False)
    printer: Printer = JsonPrinter(console) if settings.log_format == "json" else LogPrinter(console, verbose=verbose)
    log = Log(printer)
    house = House(settings, log)
    house.stop_at_signals()
    with suppress(asyncio.CancelledError):  # a signal; nobody else cancels this task
        async with house.running():
            Console(highlight=False).print(banner(settings, house.status), soft_wrap=True)
            await asyncio.Event().wait()
    log.say("all has stopped")
    return Exit.SUCCESS


class House:
    """Everything that `fabula up` runs.

    Args:
        settings: How.
        log: Is told what happens.
    """

    def __init__(self, settings: UpSettings, log: Log) -> None:
        self._settings = settings
        self._log = log
        self._journal: EmbeddedServer | None = None
        self._supervisor: Supervisor | None = None
        self._ready = False
        self._stopping = False

    def stop_at_signals(self) -> None:
        """Let the first SIGINT or SIGTERM cancel the current task, and each further one kill what still runs."""
        task, loop = asyncio.current_task(), asyncio.get_running_loop()

        def stop() -> None:
            if self._stopping:
                self._log.say("killing everything", "warning")
                self._kill()
            elif task is not None:
                self._stopping = True
                self._log.say("stopping; once more to kill at once")
                task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run everything while the block lasts. The block begins when all of it is ready."""
        settings = self._settings
        refuse_busy(settings.http_host, settings.http_port, "the gateway", "--http-port", "FABULA_HTTP_PORT")
        refuse_busy(settings.story_host, settings.story_port, "the story server", "--story-port", "FABULA_STORY_PORT")
        with self._data_dir_locked():
            async with self._journal_url() as nats_url:
                self._supervisor = Supervisor(services_of(settings, nats_url), self._log)
                try:
                    async with beside(self._keep_status_file()), self._supervisor:
                        self._ready = True
                        yield
                finally:
                    remove_status(settings.data_dir)

    @property
    def status(self) -> UpStatus:
        """What runs now."""
        journal = self._journal
        processes = [ProcessStatus(s.name, s.phase.value, s.pid, s.restarts) for s in self._log.statuses.values()]
        if journal is not None:
            phase = "ready" if journal.pid else "dead"
            processes.insert(0, ProcessStatus(JOURNAL, phase, journal.pid, self._log.journal_restarts))
        return UpStatus(
            pid=os.getpid(),
            ready=self._ready,
            url=f"http://{reached_at(self._settings.http_host, self._settings.http_port)}",
            story_address=reached_at(self._settings.story_host, self._settings.story_port),
            nats_url=journal.url if journal is not None else "",
            processes=tuple(processes),
        )

    @asynccontextmanager
    async def _journal_url(self) -> AsyncIterator[str]:
        if self._settings.nats_url is not None:
            yield self._settings.nats_url
            return
        self._log.take_own_entries()
        self._journal = EmbeddedServer(self._settings.data_dir)
        async with self._journal, beside(self._journal.supervise()):
            self._log.say(f"{JOURNAL} is ready (process {self._journal.pid})", news=False)
            yield self._journal.url

    @contextmanager
    def _data_dir_locked(self) -> Iterator[None]:
        folder = self._settings.data_dir / "run"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(
                f"The data directory {self._settings.data_dir} cannot be made: {error.strerror}. {_OTHER_FOLDER}"
            ) from error
        with ExitStack() as held:
            try:
                held.enter_context(locked(folder / "lock"))
            except Conflict as taken:
                raise Conflict(f"{taken.message} {_OTHER_FOLDER}", **taken.details) from taken
            yield

    async def _keep_status_file(self) -> None:
        written: UpStatus | None = None
        while True:
            if (status := self.status) != written:
                with suppress(OSError):  # a full disk is no reason to stop; it is written when there is room again
                    write_status(self._settings.data_dir, status)
                    written = status
            await asyncio.sleep(STATUS_SECONDS)

    def _kill(self) -> None:
        if self._supervisor is not None:
            self._supervisor.kill()
        if self._journal is not None and (pid := self._journal.pid) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _own_name() -> str:
    """Return how this command is called here: by its path where the shell would not find it."""
    if shutil.which("fabula"):
        return "fabula"
    called = Path(sys.argv[0])
    return os.path.relpath(called) if called.name == "fabula" else f"{sys.executable} -m fabula.cli"


def banner(settings: UpSettings, status: UpStatus) -> Text:
    """Return what a person wants to know when everything is ready."""
    author = settings.text_model or "the bundled story grammar: no language model, no download, no key"
    journal = "a private nats-server" if status.nats_url else "the NATS server of FABULA_NATS_URL"
    rows = (
        ("story service", f"{status.story_address} (gRPC)"),
        ("author", author),
        ("journal", f"{journal}{f' at {status.nats_url}' if status.nats_url else ''}"),
        ("data", str(settings.data_dir) if status.nats_url else "in that NATS server"),
    )
    text = Text.assemble("\n", ("Fabula is ready: ", "bold"), (status.url, "bold underline"), "\n\n")
    for name, value in rows:
        text.append(f"  {name:<15}", "dim").append(f"{value}\n")
    elsewhere = "" if settings.story_port == STORY.port else f"--address {status.story_address} "
    text.append("\nOpen the page, or: ", "dim").append(
        f'{_own_name()} story {elsewhere}"A keeper finds a door in the sea"'
    )
    return text.append("\nCtrl-C stops everything.\n", "dim")
