"""Telling a generation's log, line by line."""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing
from datetime import UTC

from rich.console import Console
from rich.text import Text

from fabula.api.gateway.v1.gateway_pb2 import LogRecord
from fabula.cli.calls import Commands
from fabula.cli.connection import kind_behind
from fabula.cli.exits import Exit
from fabula.cli.output import put, say
from fabula.cli.watching import to_json
from fabula.rpc.log_records import ERROR, WARNING, matters, record_of

STYLES = {WARNING: "yellow", ERROR: "bold red"}


class LogCommands(Commands):
    """The command `fabula log`."""

    def log(self, id_: str, after: int, least: str, *, follow: bool) -> Exit:
        """Print the lines there are; with `follow` also those to come, to the end of the run or until Ctrl-C."""
        self._sequence = after
        there = self.look(id_).generation.last_sequence
        last = None if follow else there
        try:
            if last is None or after < last:
                asyncio.run(self._tell(id_, least, last))
        except KeyboardInterrupt:
            say(f"From here:  fabula log {id_} --follow --after {self._sequence}")
            return Exit.DETACHED
        return Exit.SUCCESS

    async def _tell(self, id_: str, least: str, last: int | None) -> None:
        async with (
            self.servers.to(kind_behind(id_)) as server,
            aclosing(server.watch(id_, self._sequence)) as responses,
        ):
            async for response in responses:
                event = response.event
                if event.WhichOneof("body") == "reset":
                    say(f"Starting over: {event.reset.reason}. Read it all with: fabula log {id_}")
                record = record_of(event)
                if record is not None and matters(record, least):
                    self._print(record)
                self._sequence = event.sequence or self._sequence
                if last is not None and self._sequence >= last:
                    return

    def _print(self, record: LogRecord) -> None:
        """Print a line: for programs, for people, or with tabs."""
        when = record.time.ToDatetime(UTC)
        if self.as_json:
            put(to_json(record))
        elif sys.stdout.isatty():
            time, stage = f"{when.astimezone():%H:%M:%S}", f"{record.stage} " if record.stage else ""
            text = (record.message, STYLES.get(record.level, ""))
            Console(highlight=False).print(Text.assemble((f"{time} ", "dim"), (stage, "cyan"), text), soft_wrap=True)
        else:
            put("\t".join((when.isoformat(timespec="milliseconds"), record.level, record.stage, record.message)))
        sys.stdout.flush()
