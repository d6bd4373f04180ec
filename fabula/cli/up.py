"""`fabula up`: the whole system on this machine, supervised, from one command."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress

from rich.console import Console

from fabula.cli.beside import beside
from fabula.cli.exits import Exit
from fabula.cli.keeper import USAGE_EXIT
from fabula.cli.log_lines import JsonPrinter, LogPrinter, Printer
from fabula.cli.parts import how_to_get, missing_for, wanted
from fabula.cli.ports import reached_at, refuse_busy
from fabula.cli.supervisor import Phase, Service, Supervisor
from fabula.cli.up_banner import banner
from fabula.cli.up_log import JOURNAL, Log
from fabula.cli.up_services import place_of, services_of
from fabula.cli.up_status import ProcessStatus, UpStatus, remove_status, write_status
from fabula.errors import Conflict, Unavailable
from fabula.journal.data_lock import locked
from fabula.journal.embedded import EmbeddedServer
from fabula.rpc.kinds import Kind
from fabula.settings import UpSettings

STATUS_SECONDS = 0.1
"""How old the status file may be."""

MODEL_SECONDS = 15.0
"""How long the start waits for a worker that loads a model. Everything else is ready by then, and can be used."""

_RESULTS = {"story": "stories", "character": "characters", "image": "pictures"}
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
            Console(highlight=False).print(banner(settings, house.status, house.pending), soft_wrap=True)
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
        self._kinds = _available(settings, log)
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
        for place in (place_of(settings, kind) for kind in self._kinds):
            refuse_busy(place.host, place.port, f"the {place.kind.name} server", place.flag, place.variable)
        with self._data_dir_locked():
            async with self._journal_url() as nats_url:
                services = services_of(settings, self._kinds, nats_url)
                self._supervisor = Supervisor(services, self._log)
                try:
                    async with beside(self._keep_status_file()), self._supervisor:
                        for service in services:
                            if not service.awaited:
                                await self._wait_for_model(self._supervisor, service)
                        self._ready = True
                        yield
                finally:
                    remove_status(settings.data_dir)

    async def _wait_for_model(self, supervisor: Supervisor, service: Service) -> None:
        """Wait for a worker that loads a model, but not for ever; refuse settings that it cannot work with."""
        name = service.name
        if self._log.statuses[name].phase is not Phase.READY:
            self._log.say(f"{name} loads its model: waiting up to {MODEL_SECONDS:g} s; all else is ready")
        try:
            await supervisor.until_ready(name, MODEL_SECONDS)
        except Unavailable:
            code = self._log.statuses[name].exit_code
            if code == USAGE_EXIT:
                raise
            if code is None:
                self._log.say(f"{name} still loads its model; what it is asked for waits for it")
            else:
                self._log.say(f"{name} does not start (its output above says why); it is tried again", "warning")

    @property
    def pending(self) -> tuple[str, ...]:
        """The processes that are not ready."""
        return tuple(status.name for status in self._log.statuses.values() if status.phase is not Phase.READY)

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
            addresses={kind.name: place_of(self._settings, kind).address for kind in self._kinds},
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


def _available(settings: UpSettings, log: Log) -> list[Kind]:
    """Return the generators that can work here; say in a line of those that cannot.

    Raises:
        Unavailable: none can.
    """
    kinds = []
    for kind in wanted(settings):
        if not (lacking := missing_for(kind)):
            kinds.append(kind)
            continue
        what = _RESULTS.get(kind.name, f"generations of the kind {kind.name}")
        log.say(f"without {what}: {', '.join(lacking)} not installed. To have them: {how_to_get(kind)}", "warning")
    if not kinds:
        raise Unavailable("Nothing that is needed is installed: run `make setup`, or pip install '.[run]'.")
    return kinds
