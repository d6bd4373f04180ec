"""What `fabula up` says of its processes."""

from __future__ import annotations

import signal
from collections.abc import MutableMapping
from typing import Any

import structlog

from fabula.cli.log_lines import OURS, Entry, Printer, from_fields, parse
from fabula.cli.supervisor import Phase, Status

JOURNAL = "nats-server"
"""The journal's name in the log and among the processes."""


class Log:
    """Tells what the services write and what becomes of them.

    Args:
        printer: Shows it.

    Attributes:
        statuses: The newest status of each service, in the order of their start.
        journal_restarts: How often the private journal was started again.
    """

    def __init__(self, printer: Printer) -> None:
        self._printer = printer
        self.statuses: dict[str, Status] = {}
        self.journal_restarts = 0

    def take_own_entries(self) -> None:
        """Show what this process itself logs, which is what becomes of the private journal."""

        def show(_logger: object, level: str, fields: MutableMapping[str, Any]) -> str:
            self.journal_restarts += fields.get("event") == "nats_server_restarted"
            self._printer.write(from_fields(JOURNAL, {"level": level, **fields}))
            raise structlog.DropEvent

        structlog.configure(processors=[show])

    def line(self, service: str, text: str) -> None:
        """Show a line that a service wrote."""
        self._printer.write(parse(service, text))

    def say(self, text: str, level: str = "info", *, news: bool = True) -> None:
        """Show a line of our own."""
        self._printer.write(Entry(OURS, text, level, news))

    def changed(self, status: Status) -> None:
        """Tell what became of a service."""
        self.statuses[status.name] = status
        match status.phase:
            case Phase.STARTING:
                self.say(f"{status.name} starts (process {status.pid})", news=False)
            case Phase.READY if status.restarts:
                self.say(f"{status.name} is back (process {status.pid})")
            case Phase.READY:
                self.say(f"{status.name} is ready (process {status.pid})", news=False)
            case Phase.DEAD:
                self.say(
                    f"{status.name} ended unexpectedly ({_ending(status.exit_code)}); "
                    f"starting it again in {status.wait_seconds:g} s",
                    "warning",
                )
            case Phase.STOPPED:
                self.say(f"{status.name} has stopped", news=False)
            case _:
                pass


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"
